"""Low credits and enough again: wallets that changed are compared with what their organisation wants to keep (N4).

What a wallet has left is its balance: what its grants have left less what is owed. Holds come and go and do not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from accounting import notices
from accounting.alerts.thresholds import Threshold
from accounting.models import BalanceAlert

PACE_DAYS = 30
"""Over which the pace is measured; an organisation that is younger spent nothing before."""
ENOUGH = (6, 5)
"""Recovered is what is at least so much of the threshold (1.2), so that a balance at the edge tells nobody twice."""
REST = timedelta(days=1)
"""So long after credits ran low at the earliest they are said to run low again; a low wallet is looked at as often."""
LOW, RECOVERED = "low_balance", "balance_recovered"


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet as of now; `spent` in the last `PACE_DAYS`. All amounts in micro-credits."""

    id: int
    organisation: int
    name: str
    left: int
    spent: int
    chosen: Threshold
    low: bool
    low_at: datetime | None

    @property
    def edge(self) -> int:
        """Below this the credits are low; 0: they never are."""
        at_pace = self.spent * self.chosen.days // PACE_DAYS
        return {"days": at_pace, "amount": self.chosen.amount}.get(self.chosen.rule, 0)


def verdict(wallet: Wallet, now: datetime) -> tuple[bool, str, datetime | None]:
    """Whether the credits are low from now on, what to tell (or ""), and when to look again although nothing moves."""
    edge = wallet.edge
    if not edge:
        return False, "", None
    if wallet.low:
        if wallet.left * ENOUGH[1] < edge * ENOUGH[0]:
            return True, "", now + REST
        return False, RECOVERED, None
    if wallet.left >= edge:
        return False, "", None
    if wallet.low_at and now < wallet.low_at + REST:
        return False, "", wallet.low_at + REST
    # That nothing is left at all is told when it happens.
    return True, LOW if wallet.left > 0 else "", now + REST


_DUE = """
SELECT a.id FROM accounting_account a LEFT JOIN accounting_balancealert b ON b.wallet_id = a.id
 WHERE a.kind = 'wallet' AND a.seq > 0 AND (b.wallet_id IS NULL OR b.seq < a.seq OR b.check_at <= accounting_now())
 LIMIT %s
"""
_FIGURES = """
SELECT a.id, a.organisation_id, o.name, a.posted, a.seq, accounting_now(),
       coalesce((SELECT sum(s.amount) FROM accounting_spendday s WHERE s.organisation_id = a.organisation_id
                    AND s.day > (accounting_now() AT TIME ZONE 'UTC')::date - %s), 0)
  FROM accounting_account a JOIN accounting_organisation o ON o.id = a.organisation_id
 WHERE a.id = ANY (%s)
"""


def compare_balances(limit: int = 500) -> int:
    """Compares wallets that changed since, and those due for another look; returns how many, 0 when all are done."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [limit])
        due = [pk for (pk,) in cursor.fetchall()]
    if not due:
        return 0
    with transaction.atomic():
        BalanceAlert.objects.bulk_create([BalanceAlert(wallet_id=pk) for pk in due], ignore_conflicts=True)
        rows = BalanceAlert.objects.select_for_update(skip_locked=True).filter(pk__in=due).order_by("pk")
        return _compare({row.pk: row for row in rows})


def _compare(rows: Mapping[int, BalanceAlert]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, [PACE_DAYS, list(rows)])
        figures = cursor.fetchall()
    for pk, organisation, name, left, seq, now, spent in figures:
        row = rows[pk]
        chosen = Threshold(row.rule, row.days, row.amount)
        wallet = Wallet(pk, organisation, name, left, max(int(spent), 0), chosen, row.low, row.low_at)
        low, kind, row.check_at = verdict(wallet, now)
        if low and not row.low:
            row.episode, row.low_at = row.episode + 1, now
        row.low, row.seq = low, seq
        if kind:
            _tell(wallet, kind, row.episode)
    BalanceAlert.objects.bulk_update(rows.values(), ["low", "seq", "episode", "low_at", "check_at"])
    return len(rows)


def _tell(wallet: Wallet, kind: str, episode: int) -> None:
    facts = {
        "organisation": wallet.organisation,
        "name": wallet.name,
        "left": wallet.left,
        "edge": wallet.edge,
        "rule": wallet.chosen.rule,
        "days": wallet.chosen.days,
        "pace": wallet.spent // PACE_DAYS,
    }
    people = notices.answerable(wallet.organisation)
    notices.tell(people, wallet.organisation, kind, f"wallet {wallet.id} episode {episode}", facts)
