"""The HTTP faces of accounting: `etl`, as back ends know it, and `v1`, our own."""
