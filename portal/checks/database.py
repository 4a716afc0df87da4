"""What must be true of the database itself: that it keeps what it confirmed, and lets nobody rewrite the ledger."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, connection

from portal.checks import rules
from portal.checks.rules import Finding, rule

#: What the application's role may only read; written by the posting functions alone.
LEDGER_TABLES = (
    "accounting_transaction",
    "accounting_posting",
    "accounting_entry",
    "accounting_account",
    "accounting_grant",
    "accounting_spend",
)
_PRIVILEGES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


class _Unreachable(Exception):
    """The question could not be asked; portal.W301 says so once for all of them."""


def _ask(sql: str, *parameters: list[str]) -> list[tuple[str, ...]]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return [tuple(map(str, row)) for row in cursor.fetchall()]
    except (DatabaseError, InterfaceError) as error:
        raise _Unreachable(type(error).__name__) from error


@rule(
    "E301",
    "The database may lose what it confirmed: {}.",
    "Switch on fsync, full_page_writes and synchronous_commit.",
    needs_database=True,
)
def durability() -> Finding:
    names = ("fsync", "full_page_writes", "synchronous_commit")
    try:
        rows = _ask("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", list(names))
    except _Unreachable:
        return None
    return ", ".join(f"{name}={value}" for name, value in rows if value == "off")


@rule(
    "E302",
    "The application's database role can rewrite the ledger: {}.",
    "DATABASE_URL must name the role that `manage.py grant_privileges` prepares, not the owner or a superuser.",
    needs_database=True,
)
def append_only() -> Finding:
    sql = """
        SELECT t.name, p.name FROM unnest(%s::text[]) AS t(name) CROSS JOIN unnest(%s::text[]) AS p(name)
         WHERE to_regclass(t.name) IS NOT NULL AND has_table_privilege(to_regclass(t.name)::oid, p.name)
         ORDER BY 1, 2
    """
    try:
        return ", ".join(" ".join(reversed(row)) for row in _ask(sql, list(LEDGER_TABLES), list(_PRIVILEGES)))
    except _Unreachable:
        return None


@rule(
    "E303",
    "The clock that decides money can be moved by a session.",
    "Install the function accounting_now() that the migrations bring; the movable one is for tests.",
    needs_database=True,
)
def clock() -> Finding:
    try:
        return any(
            "current_setting" in row[0] for row in _ask("SELECT prosrc FROM pg_proc WHERE proname = 'accounting_now'")
        )
    except _Unreachable:
        return None


@rule(
    "W301",
    "The database could not be asked whether it is safe: {}.",
    "It is asked again by /health/ready, which stays at 503 until the answer is good.",
    needs_database=True,
)
def reachable() -> Finding:
    try:
        _ask("SELECT 1")
    except _Unreachable as error:
        return str(error)
    return None


def unsafe() -> list[str]:
    """Return what the rules of this module say now; used by `/health/ready` until it is nothing once."""
    found = []
    for number in ("E301", "E302", "E303", "W301"):
        found += [f"{issue.id}: {issue.msg}" for issue in rules.registered[f"portal.{number}"](databases=["default"])]
    return found
