"""The price of a report: what can be billed at all, and for how much. Reports and quotes share it (Q1).

Nothing here reads or writes but the published rules of a tariff; who pays was resolved before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from accounting import tariffs, units
from accounting.credits import MICROS
from accounting.errors import (
    DuplicateExecution,
    IssuerUnknown,
    QuantityImpossible,
    SourceNotAllowed,
    SourceUnknown,
    TariffMissing,
    TimesImpossible,
    UnitUnknown,
)
from accounting.models import STARTING_PLAN, BackEnd
from accounting.rating import cap, rate
from accounting.reports import Booking, UsageReport
from accounting.resolution import Resolved

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""No openEO job ran before; catches seconds sent as milliseconds."""
CLOCK_SKEW = timedelta(minutes=15)
LONGEST = timedelta(days=400)
HUGE = Decimal(10) ** 17
NEWCOMER: Mapping[str, str] = {"plan": STARTING_PLAN, "organisation_class": "personal"}
"""What rules see of somebody who is not known yet."""
WAIVE = BackEnd.Excess.WAIVE.value
"""The back end bears what a job costs beyond its hold (H9)."""
DEAREST = 9_000_000 * MICROS
"""The most that a report may cost: a million such reports of one payer still fit a wallet, so none overflows it."""


def price(report: UsageReport, row: Resolved, *, ahead: bool = False) -> Booking:
    """The report as it would be charged.

    :param ahead: the work may finish in the future, at a price that is published already (a quote).
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
        raise duplicate(row.duplicate)
    _check_times(report, datetime.max.replace(tzinfo=UTC) if ahead else row.instant + CLOCK_SKEW)
    _check_lines(report)
    if report.lines and row.tariff is None:
        at = report.finished_at or row.instant
        raise TariffMissing(f"no tariff of {report.source!r} was in force at {at.isoformat()}", field="source")
    lines = rate(report.lines, tariffs.load(row.tariff) if row.tariff else (), row.facts(report))
    if row.hold_keeps is not None and row.excess == WAIVE:
        lines = cap(lines, row.hold_keeps)
    if sum(line.amount for line in lines) > DEAREST:
        raise QuantityImpossible(f"that would cost more than {DEAREST // MICROS} credits", field="lines")
    return Booking(uuid4(), report, row.organisation, row.refused, row.tariff, lines, row.instant)


def as_newcomer(row: Resolved, report: UsageReport) -> Resolved:
    """The row of somebody who is not known yet, as it would be once a report had made them known: a personal
    organisation, which has no number so far, pays."""
    plan, category = NEWCOMER["plan"], NEWCOMER["organisation_class"]
    return row._replace(plan=plan, organisation_class=category, refused=report.organisation is not None)


def duplicate(first: int | None = None) -> DuplicateExecution:
    """:param first: the transaction that charged it; unknown while it is part of the same call."""
    return DuplicateExecution(
        "this execution was reported with the same metrics under another key",
        field="execution_id",
        **({} if first is None else {"original": {"transaction": first}}),
    )


def _check_times(report: UsageReport, latest: datetime) -> None:
    for name, moment in (("started_at", report.started_at), ("finished_at", report.finished_at)):
        if moment is None:
            continue
        if moment < EARLIEST:
            raise TimesImpossible("earlier than openEO: are these seconds instead of milliseconds?", field=name)
        if moment > latest:
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
