"""The database's clock, moved by the owner role: for tests and for making a demonstration's past.

Production has no such thing: `accounting_now()` belongs to the owner role, and the application's role cannot replace
it. While `movable` lasts, every session of the database may set `accounting.clock`; afterwards the original is back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

MOVABLE = """
CREATE OR REPLACE FUNCTION accounting_now() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$SELECT coalesce(nullif(current_setting('accounting.clock', true), '')::timestamptz, clock_timestamp())$$
"""
REAL = """
CREATE OR REPLACE FUNCTION accounting_now() RETURNS timestamptz LANGUAGE sql VOLATILE
AS 'SELECT clock_timestamp()'
"""


class Cursor(Protocol):
    """What both Django's and psycopg2's cursors offer."""

    def execute(self, query: str, params: list[str] | None = None, /) -> object: ...


@contextmanager
def movable(cursor: Cursor) -> Iterator[None]:
    """Lets `move` work in this database; needs the owner role."""
    cursor.execute(MOVABLE)
    try:
        yield
    finally:
        cursor.execute(REAL)


def move(cursor: Cursor, at: datetime | None) -> None:
    """This session's money clock stands at `at` from now on; None = runs again."""
    cursor.execute("SELECT set_config('accounting.clock', %s, false)", [at.isoformat() if at else ""])
