"""Our own API under /api/v1/: usage reports in, balances, entries, jobs and receipts out. See docs/api.md."""
