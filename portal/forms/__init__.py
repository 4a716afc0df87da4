"""Forms of the pages: what may be sent, and what is said about what may not."""
