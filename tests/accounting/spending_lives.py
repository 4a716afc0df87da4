"""Random lives of an organisation: everything that changes what was spent, by whom, on what, and who paid it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import connection

from accounting import captures, holds, ledger, limits, organisations
from accounting.breakdowns import DIMENSIONS, Period, Slice, Value
from accounting.errors import PaymentRequired
from accounting.holds import Payer, Request
from accounting.models import BackEnd
from accounting.rating import UsageLine
from tests.accounting.books import ingest, micros
from tests.conftest import SOURCE, Federation

START = datetime(2026, 1, 28, tzinfo=UTC)
DAYS = 40
REASONS = ("failed_job", "goodwill", "wrong_usage")


@dataclass
class Life:
    """Of Alice's and Bob's lab; `live` does so many random things, the clock running on."""

    federation: Federation
    clock: Any
    rng: Random
    now: datetime = START
    number: int = 0
    booked: list[int] = field(default_factory=list)

    def live(self, steps: int) -> None:
        organisations.add_member(self.federation.lab, self.federation.charlie.pk, "viewer")
        for slug in ("crops", "dunes"):
            limits.create_project(self.federation.lab, slug, slug.title())
        acts = (self._job, self._job, self._job, self._added_value, self._held, self._give_back, self._grant)
        for _ in range(steps):
            self.now += timedelta(hours=self.rng.uniform(0, 2 * 24 * DAYS / steps))
            self.clock(self.now)
            self.rng.choice(acts)()
        self.clock(None)

    def _report(self, lines: tuple[UsageLine, ...], **changes: Any) -> None:
        self.number += 1
        name = f"n-{self.number}"
        source = changes.get("source") or self.rng.choice((SOURCE, "cdse"))
        client = self.federation.client if source == SOURCE else self.federation.other_client
        late = timedelta(hours=self.rng.choice((0, 0, 1, 30)))
        facts = {
            "user": self.rng.choice((self.federation.alice, self.federation.bob)).sub,
            "job_id": name,
            "execution_id": name,
            "source": source,
            "organisation": self.federation.lab,
            "project": self.rng.choice((None, "crops", "dunes")),
            "kind": self.rng.choice(("batch", "sync")),
            "state": self.rng.choice(("FINISHED", "FAILED", "")),
            "finished_at": self.rng.choice((None, self.now - late)),
        }
        outcome = ingest(client, self.federation.report(name, lines=lines, **(facts | changes)))
        assert outcome.status == "booked", outcome
        assert outcome.transaction is not None
        self.booked.append(outcome.transaction)

    def _line(self, metric: str, unit: str, most: int, **more: str) -> UsageLine:
        quantity = Decimal(self.rng.randrange(most))
        return UsageLine(metric, quantity, unit, str(quantity), **more)

    def _job(self) -> None:
        collection = self.rng.choice(("", "SENTINEL2_L2A", "LANDSAT"))
        self._report(
            (self._line("cpu", "cpu-seconds", 30_000), self._line("processing", "shpu", 40, collection=collection))
        )

    def _added_value(self) -> None:
        process = self.rng.choice(("ndvi", "crop_type"))
        line = self._line("processing", "credits", 9, process=process)
        self._report((line,), endpoint="addedvalue", service=process)

    def _held(self) -> None:
        """A job that is charged while it runs: each capture takes the place of the one before."""
        self.number += 1
        name = f"h-{self.number}"
        payer = Payer(SOURCE, self.federation.alice.sub, organisation=self.federation.lab)
        request = Request(payer, name, micros(1), key=name, lifetime=timedelta(days=9))
        try:
            hold = holds.reserve(self.federation.client, request)
        except PaymentRequired:
            return
        for turn in range(self.rng.randrange(3)):
            lines = (self._line("cpu", "cpu-seconds", 20_000),)
            captures.capture(
                self.federation.client, hold.id, lines, key=f"{name}-{turn}", raw="{}", final=False, state="RUNNING"
            )
            self.now += timedelta(hours=self.rng.uniform(0, 20))
            self.clock(self.now)
        whole = {"user": self.federation.alice.sub, "source": SOURCE, "project": None, "kind": "batch"}
        lines = (self._line("cpu", "cpu-seconds", 40_000),)
        self._report(lines, job_id=name, execution_id=name, finished_at=self.now, **whole)

    def _give_back(self) -> None:
        if self.booked:
            chosen = self.booked.pop(self.rng.randrange(len(self.booked)))
            ledger.reverse(chosen, self.rng.choice(REASONS))

    def _grant(self) -> None:
        self.number += 1
        scope = self.rng.choice(({}, {}, {"backends": [BackEnd.objects.get(slug="cdse").pk]}))
        self.federation.grant(self.federation.lab, micros(self.rng.randrange(5, 60)), f"g-{self.number}", **scope)


def spends(organisation: int) -> list[dict[str, Any]]:
    """What each spend of the organisation's usage says, without any sum that is kept: day, dimensions, amount."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT (SELECT t.occurred_at FROM accounting_transaction t WHERE t.id = s.transaction_id),
                      (SELECT x.backend_id FROM accounting_source x WHERE x.id = r.source_id), r.person_id,
                      r.project_id, l.process, l.collection, r.kind, r.state, s.grant_id, s.amount
                 FROM accounting_usagereport r, accounting_spend s, accounting_usageline l
                WHERE r.organisation_id = %s AND s.transaction_id = r.transaction_id
                  AND (l.report_id, l.number) = (r.transaction_id, s.line)""",
            [organisation],
        )
        return [
            {"day": row[0].astimezone(UTC).date(), **dict(zip(DIMENSIONS, row[1:-1], strict=True)), "amount": row[-1]}
            for row in cursor.fetchall()
        ]


def fits(row: dict[str, Any], of: Slice) -> bool:
    inside = of.period.since <= row["day"] < of.period.until
    return inside and all(row[name] in wanted for name, wanted in of.values.items())


def step_of(day: date, step: str) -> date:
    """The first day of the step that a day lies in."""
    if step == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if step == "month" else day


def random_slice(rng: Random, organisation: int, rows: list[dict[str, Any]]) -> Slice:
    """A period and up to three filters, most with values that occur."""
    since = START.date() + timedelta(days=rng.randrange(-5, DAYS))
    period = Period(since, since + timedelta(days=rng.randrange(1, 2 * DAYS)))
    values: dict[str, set[Value]] = {}
    for name in rng.sample(DIMENSIONS, rng.randrange(4)):
        known = sorted({row[name] for row in rows}, key=repr)
        values[name] = set(rng.sample(known, rng.randrange(1, len(known) + 1)))
    return Slice(organisation, period, values)
