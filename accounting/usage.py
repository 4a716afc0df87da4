"""From a usage report to credits: resolve, rate, book, answer (Money 4, 5, 8 to 11; invariants U1 to U7).

Two round trips a batch: `usage_resolve` reads everything that rating needs, `usage_book` writes everything at once.
Between them only pure functions run, so no lock is ever held while Python works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Literal
from uuid import uuid4

import msgspec
from django.db import DatabaseError, transaction

from accounting import answers, booking, organisations, quarantine, tariffs, units
from accounting.credits import MICROS
from accounting.errors import (
    DomainError,
    DuplicateExecution,
    HoldNotOpen,
    IdempotencyKeyReused,
    IssuerUnknown,
    QuantityImpossible,
    SourceNotAllowed,
    SourceUnknown,
    TariffMissing,
    TimesImpossible,
    Unbookable,
    UnitUnknown,
)
from accounting.principals import ServicePrincipal
from accounting.rating import RatedLine, UsageLine, cap, rate
from accounting.reports import USAGE_REPORTS, Booking, UsageReport
from accounting.resolution import Resolved, resolve

__all__ = ["Booking", "Outcome", "RatedLine", "UsageLine", "UsageReport", "ingest", "replay"]

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""No openEO job ran before; catches seconds sent as milliseconds."""
CLOCK_SKEW = timedelta(minutes=15)
LONGEST = timedelta(days=400)
HUGE = Decimal(10) ** 17
LONGEST_OWN_KEY = 270
"""Of the 300 characters that a key may have, so that a number can follow."""
MOST_CHANGES = 50
"""How often a hold may change between rating and booking: each time somebody else came through, so it ends soon."""
DEAREST = 9_000_000 * MICROS
"""The most that a report may cost: a million such reports of one payer still fit a wallet, so none overflows it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one report. `answer` is the stored answer of a booked or replayed one, else empty."""

    status: Literal["booked", "replayed", "quarantined", "refused"]
    answer: str = ""
    error: DomainError | None = None
    booking: Booking | None = None
    transaction: int | None = None


def ingest(
    client: ServicePrincipal,
    reports: Sequence[UsageReport],
    *,
    on_reuse: Literal["replay", "refuse"],
    keep: bool = True,
) -> list[Outcome]:
    """Books each report once and says what became of it, in order; all writes in one database transaction.

    The payer's wallet loses what the report costs, the providers and publishers are owed it. A repeated key answers as
    the first time; with other content `on_reuse` decides between that answer (ETL) and an error (v1). What cannot be
    booked goes to quarantine (unless `keep` is false). Nothing is raised for a bad report, only for a database that is
    away: then nothing was written, or the answer of the same key tells. A job's hold pays its report, and the last one
    ends it (H5 to H9).

    :raises HoldNotOpen: a capture came after its hold had ended; nothing was written.
    """
    for last in (*[False] * MOST_CHANGES, True):
        try:
            return _ingest(client, reports, on_reuse, keep)
        except DatabaseError as error:
            state = getattr(error.__cause__, "pgcode", None)
            if state == booking.NOT_OPEN:
                raise HoldNotOpen("the hold has ended; nothing was charged") from error
            if last or state != booking.CHANGED:
                raise
    raise AssertionError("the last try returns or raises")


def _ingest(client: ServicePrincipal, reports: Sequence[UsageReport], on_reuse: str, keep: bool) -> list[Outcome]:
    resolved = resolve(client, reports)
    newcomers = _newcomers(reports, resolved)
    with transaction.atomic() if newcomers else nullcontext():
        if newcomers:
            organisations.ensure_people(newcomers)
            resolved = resolve(client, reports)
        intake = _Intake(client, on_reuse, keep)
        for i, (report, row) in enumerate(zip(reports, resolved, strict=True)):
            intake.take(i, report, row)
        intake.write()
    return [intake.outcomes[i] for i in range(len(reports))]


def _newcomers(reports: Sequence[UsageReport], resolved: Sequence[Resolved]) -> list[tuple[str, str]]:
    return [
        (row.issuer, report.user)
        for report, row in zip(reports, resolved, strict=True)
        if row.person is None and row.issuer and row.allowed and row.done is None
    ]


