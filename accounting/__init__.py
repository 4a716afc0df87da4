"""Credits: who owes what to whom, and why."""
