"""What an organisation spent, from sums that are kept a day (S1): what a page costs does not grow with history.

Amounts are micro-credits, less what was given back, which counts on the day of the charge. Days are UTC days, on which
the work ended as far as the report said, else on which it was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import F, QuerySet, Sum

from accounting.models import Job, SpendCell, SpendDay
from accounting.models.usage import reported_month


@dataclass(frozen=True, slots=True)
class DaySpend:
    """`backend` is its primary key; `process` is empty for compute."""

    day: date
    backend: int
    process: str
    amount: int


def days(organisation: int, since: date, until: date) -> Sequence[DaySpend]:
    """Of each day in `[since, until)`, back end and process with something spent; the oldest first."""
    rows = SpendDay.objects.filter(organisation_id=organisation, day__gte=since, day__lt=until)
    ordered = rows.order_by("day", "backend_id", "process").values_list("day", "backend_id", "process", "amount")
    return [DaySpend(*row) for row in ordered]


@dataclass(frozen=True, slots=True)
class BackEndDay:
    """`backend` is its primary key."""

    day: date
    backend: int
    amount: int


def by_backend(organisation: int, since: date, until: date) -> Sequence[BackEndDay]:
    """Of each day in `[since, until)` and back end with something spent; the oldest first, however many processes."""
    rows = SpendDay.objects.filter(organisation_id=organisation, day__gte=since, day__lt=until)
    summed = rows.values_list("day", "backend_id").annotate(amount=Sum("amount")).order_by("day", "backend_id")
    return [BackEndDay(*row) for row in summed]


def top_processes(organisation: int, since: date, until: date, limit: int) -> Sequence[tuple[str, int]]:
    """The dearest processes of `[since, until)` with what they cost beside compute, the dearest first."""
    rows = SpendDay.objects.filter(organisation_id=organisation, day__gte=since, day__lt=until).exclude(process="")
    summed = rows.values_list("process").annotate(amount=Sum("amount")).filter(amount__gt=0)
    return list(summed.order_by("-amount", "process")[:limit])


def total(organisation: int, since: date, until: date) -> int:
    """What was spent in `[since, until)`."""
    rows = SpendDay.objects.filter(organisation_id=organisation, day__gte=since, day__lt=until)
    return int(rows.aggregate(total=Sum("amount", default=0))["total"])


def cells(organisation: int) -> QuerySet[SpendCell]:
    """Sums by everything that people ask by; filter by `day` first, the index begins with it."""
    return SpendCell.objects.filter(organisation_id=organisation)


def jobs_by_cost(organisation: int, month: date) -> QuerySet[Job]:
    """Jobs that were reported last in the UTC month of that day, the dearest first: as an index holds them."""
    return (
        Job.objects.filter(organisation_id=organisation)
        .annotate(month=reported_month(), cost=F("cost_compute") + F("cost_added_value"))
        .filter(month=month.replace(day=1))
        .select_related("source__backend")
        .order_by("-cost")
    )


def top_jobs(organisation: int, month: date, limit: int) -> Sequence[Job]:
    """The dearest of `jobs_by_cost`; none that cost nothing."""
    return [job for job in jobs_by_cost(organisation, month)[:limit] if job.cost_compute + job.cost_added_value > 0]
