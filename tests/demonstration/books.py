"""The whole of the books in a few lines, in words that do not depend on the ids that a database hands out."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import connection

_BOOKS = """
SELECT a.kind, a.owner, coalesce(pr.slug, ''), coalesce(nullif(o.name, 'Personal'), pe.sub, ''), count(e.*),
       coalesce(sum(e.amount), 0), coalesce(sum(e.amount * extract(epoch FROM e.recorded_at)), 0)
  FROM accounting_account a
  LEFT JOIN accounting_entry e ON e.account_id = a.id
  LEFT JOIN accounting_provider pr ON pr.id = a.provider_id
  LEFT JOIN accounting_organisation o ON o.id = a.organisation_id
  LEFT JOIN accounting_person pe ON pe.personal_organisation_id = o.id
 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_CLOCK = "SELECT prosrc FROM pg_proc WHERE oid = 'accounting_now()'::regprocedure"


def query(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


def value(sql: str, *params: Any) -> Any:
    return query(sql, *params)[0][0]


def fingerprint() -> str:
    """Equal when every account has the same number of entries, the same balance, and the same moments."""
    return hashlib.sha256(repr(query(_BOOKS)).encode()).hexdigest()


def clock_source() -> str:
    return str(value(_CLOCK)).strip()
