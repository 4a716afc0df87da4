"""From a usage report to credits: resolve, rate, book, answer (Money 4, 5, 8 to 11; invariants U1 to U7).

Two round trips a batch: `usage_resolve` reads everything that rating needs, `usage_book` writes everything at once.
Between them only pure functions run, so no lock is ever held while Python works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import msgspec
from django.db import DatabaseError, connection, transaction

from accounting import answers, booking, organisations, pricing, quarantine
from accounting.errors import DomainError, HoldNotOpen, IdempotencyKeyReused, Unbookable
from accounting.principals import ServicePrincipal
from accounting.rating import RatedLine, UsageLine
from accounting.reports import USAGE_REPORTS, Booking, UsageReport
from accounting.resolution import Resolved, resolve

__all__ = ["Booking", "Outcome", "RatedLine", "UsageLine", "UsageReport", "ingest", "quote", "replay"]

LONGEST_OWN_KEY = 270
"""Of the 300 characters that a key may have, so that a number can follow."""
MOST_CHANGES = 50
"""How often a hold may change between rating and booking: each time somebody else came through, so it ends soon."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one report, or would (`quote`). `answer` is the stored answer of a booked or replayed one, else
    empty."""

    status: Literal["booked", "replayed", "quarantined", "refused"]
    answer: str = ""
    error: DomainError | None = None
    booking: Booking | None = None
    transaction: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    """Of a quote: what the rules could look at."""


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
        intake = _Intake(on_reuse, answers.render)
        for i, (report, row) in enumerate(zip(reports, resolved, strict=True)):
            intake.take(i, report, row)
        intake.write(client, keep)
    return [intake.outcomes[i] for i in range(len(reports))]


def quote(client: ServicePrincipal | None, reports: Sequence[UsageReport], *, ahead: bool = False) -> list[Outcome]:
    """What `ingest` would make of the reports at this moment, in order; nothing is written, not even a person (Q1).

    The database holds to that: the transaction is read-only. Somebody unknown is priced like the newcomer that a report
    would make of them. A key is looked up, never used. Each answer is marked as that of a dry run.

    :param client: whose sources may be asked about; None: a person asks, about any source.
    :param ahead: the work may finish in the future.
    """
    intake = _Intake("refuse", answers.preview, ahead)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        for i, (report, row) in enumerate(zip(reports, resolve(client, reports), strict=True)):
            intake.take(i, report, pricing.as_newcomer(row, report) if row.person is None else row)
    intake.foresee()
    return [intake.outcomes[i] for i in range(len(reports))]


def _newcomers(reports: Sequence[UsageReport], resolved: Sequence[Resolved]) -> list[tuple[str, str]]:
    return [
        (row.issuer, report.user)
        for report, row in zip(reports, resolved, strict=True)
        if row.person is None and row.issuer and row.allowed and row.done is None
    ]


class _Intake:
    """The reports of one call on their way to the books: first all are priced, then all is written, or nothing."""

    def __init__(self, on_reuse: str, render: Callable[[Booking], str], ahead: bool = False) -> None:
        self.on_reuse = on_reuse
        self.render = render
        self.ahead = ahead
        self.outcomes: dict[int, Outcome] = {}
        self.executions: dict[tuple[int | None, str | None, str, str, str], str | int] = {}
        self.spent: dict[int, int | None] = {}
        self.keys: set[tuple[str, int | None, str, str | None]] = set()
        self.ready: list[tuple[int, Booking, Resolved, str]] = []
        self.kept: list[tuple[UsageReport, Callable[[int], None]]] = []

    def take(self, i: int, report: UsageReport, row: Resolved) -> None:
        if row.done is not None:
            self.outcomes[i] = self._repeat(report, row, row.done)
            return
        try:
            booked = pricing.price(report, self._after_others(row), ahead=self.ahead)
            self._refuse_twin(i, report, row)
            self._spend(booked, row)
            self.ready.append((i, booked, row, self.render(booked)))
        except Unbookable as error:
            self.outcomes[i] = Outcome("quarantined", error=error)
            self.kept.append((report, partial(quarantine.keep, report=report, error=error)))
        except DomainError as error:
            self.outcomes[i] = Outcome("refused", error=error)

    def _after_others(self, row: Resolved) -> Resolved:
        """With what its hold can still pay after the reports before it in this call (H9)."""
        if row.hold_keeps is None or row.hold not in self.spent:
            return row
        spent = self.spent[row.hold]
        return row._replace(hold_keeps=None if spent is None else max(row.hold_keeps - spent, 0))

    def _spend(self, booked: Booking, row: Resolved) -> None:
        """Remembers what the hold pays for this one; after the last report of its job it pays for nothing."""
        scope = (booked.report.endpoint, row.source, booked.report.service, booked.report.key)
        if row.hold is None or scope in self.keys:  # a repetition takes nothing
            return
        if booked.report.key is not None:
            self.keys.add(scope)
        before = self.spent.get(row.hold, 0)
        self.spent[row.hold] = None if before is None or booked.report.ends_hold else before + booked.amount

    def _refuse_twin(self, i: int, report: UsageReport, row: Resolved) -> None:
        """:raises DuplicateExecution: this very call brings the execution under another key too."""
        if report.endpoint == USAGE_REPORTS and report.execution_id and report.lines:
            execution = (row.source, row.issuer, report.user, report.execution_id, report.metrics)
            # Reports without a key, which only dry runs bring, would have got one each.
            key = i if report.key is None else report.key
            if self.executions.setdefault(execution, key) != key:
                raise pricing.duplicate()

    def write(self, client: ServicePrincipal, keep: bool) -> None:
        """One statement for all bookings; only what is quarantined besides needs a transaction around it.

        A wallet's lock then lasts as long as that statement and never while Python is busy elsewhere.
        """
        with transaction.atomic(savepoint=False) if self.kept and keep else nullcontext():
            if self.ready:
                self._book(client)
            if keep:
                # in one order everywhere, so that two batches with the same keys do not wait for each other
                for _, put in sorted(self.kept, key=lambda kept: (kept[0].source, kept[0].service, kept[0].key or "")):
                    put(client.client)

    def foresee(self) -> None:
        """What `write` would do: of two reports with one key the second finds the answer of the first."""
        first: dict[tuple[int | None, str, str | None], tuple[str, str]] = {}
        for i, booked, row, answer in self.ready:
            report, scope = booked.report, (row.source, booked.report.service, booked.report.key)
            if report.key is None or scope not in first:
                first[scope] = report.fingerprint, answer
                self.outcomes[i] = Outcome("booked", answer, booking=booked, facts=row.facts(report))
            elif first[scope][0] == report.fingerprint:
                self.outcomes[i] = Outcome("replayed", first[scope][1])
            else:
                self.outcomes[i] = Outcome("refused", error=_reused(report, first[scope][1], first[scope][0]))
        for i, outcome in self.outcomes.items():
            if outcome.status == "replayed":
                self.outcomes[i] = replace(outcome, answer=answers.mark_dry_run(outcome.answer))

    def _book(self, client: ServicePrincipal) -> None:
        held = any(row.hold is not None for _, _, row, _ in self.ready)
        # A refusal undoes what was prepared and nothing else; alone, the statement does so, and its locks end with it.
        with transaction.atomic() if held and connection.in_atomic_block else nullcontext():
            made = booking.book(client, [(booked, row, answer) for _, booked, row, answer in self.ready])
        late: list[tuple[int, UsageReport]] = []
        for (i, booked, _, answer), pk in zip(self.ready, made, strict=True):
            if pk is None:
                late.append((i, booked.report))
            else:
                self.outcomes[i] = Outcome("booked", answer, booking=booked, transaction=pk)
        if late:  # somebody else used those keys between our reading and our writing
            for (i, report), row in zip(late, resolve(client, [report for _, report in late]), strict=True):
                assert row.done is not None
                self.outcomes[i] = self._repeat(report, row, row.done)

    def _repeat(self, report: UsageReport, row: Resolved, first: int) -> Outcome:
        """The first answer again; what else was said under the same key is never lost silently (U6)."""
        if row.done_fingerprint != report.fingerprint:
            if self.on_reuse == "refuse":
                return Outcome("refused", error=_reused(report, row.done_answer, row.done_fingerprint))
            self.kept.append((report, partial(quarantine.keep_mismatch, report=report, first=first)))
        return Outcome("replayed", row.done_answer, transaction=first)


def _reused(report: UsageReport, answer: str, fingerprint: str) -> IdempotencyKeyReused:
    first = msgspec.json.decode(answer)
    flipped = report.final is not None and replace(report, final=not report.final).fingerprint == fingerprint
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
        "final" if flipped else "metrics",
    )
    return IdempotencyKeyReused(
        f"the first request with this key had another {field}; use a new key for another report",
        field=field,
        original={"id": first.get("id"), "cost": first.get("cost"), "job": first.get("job")},
    )


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
