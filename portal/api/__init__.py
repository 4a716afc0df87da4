"""The shell around the APIs: who calls, what is parsed, how errors look. Views reach it by dotted settings."""
