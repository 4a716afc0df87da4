"""Reads of holds: what is kept now, for which job, out of which grants, and what became of each.

Nothing here writes or judges; the verdicts of running jobs are in `accounting.captures`. Every list is bounded and
takes a fixed number of queries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, Func, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, JSONObject

from accounting.models import Grant, Hold, HoldEvent, Job, OpenHold, UsageReport

MOST_CHILDREN = 100
"""Of one parent, as they are listed; sums count all of them."""
MOST_OF_JOB = 5
"""Holds that a job's page tells of; the newest."""
NOW = Func(function="accounting_now", output_field=DateTimeField())


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold as it is now; amounts in micro-credits.

    `amount` is what it was opened with, `kept` what it keeps now, `unbacked` the part of it that no grant covers.
    `charged` was charged for its job and stands, of which `excess` went beyond the hold; `used` is what the back end
    said last, or what is charged if that is more. `state` is open, captured, released or expired; a hold past its
    expiry is expired although it still keeps its credits until the next sweep. `job_title` is None until the job was
    reported; `title` is what the back end called it when it opened the hold (`metadata.title`).
    """

    pk: int
    id: UUID
    wallet: int
    organisation: int
    organisation_name: str
    person: int
    project: int | None
    project_name: str
    source: str
    backend_pk: int
    backend: str
    job_id: str
    execution_id: str
    title: str
    job_title: str | None
    job_kind: str
    parent_pk: int | None
    parent: UUID | None
    amount: int
    kept: int
    unbacked: int
    charged: int
    excess: int
    used: int
    budget: int | None
    plan: str
    plans: tuple[str, ...]
    processes: tuple[str, ...]
    grants: tuple[tuple[int, int], ...]
    lifetime: timedelta
    failed_open: bool
    state: str
    opened_at: datetime
    beat_at: datetime | None
    expires_at: datetime
    ended_at: datetime | None

    @property
    def keeps(self) -> bool:
        """Whether the wallet still holds credits for it."""
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class GrantPart:
    """What a hold has bound of a grant; a grant that expires meanwhile pays for it all the same (H5)."""

    id: int
    label: str
    kind: str
    amount: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list of holds, newest first: after or before that hold."""

    after: int | None = None
    before: int | None = None


def now() -> datetime:
    """The instant by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounting_now()")
        instant: datetime = cursor.fetchone()[0]
    return instant


def running(organisation: int, most: int) -> Sequence[HoldView]:
    """Holds that keep credits of the organisation, the newest first, children behind their parent; at most `most`."""
    rows = _holds().filter(organisation_id=organisation, open__isnull=False)
    return _views(rows.order_by(Coalesce("parent_id", "pk").desc(), "pk")[:most])


def count_running(organisation: int) -> int:
    """How many holds keep credits of the organisation."""
    return OpenHold.objects.filter(wallet__organisation_id=organisation).count()


def page(
    organisation: int, place: Place, size: int, *, is_open: bool | None = None, backend: str = ""
) -> tuple[Sequence[HoldView], bool, bool]:
    """A page of an organisation's holds, newest first, and whether there are older and newer ones beyond it."""
    rows = _holds().filter(organisation_id=organisation)
    if is_open is not None:
        rows = rows.filter(open__isnull=not is_open)
    if backend:
        rows = rows.filter(source__backend__slug=backend)
    if place.before is not None:
        found = _views(rows.filter(pk__gt=place.before).order_by("pk")[: size + 1])
        return found[:size][::-1], bool(found), len(found) > size
    if place.after is not None:
        rows = rows.filter(pk__lt=place.after)
    found = _views(rows.order_by("-pk")[: size + 1])
    return found[:size], len(found) > size, bool(place.after is not None and found)


def find(hold: UUID, organisations: Collection[int]) -> HoldView | None:
    """The hold, if one of the organisations pays for it."""
    return next(iter(_views(_holds().filter(uuid=hold, organisation_id__in=organisations))), None)


def still_open(holds: Collection[str]) -> frozenset[str]:
    """Which of the holds (uuids as text) keep credits."""
    rows = OpenHold.objects.filter(hold__uuid__in=holds).values_list("hold__uuid", flat=True)
    return frozenset(str(uuid) for uuid in rows) if holds else frozenset()


def not_stopped(holds: Collection[str]) -> frozenset[str]:
    """Which of the holds (uuids as text) keep credits, and were not judged to be at their end when last looked at."""
    rows = OpenHold.objects.filter(hold__uuid__in=holds).exclude(verdict="stop").values_list("hold__uuid", flat=True)
    return frozenset(str(uuid) for uuid in rows) if holds else frozenset()


def children(parent: int) -> Sequence[HoldView]:
    """The parts of a hold in the order in which they were opened, at most `MOST_CHILDREN`."""
    return _views(_holds().filter(parent_id=parent).order_by("pk")[:MOST_CHILDREN])


