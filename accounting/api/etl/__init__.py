"""The ETL API: what the back ends' existing reporting clients call, kept exactly as they call it.

`fields` and `reading` turn a body into a `UsageReport` (pure), `views` books it, `faults` says what went wrong in the
words of the body. Decisions where the original service leaves room are written at the place that makes them.
"""
