"""An organisation's credits at any instant of the past, from what was recorded until then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from accounting import queries
from accounting.queries import Balance, GrantView

_DEBT = """
SELECT coalesce(sum(s.amount), 0)
  FROM accounting_account a
  JOIN accounting_debt d ON d.wallet_id = a.id
  JOIN accounting_spend s ON s.transaction_id = d.transaction_id AND s.posting = d.posting
                         AND s.line IS NOT DISTINCT FROM d.line AND s.grant_id IS NULL
  JOIN accounting_transaction cause ON cause.id = s.cause_id AND cause.recorded_at <= %s
 WHERE a.organisation_id = %s
"""

_GRANTS = """
SELECT g.id, g.kind, g.label, g.fund, g.amount,
       g.amount - coalesce((SELECT sum(s.amount)
                              FROM accounting_spend s JOIN accounting_transaction t ON t.id = s.cause_id
                             WHERE s.grant_id = g.id AND t.recorded_at <= p.at), 0) AS remaining,
       g.priority, g.issued_at, g.expires_at, g.backends, g.processes
  FROM (SELECT %s::timestamptz AS at) p, accounting_account a JOIN accounting_grant g ON g.wallet_id = a.id
 WHERE a.organisation_id = %s AND g.issued_at <= p.at AND (g.expires_at IS NULL OR g.expires_at > p.at)
 ORDER BY g.priority, g.expires_at NULLS LAST, g.id
"""


def balance(organisation: int, at: datetime) -> tuple[Balance, Sequence[GrantView]]:
    """The balance and the usable grants as they were recorded at that instant.

    Holds are not part of the past: what was held then has been captured or released since.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DEBT, [at, organisation])
        debt = int(cursor.fetchone()[0])
        cursor.execute(_GRANTS, [at, organisation])
        rows = cursor.fetchall()
    grants = [_grant(*row) for row in rows if row[5] > 0]
    posted = queries.posted_at(organisation, at)
    spendable = sum(grant.remaining for grant in grants) - debt
    return Balance(organisation, posted, 0, spendable, debt, at), grants


def _grant(  # noqa: PLR0913, PLR0917  the columns of the statement
    pk: int,
    kind: str,
    label: str,
    fund: str,
    amount: int,
    remaining: int,
    priority: int,
    issued_at: datetime,
    expires_at: datetime | None,
    backends: list[int],
    processes: list[str],
) -> GrantView:
    return GrantView(
        id=pk,
        kind=kind,
        label=label,
        fund=fund,
        amount=amount,
        remaining=int(remaining),
        held=0,
        priority=priority,
        issued_at=issued_at,
        expires_at=expires_at,
        backends=tuple(backends),
        processes=tuple(processes),
    )