class _Intake:
    """The reports of one call on their way to the books: first all are priced, then all is written."""

    def __init__(self, client: ServicePrincipal, on_reuse: str, keep: bool) -> None:
        self.client = client
        self.on_reuse = on_reuse
        self.keep = keep
        self.outcomes: dict[int, Outcome] = {}
        self.executions: dict[tuple[int | None, int | None, str, str], str | None] = {}
        self.ready: list[tuple[int, Booking, Resolved, str]] = []
        self.kept: list[tuple[UsageReport, Callable[[], None]]] = []

    def take(self, i: int, report: UsageReport, row: Resolved) -> None:
        if row.done is not None:
            self.outcomes[i] = self._repeat(report, row, row.done)
            return
        try:
            booked = _price(report, row)
            self._refuse_twin(report, row)
            self.ready.append((i, booked, row, answers.render(booked)))
        except Unbookable as error:
            self.outcomes[i] = Outcome("quarantined", error=error)
            self.kept.append((report, partial(quarantine.keep, self.client.client, report, error)))
        except DomainError as error:
            self.outcomes[i] = Outcome("refused", error=error)

    def _refuse_twin(self, report: UsageReport, row: Resolved) -> None:
        """:raises DuplicateExecution: this very call brings the execution under another key too."""
        if report.endpoint == USAGE_REPORTS and report.execution_id and report.lines:
            execution = (row.source, row.person, report.execution_id, report.metrics)
            if self.executions.setdefault(execution, report.key) != report.key:
                raise _duplicate()

    def write(self) -> None:
        """One statement for all bookings; only what is quarantined besides needs a transaction around it.

        A wallet's lock then lasts as long as that statement and never while Python is busy elsewhere.
        """
        with transaction.atomic(savepoint=False) if self.kept and self.keep else nullcontext():
            if self.ready:
                self._book()
            if self.keep:
                # in one order everywhere, so that two batches with the same keys do not wait for each other
                for _, keep in sorted(self.kept, key=lambda kept: (kept[0].source, kept[0].service, kept[0].key or "")):
                    keep()

    def _book(self) -> None:
        held = any(row.hold is not None for _, _, row, _ in self.ready)
        with transaction.atomic() if held else nullcontext():  # a refusal undoes what was prepared, and nothing else
            made = booking.book(self.client, [(booked, row, answer) for _, booked, row, answer in self.ready])
        late: list[tuple[int, UsageReport]] = []
        for (i, booked, _, answer), pk in zip(self.ready, made, strict=True):
            if pk is None:
                late.append((i, booked.report))
            else:
                self.outcomes[i] = Outcome("booked", answer, booking=booked, transaction=pk)
        if late:  # somebody else used those keys between our reading and our writing
            for (i, report), row in zip(late, resolve(self.client, [report for _, report in late]), strict=True):
                assert row.done is not None
                self.outcomes[i] = self._repeat(report, row, row.done)

    def _repeat(self, report: UsageReport, row: Resolved, first: int) -> Outcome:
        """The first answer again; what else was said under the same key is never lost silently (U6)."""
        if row.done_fingerprint != report.fingerprint:
            if self.on_reuse == "refuse":
                return Outcome("refused", error=_reused(report, row))
            self.kept.append((report, partial(quarantine.keep_mismatch, self.client.client, report, first)))
        return Outcome("replayed", row.done_answer, transaction=first)


def _reused(report: UsageReport, row: Resolved) -> IdempotencyKeyReused:
    first = msgspec.json.decode(row.done_answer)
    field = next(
        (
            name
            for name, value in (
                ("user", report.user),
                ("user_issuer", report.issuer),
                ("job_id", report.job_id),
                ("execution_id", report.execution_id),
                ("organisation", report.organisation),
            )
            if first.get("requested_organisation" if name == "organisation" else name) != value
        ),
        "metrics",
    )
    return IdempotencyKeyReused(
        f"the first request with this key had another {field}; use a new key for another report",
        field=field,
        original={"id": first.get("id"), "cost": first.get("cost"), "job": first.get("job")},
    )