def sums_of_children(parent: int) -> tuple[int, int, int]:
    """All children of a hold: (how many there are, what is charged for them and stands, what they keep)."""
    count = Hold.objects.filter(parent_id=parent).count()
    charged = _standing(UsageReport.objects.filter(hold__parent_id=parent)).aggregate(sum=Sum("amount"))["sum"]
    kept = OpenHold.objects.filter(parent=parent).aggregate(sum=Sum("remaining"))["sum"]
    return count, int(charged or 0), int(kept or 0)


def charged_for_parts(parents: Collection[int]) -> Mapping[int, int]:
    """What is charged for the parts of each of the holds and stands; those without any are left out."""
    if not parents:
        return {}
    reports = _standing(UsageReport.objects.filter(hold__parent_id__in=parents))
    sums = reports.values("hold__parent_id").annotate(sum=Sum("amount")).values_list("hold__parent_id", "sum")
    return {parent: int(charged) for parent, charged in sums if parent is not None}


def of_job(job: Job) -> Sequence[HoldView]:
    """The holds that were opened for the job or paid its reports, the newest first; at most `MOST_OF_JOB`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM accounting_hold WHERE source_id = %s AND job_id = %s AND organisation_id = %s"
            " UNION SELECT hold_id FROM accounting_usagereport WHERE job_id = %s AND hold_id IS NOT NULL"
            " ORDER BY 1 DESC LIMIT %s",
            [job.source_id, job.job_id, job.organisation_id, job.pk, MOST_OF_JOB],
        )
        found = [row[0] for row in cursor.fetchall()]
    return _views(_holds().filter(pk__in=found).order_by("-pk")) if found else []


def grants_of(hold: HoldView) -> Sequence[GrantPart]:
    """What the hold has bound of each grant now, in the order in which they pay."""
    bound = [(pk, amount) for pk, amount in hold.grants if amount]
    rows = Grant.objects.in_bulk([pk for pk, _ in bound]) if bound else {}
    return [
        GrantPart(pk, rows[pk].label, rows[pk].kind, amount, rows[pk].expires_at) for pk, amount in bound if pk in rows
    ]


def _holds() -> QuerySet[Hold]:
    """With everything that a view of them needs, in one query."""
    ending = HoldEvent.objects.filter(hold_id=OuterRef("pk"), ends=True)
    job = Job.objects.filter(
        source_id=OuterRef("source_id"), job_id=OuterRef("job_id"), organisation_id=OuterRef("organisation_id")
    )
    charges = _standing(UsageReport.objects.filter(hold_id=OuterRef("pk")))
    captures = HoldEvent.objects.filter(hold_id=OuterRef("pk"), excess__gt=0, transaction__reversed_by__isnull=True)
    return Hold.objects.select_related("open", "source__backend", "organisation", "project", "parent").annotate(
        became=Subquery(ending.values("kind")[:1]),
        ended_at=Subquery(ending.values("recorded_at")[:1]),
        job=Subquery(job.values(said=JSONObject(title="title", kind="kind"))[:1]),
        charged=Coalesce(Subquery(_total(charges, "hold_id", "amount")), 0),
        excess=Coalesce(Subquery(_total(captures, "hold_id", "excess")), 0),
        instant=NOW,
    )


def _standing(reports: QuerySet[UsageReport]) -> QuerySet[UsageReport]:
    return reports.filter(transaction__reversed_by__isnull=True)


def _total(rows: QuerySet[Any], by: str, what: str) -> QuerySet[Any]:
    totals: QuerySet[Any] = rows.order_by().values(by).annotate(total=Sum(what)).values("total")
    return totals


def _views(rows: QuerySet[Hold]) -> list[HoldView]:
    return [_view(row) for row in rows]


def _view(row: Any) -> HoldView:
    working = getattr(row, "open", None)
    job, title = row.job or {}, row.metadata.get("title", "")
    return HoldView(
        pk=row.pk,
        id=row.uuid,
        wallet=row.wallet_id,
        organisation=row.organisation_id,
        organisation_name=row.organisation.name,
        person=row.person_id,
        project=row.project_id,
        project_name=row.project.name if row.project else "",
        source=row.source.source_id,
        backend_pk=row.source.backend_id,
        backend=row.source.backend.name,
        job_id=row.job_id,
        execution_id=row.execution_id,
        title=title if isinstance(title, str) else "",
        job_title=job.get("title"),
        job_kind=job.get("kind", "batch"),
        parent_pk=row.parent_id,
        parent=row.parent.uuid if row.parent else None,
        amount=row.amount,
        kept=working.remaining if working else 0,
        unbacked=working.unbacked if working else 0,
        charged=row.charged,
        excess=row.excess,
        used=max(working.used if working else 0, row.charged),
        budget=row.budget,
        plan=row.plan,
        plans=tuple(row.plans),
        processes=tuple(row.processes),
        grants=tuple(zip(working.grants, working.amounts, strict=True)) if working else (),
        lifetime=row.lifetime,
        failed_open=row.failed_open,
        state=_state(row, working),
        opened_at=row.created_at,
        beat_at=working.beat_at if working else None,
        expires_at=working.expires_at if working else row.expires_at,
        ended_at=row.ended_at,
    )


def _state(row: Any, working: OpenHold | None) -> str:
    if row.became:
        return str(row.became)
    return "open" if working is None or working.expires_at > row.instant else "expired"
