"""A federation to look at: made-up people, organisations, tariffs and 90 days of usage, and a back end that goes on.

Development only. `guard` refuses every other setting, nothing that is shipped imports this package, it has no
HTTP surface, and it needs the database's owner, whose password no serving process knows.
"""
