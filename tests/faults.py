"""Planted faults: a test that cannot find a mistake proves nothing, so mistakes are made for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection

from tests.conftest import empty_database


class Fault(NamedTuple):
    """`old` becomes `new` in the SQL function, whose mistake the unique index `net` would otherwise catch."""

    function: str
    old: str
    new: str
    net: str = ""


NO_UNIQUE_KEY = Fault(
    "ledger_write_transactions",
    "ON CONFLICT (client_id, endpoint, source_id, service, key) WHERE key IS NOT NULL DO NOTHING",
    "",
    net="transaction_once_a_key",
)


def plant(fault: Fault) -> list[str]:
    """Makes the mistake as the owner role; returns the statements that undo it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef(%s::regproc)", [fault.function])
        body: str = cursor.fetchone()[0]
        assert fault.old in body, f"{fault.function} does not contain {fault.old!r} any more"
        cursor.execute(body.replace(fault.old, fault.new))
    return [body, *_cut(fault.net)] if fault.net else [body]


def _cut(net: str) -> list[str]:
    """Makes a unique index or constraint an ordinary index; returns what makes it unique again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [net])
        [index] = cursor.fetchone()
        cursor.execute(
            "SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [net]
        )
        found = cursor.fetchone()
        cursor.execute(f"ALTER TABLE {found[0]} DROP CONSTRAINT {net}" if found else f"DROP INDEX {net}")
        cursor.execute(index.replace("UNIQUE ", ""))
    return [f"DROP INDEX {net}", f"ALTER TABLE {found[0]} ADD CONSTRAINT {net} {found[1]}" if found else index]


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """The mistake for a while, in a database whose commits others see; what it did there is thrown away."""
    undo = plant(fault)
    try:
        yield
    finally:
        empty_database()
        with connection.cursor() as cursor:
            for statement in undo:
                cursor.execute(statement)


def figures(sql: str, *arguments: Any) -> tuple[Any, ...]:
    """The one row that the query gives."""
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments or None)
        [row] = cursor.fetchall()
    return tuple(row)
