"""Brings a machine to the point where the portal can run, or its tests: `python3 -m devtools.setup run|test`.

Uses the standard library alone, because it starts with nothing installed. Each step remembers what it was
made from (devtools.setup.stamps), so that a second run takes a moment.
"""
