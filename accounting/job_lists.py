"""Jobs of an organisation as people look for them: filtered, ordered by what a page asks, and streamed for exports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounting import queries
from accounting.models import Job, Member, Project, UsageReport

CHUNK = 500
"""Rows that a stream fetches at once: what it holds in memory, however long the list is."""
LOOKED_THROUGH = 2_000
"""Newest jobs of an organisation among which similar ones are looked for, so that the search is bounded."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What the jobs must be; empty or None: anything. `[since, until)` is when the job was last reported, `text` a part
    of its id or title in any case, `least` the smallest cost in micro-credits.
    """

    backend: str = ""
    state: str = ""
    kind: str = ""
    person: int | None = None
    project: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    least: int | None = None


@dataclass(frozen=True, slots=True)
class ProjectView:
    id: int
    slug: str
    name: str


def matching(organisation: int, wanted: Criteria) -> QuerySet[Job]:
    """With `cost`, the micro-credits that each costs in all. Order is the caller's: by (`reported_at`, `pk`) and by
    (`cost`, `pk`) there are indexes.
    """
    rows = queries.jobs(organisations=[organisation]).annotate(cost=F("cost_compute") + F("cost_added_value"))
    plain = {
        "source__backend__slug": wanted.backend,
        "state": wanted.state,
        "kind": wanted.kind,
        "person": wanted.person,
        "reported_at__gte": wanted.since,
        "reported_at__lt": wanted.until,
        "cost__gte": wanted.least,
    }
    rows = rows.filter(**{name: value for name, value in plain.items() if value not in ("", None)})
    if wanted.text:
        rows = rows.filter(Q(job_id__icontains=wanted.text) | Q(title__icontains=wanted.text))
    if wanted.project is not None:
        rows = rows.filter(Exists(UsageReport.objects.filter(job=OuterRef("pk"), project=wanted.project)))
    return rows


def stream(rows: QuerySet[Job]) -> Iterator[Job]:
    """One after the other by a cursor of the database, `CHUNK` at a time: memory does not grow with the list."""
    return rows.iterator(chunk_size=CHUNK)


def similar(job: Job, most: int) -> Sequence[Job]:
    """Other jobs of the same payer to compare it with, the newest first: of the same title, else of the same back end
    and kind. Looks among the newest `LOOKED_THROUGH`.
    """
    recent = Job.objects.filter(organisation_id=job.organisation_id).order_by("-reported_at", "-pk")[:LOOKED_THROUGH]
    alike = {"title": job.title} if job.title else {"source_id": job.source_id, "kind": job.kind}
    rows = queries.jobs(organisations=[job.organisation_id]).filter(pk__in=recent.values("pk"), **alike)
    return list(rows.exclude(pk=job.pk).order_by("-reported_at", "-pk")[:most])


def people(organisation: int) -> Sequence[int]:
    """Persons (primary keys) whose jobs the organisation may have paid for: its members."""
    return list(Member.objects.filter(organisation_id=organisation).order_by("pk").values_list("person_id", flat=True))


def projects(organisation: int) -> Sequence[ProjectView]:
    """By name."""
    rows = Project.objects.filter(organisation_id=organisation).order_by("name", "pk")
    return [ProjectView(*row) for row in rows.values_list("pk", "slug", "name")]
