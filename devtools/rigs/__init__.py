"""Programs that try the whole system for longer than a test may: each is a make target of its own."""
