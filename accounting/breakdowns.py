"""Spending broken down by one or two things that people ask by, beside that of the period before.

Everything is a sum of cells (accounting.spending), so it costs what the period and the variety of jobs cost, never the
number of entries. Amounts are micro-credits, less what was given back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import connection
from django.db.models import DateField, F, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth, TruncWeek

from accounting import spending
from accounting.models import SpendCell

DIMENSIONS = ("backend", "person", "project", "process", "collection", "kind", "state", "grant")
"""What cells are summed by, besides the UTC day."""
STEPS = ("day", "week", "month")
"""Lengths of time to sum by; weeks begin on Monday."""

Value = int | str | None
"""Of a dimension: a primary key, or a text. None: no project, no grant yet. Empty text: compute, unknown."""


@dataclass(frozen=True, slots=True)
class Period:
    """UTC days `[since, until)`."""

    since: date
    until: date

    @property
    def days(self) -> int:
        return (self.until - self.since).days


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of an organisation's spending: a period, and the values that are wanted of some dimensions."""

    organisation: int
    period: Period
    values: Mapping[str, Collection[Value]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """What was spent on `key`, and within it on `part`; `before` in the period before. Of a step, `key` is its first
    day.
    """

    key: Value | date
    part: Value
    amount: int
    before: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """`today` in UTC by the database's clock; `first` is the first day with something spent, None without any."""

    today: date
    first: date | None


def bounds(organisation: int) -> Bounds:
    """How far the organisation's spending goes back."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounting_now() AT TIME ZONE 'UTC'")
        now: datetime = cursor.fetchone()[0]
    return Bounds(now.date(), spending.cells(organisation).aggregate(first=Min("day"))["first"])


def parts(of: Slice, before: Period, by: str, split: str = "") -> Sequence[Part]:
    """Sums by a dimension or step, and by a second dimension when there is one; one query, in no order.

    Rows of a step that lie in the period before have an `amount` of 0.
    """
    now, then = _during(of.period), _during(before)
    rows = _cells(of.organisation, of.values).filter(now | then).annotate(key=_key(by))
    names = ["key"]
    if split:
        rows, names = rows.annotate(part=_key(split)), ["key", "part"]
    summed = rows.order_by().values(*names)
    summed = summed.annotate(
        spent=Sum("amount", filter=now, default=0), spent_before=Sum("amount", filter=then, default=0)
    )
    return [Part(row["key"], row.get("part"), int(row["spent"]), int(row["spent_before"])) for row in summed]


def total(of: Slice) -> int:
    """What was spent in all."""
    rows = _cells(of.organisation, of.values).filter(_during(of.period))
    return int(rows.aggregate(total=Sum("amount", default=0))["total"])


def dearest(of: Slice, dimension: str, limit: int) -> Sequence[Value]:
    """The values of a dimension on which most was spent, the dearest first."""
    rows = _cells(of.organisation, of.values).filter(_during(of.period)).annotate(key=_key(dimension))
    ordered = rows.order_by().values("key").annotate(spent=Sum("amount")).order_by("-spent", "key")
    return [row["key"] for row in ordered[:limit]]


def occurring(of: Slice, dimension: str, values: Collection[Value]) -> set[Value]:
    """Those of the values on which something of it was spent or given back."""
    rows = _cells(of.organisation, {**of.values, dimension: values}).filter(_during(of.period))
    return {row["key"] for row in rows.order_by().annotate(key=_key(dimension)).values("key").distinct()}


def days(of: Slice) -> QuerySet[SpendCell, date]:
    """The days on which something of it was spent or given back, in no order."""
    rows = _cells(of.organisation, of.values).filter(_during(of.period))
    return rows.order_by().values_list("day", flat=True).distinct()


def _cells(organisation: int, values: Mapping[str, Collection[Value]]) -> QuerySet[SpendCell]:
    rows = spending.cells(organisation)
    for name, wanted in values.items():
        chosen = Q(**{f"{name}__in": [value for value in wanted if value is not None]})
        rows = rows.filter(chosen | Q(**{f"{name}__isnull": True}) if None in wanted else chosen)
    return rows


def _during(period: Period) -> Q:
    return Q(day__gte=period.since, day__lt=period.until)


def _key(name: str) -> F | TruncWeek | TruncMonth:
    if name == "week":
        return TruncWeek("day", output_field=DateField())
    return TruncMonth("day", output_field=DateField()) if name == "month" else F(name)
