"""What the database says of holds, in the shape in which the model keeps it."""

from __future__ import annotations

from typing import Any

from django.db import connection


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def held() -> dict[int, tuple[int, int]]:
    """(micro-credits, open holds) by organisation."""
    sql = "SELECT organisation_id, held, holds FROM accounting_account WHERE kind = 'wallet'"
    return {organisation: (amount, count) for organisation, amount, count in _rows(sql)}


def open_holds() -> dict[int, tuple[list[tuple[int, int]], int, Any]]:
    """(what it binds of which grants, in order; what nothing backs; expiry) by hold."""
    sql = "SELECT hold_id, grants, amounts, unbacked, expires_at FROM accounting_openhold"
    return {
        hold: ([(g, a) for g, a in zip(grants, amounts, strict=True) if a], unbacked, expires)
        for hold, grants, amounts, unbacked, expires in _rows(sql)
    }


def ends() -> dict[int, str]:
    return dict(_rows("SELECT hold_id, kind FROM accounting_holdevent WHERE ends"))


def bound() -> dict[int, int]:
    return dict(_rows("SELECT id, held FROM accounting_grant WHERE held <> 0"))


def captured() -> dict[int, tuple[int, int]]:
    """(what holds paid, what went beyond) by the transaction of the report."""
    sql = "SELECT transaction_id, -amount, excess FROM accounting_holdevent WHERE kind = 'captured'"
    return {made: (amount, excess or 0) for made, amount, excess in _rows(sql)}


def limits() -> dict[str, tuple[int, int]]:
    """(amount, spent) by user, "" for everybody's."""
    sql = (
        "SELECT coalesce(p.sub, ''), l.amount, l.spent"
        "  FROM accounting_limit l LEFT JOIN accounting_person p ON p.id = l.person_id"
    )
    return {user: (amount, spent) for user, amount, spent in _rows(sql)}
