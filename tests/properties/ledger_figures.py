"""What the database says, recomputed from its rows, in the shape in which the model keeps it."""

from __future__ import annotations

from typing import Any

from django.db import connection


def rows(sql: str) -> dict[Any, Any]:
    """First columns -> last column; WALLETS alone keeps the first as the key of all others."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found = cursor.fetchall()
    if sql is WALLETS:
        return {row[0]: row[1:] for row in found}
    return {row[0] if len(row) == 2 else row[:-1]: row[-1] for row in found}


WALLETS = """
    WITH run AS (SELECT account_id, seq, amount, balance_after,
                        sum(amount) OVER (PARTITION BY account_id ORDER BY seq) AS balance FROM accounting_entry)
    SELECT a.organisation_id, a.posted, a.seq, coalesce(sum(r.amount), 0), count(r.seq), coalesce(max(r.seq), 0),
           count(*) FILTER (WHERE r.balance_after IS DISTINCT FROM r.balance)
      FROM accounting_account a LEFT JOIN run r ON r.account_id = a.id WHERE a.kind = 'wallet' GROUP BY a.id"""
SPENDS = """
    SELECT s.transaction_id, s.line, s.grant_id, sum(s.amount)
      FROM accounting_spend s WHERE s.line IS NOT NULL
     GROUP BY s.transaction_id, s.line, s.grant_id HAVING sum(s.amount) <> 0"""
UNSPENT = """
    SELECT g.id, g.amount - coalesce(sum(s.amount), 0)
      FROM accounting_grant g LEFT JOIN accounting_spend s ON s.grant_id = g.id GROUP BY g.id"""
JOBS = """
    SELECT s.source_id, j.job_id, p.sub, j.organisation_id, j.cost_compute + j.cost_added_value
      FROM accounting_job j JOIN accounting_source s ON s.id = j.source_id
      JOIN accounting_person p ON p.id = j.person_id"""
KINDS = """
    SELECT a.kind, sum(e.amount) FROM accounting_entry e JOIN accounting_account a ON a.id = e.account_id
     WHERE a.kind IN ('platform_fee', 'breakage') GROUP BY a.kind"""
