"""What the database holds after the crashes, beside what the clients were told. Shares no code with posting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from devtools.rigs import crash_holds
from devtools.rigs.crash_clients import Acknowledged
from devtools.rigs.crash_holds import HoldProof, HoldsTold

PRICES = {"cpu": Fraction(1_500_000, 3600), "memory": Fraction(1_000_000, 1024 * 3600), "time": Fraction(0)}
"""Micro-credits for one reported unit."""


@dataclass(frozen=True)
class Proof:
    expected: int
    acknowledged: int
    booked: int
    lost: int
    doubled: int
    other_answers: int
    entries_sum: int
    charged: int
    owed: int
    wrong_jobs: int
    holds_proof: HoldProof
    violations: Sequence[str]

    @property
    def holds(self) -> bool:
        counts = self.expected == self.acknowledged == self.booked
        clean = not (self.lost or self.doubled or self.other_answers or self.entries_sum or self.violations)
        return counts and clean and self.charged == self.owed and not self.wrong_jobs and self.holds_proof.holds

    def __str__(self) -> str:
        lines = (
            f"reports {self.expected}, acknowledged {self.acknowledged}, booked {self.booked}",
            f"lost {self.lost}, doubled {self.doubled}, answers that differ from the stored one {self.other_answers}",
            f"sum of all entries {self.entries_sum}, charged {self.charged}, price of the reports {self.owed}",
            f"jobs that were charged anything else than their price {self.wrong_jobs}",
            str(self.holds_proof),
            *(f"broken: {violation}" for violation in self.violations),
        )
        return "\n".join(lines)


def take(reports: Sequence[dict[str, Any]], told: Acknowledged, holds: HoldsTold) -> Proof:
    """Compares by key, byte by byte, and recomputes every balance; the database must be running."""
    from django.db import connection

    from accounting import invariants

    wanted = {str(report["idempotencyKey"]): report for report in reports}
    connection.close()
    with connection.cursor() as cursor:
        # Not by the key's column: a control that loses the key must be found by what was charged for the job.
        cursor.execute(
            "SELECT r.execution_id, t.answer FROM accounting_usagereport r"
            "  JOIN accounting_transaction t ON t.id = r.transaction_id WHERE r.endpoint <> 'captures'"
        )
        stored: dict[str, list[bytes]] = {}
        for key, answer in cursor.fetchall():
            stored.setdefault(key, []).append(answer.encode())
        cursor.execute("SELECT coalesce(sum(amount), 0) FROM accounting_entry")
        entries_sum = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT coalesce(-sum(e.amount), 0) FROM accounting_entry e"
            "  JOIN accounting_account a ON a.id = e.account_id AND a.kind = 'wallet'"
            "  JOIN accounting_transaction t ON t.id = e.transaction_id AND t.kind IN ('usage', 'reversal')"
        )
        charged = int(cursor.fetchone()[0])
        cursor.execute("SELECT job_id, sum(cost_compute + cost_added_value) FROM accounting_job GROUP BY job_id")
        costs = {job: int(cost) for job, cost in cursor.fetchall()}
    holds_proof = crash_holds.take(holds)
    return Proof(
        expected=len(wanted),
        acknowledged=len(told.answers),
        booked=sum(len(answers) for answers in stored.values()),
        lost=sum(key not in stored for key in told.answers),
        doubled=sum(len(answers) > 1 for answers in stored.values()),
        other_answers=sum(key in stored and answers != set(stored[key]) for key, answers in told.answers.items()),
        entries_sum=entries_sum,
        charged=charged,
        owed=sum(_price(report) for report in wanted.values()),
        wrong_jobs=sum(costs.get(str(report["jobId"])) != _price(report) for report in wanted.values()),
        holds_proof=holds_proof,
        violations=[str(violation) for violation in invariants.violations()],
    )


def _price(report: dict[str, Any]) -> int:
    return sum(round(PRICES[name] * metric["value"]) for name, metric in report["metrics"].items())