def _duplicate(first: int | None = None) -> DuplicateExecution:
    """:param first: the transaction that charged it; unknown while it is part of the same call."""
    return DuplicateExecution(
        "this execution was reported with the same metrics under another key",
        field="execution_id",
        **({} if first is None else {"original": {"transaction": first}}),
    )


def _price(report: UsageReport, row: Resolved) -> Booking:
    """The report as it would be charged.

    :raises Unbookable: one subclass a reason; :raises DuplicateExecution: reported before under another key.
    """
    if row.source is None:
        raise SourceUnknown(f"no source {report.source!r} is registered here", field="source")
    if not row.allowed:
        raise SourceNotAllowed(f"this client may not report for the source {report.source!r}", field="source")
    if row.issuer is None:
        detail = f"no users of {report.user_issuer!r} are known here; leave it out for the source's own users"
        raise IssuerUnknown(detail, field="user_issuer")
    if row.duplicate is not None:
        raise _duplicate(row.duplicate)
    _check_times(report, row.instant)
    _check_lines(report)
    if report.lines and row.tariff is None:
        at = report.finished_at or row.instant
        raise TariffMissing(f"no tariff of {report.source!r} was in force at {at.isoformat()}", field="source")
    lines = rate(report.lines, tariffs.load(row.tariff) if row.tariff else (), row.facts(report))
    if row.hold_keeps is not None and row.excess == booking.WAIVE:
        lines = cap(lines, row.hold_keeps)
    if sum(line.amount for line in lines) > DEAREST:
        raise QuantityImpossible(f"that would cost more than {DEAREST // MICROS} credits", field="lines")
    return Booking(uuid4(), report, row.organisation, row.refused, row.tariff, lines, row.instant)


def _check_times(report: UsageReport, now: datetime) -> None:
    for name, moment in (("started_at", report.started_at), ("finished_at", report.finished_at)):
        if moment is None:
            continue
        if moment < EARLIEST:
            raise TimesImpossible("earlier than openEO: are these seconds instead of milliseconds?", field=name)
        if moment > now + CLOCK_SKEW:
            raise TimesImpossible("in the future: check the clock of the back end", field=name)
    if report.started_at and report.finished_at:
        if report.finished_at < report.started_at:
            raise TimesImpossible("the job finished before it started", field="finished_at")
        if report.finished_at - report.started_at > LONGEST:
            raise TimesImpossible(f"the job ran longer than {LONGEST.days} days", field="started_at")


def _check_lines(report: UsageReport) -> None:
    for index, line in enumerate(report.lines):
        unit = units.find(line.metric, line.unit)
        if unit is None:
            raise UnitUnknown(f"{line.unit!r} is no unit for {line.metric!r}", field=f"lines[{index}].unit")
        if not line.quantity.is_finite() or line.quantity < 0:
            raise QuantityImpossible("a quantity is a number and not negative", field=f"lines[{index}].quantity")
        # Also in the unit that is stored: a terabyte is more gigabytes.
        if line.quantity >= HUGE or (unit.numerator > 1 and unit.convert(line.quantity) >= HUGE):
            raise QuantityImpossible("the quantity is too large to be true", field=f"lines[{index}].quantity")


def price(client: ServicePrincipal, report: UsageReport) -> Booking:
    """The report as it would be charged now; nothing is written, nobody pays.

    :raises Unbookable, DuplicateExecution: why it could not be booked.
    """
    return _price(report, resolve(client, [report])[0])


def replay(pk: int) -> Outcome:
    """Books a quarantined report as if it came now. Idempotent: a booked one stays booked once.

    A mismatch (same key, other content) is charged besides what its key was charged for, under a key of its own:
    whoever replays one by its id has decided that both are owed (contract 1.6).

    :raises NotFound: no such report.
    """
    with transaction.atomic():
        kept = quarantine.lock(pk)
        if kept.status != "open":
            return Outcome("replayed")
        report = kept.report
        if kept.mismatch and report.key:
            report = replace(report, key=f"{report.key[:LONGEST_OWN_KEY]}#{pk}")
        outcome = ingest(kept.client, [report], on_reuse="replay", keep=False)[0]
        if outcome.error:
            quarantine.count_attempt(pk, outcome.error)
        else:
            quarantine.resolve(pk, outcome.transaction)
    return outcome
