"""Settings, from the environment. Every variable is explained in docs/settings.md; a test keeps the two equal."""
