"""What the list of jobs shows: a page of it, its filters, and the ways to older and newer ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet
from django.urls import reverse

from accounting import queries

if TYPE_CHECKING:
    from accounting.models import Job

PAGE_SIZE = 25
STATES = (
    ("", "All states"),
    ("FINISHED", "Finished"),
    ("FAILED", "Failed"),
    ("KILLED", "Stopped"),
    ("RUNNING", "Running"),
    ("ACCEPTED", "Accepted"),
)
NO_ORGANISATION = "an organisation that does not exist"
MOST_ID_DIGITS = 9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class JobRow:
    """`cost` is micro-credits."""

    href: str
    title: str
    job_id: str
    kind: str
    backend: str
    state: str
    reported_at: datetime
    cost: int


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    title: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Filter:
    name: str
    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for. A cursor is a place in the list: the instant in microseconds and the row."""

    backend: str = ""
    state: str = ""
    after: tuple[datetime, int] | None = None
    before: tuple[datetime, int] | None = None


@dataclass(frozen=True, slots=True)
class JobsPage:
    """`older` and `newer` are addresses; empty at the ends of the list."""

    subtitle: str
    jobs: tuple[JobRow, ...]
    filters: tuple[Filter, ...]
    filtered: bool
    older: str
    newer: str


def job_path(source: str, job_id: str) -> str:
    """The address of a job's page. A slash in the job id is written %2F, for a source has slashes of its own."""
    return reverse("job", args=[source, _written(job_id)])


def receipt_path(source: str, job_id: str) -> str:
    """The address of a job's receipt as JSON."""
    return reverse("receipt", args=[source, _written(job_id)])


def job_id_of(written: str) -> str:
    """The job id in the last part of an address."""
    return unquote(written)


def _written(job_id: str) -> str:
    return quote(job_id, safe="@:+,;=!$&'()* ")


def row_of(job: Job) -> JobRow:
    return JobRow(
        href=job_path(job.source.source_id, job.job_id),
        title=title_of(job),
        job_id=job.job_id,
        kind="Synchronous" if job.kind == "sync" else "Batch",
        backend=job.source.backend.name,
        state=job.state,
        reported_at=job.reported_at,
        cost=job.cost_compute + job.cost_added_value,
    )


def organisation_named(requested: object) -> str:
    """An organisation that a job named in vain; a number longer than any id of ours is not worth repeating."""
    return f"organisation {requested}" if len(str(requested)) <= MOST_ID_DIGITS else NO_ORGANISATION


def title_of(job: Job) -> str:
    """What to call the job; some clients write the id into the title, where it only stands in the way."""
    title = job.title.replace(job.job_id, "").strip(" '\"")
    return title or ("Synchronous request" if job.kind == "sync" else "Batch job")


def read(query: Any) -> Wanted:
    """Read the address's query. :raises BadRequest: naming what is wrong with it."""
    state = query.get("state", "")
    if state not in dict(STATES):
        raise BadRequest("state must be one of the states offered")
    after, before = (_place(query.get(name, ""), name) for name in ("after", "before"))
    if after and before:
        raise BadRequest("after and before exclude each other")
    return Wanted(backend=query.get("backend", ""), state=state, after=after, before=before)


def page_of(organisation: int, name: str, wanted: Wanted) -> JobsPage:
    backends = queries.backends()
    if wanted.backend and wanted.backend not in {backend.slug for backend in backends}:
        raise BadRequest("backend must be one of the back ends offered")
    rows = _filtered(queries.jobs(organisations=[organisation]), wanted)
    jobs, more_older, more_newer = _page(rows, wanted)
    return JobsPage(
        subtitle=f"Paid by {name}",
        jobs=tuple(row_of(job) for job in jobs),
        filters=(
            _filter(
                "backend", "Back end", [("", "All back ends"), *((b.slug, b.name) for b in backends)], wanted.backend
            ),
            _filter("state", "State", STATES, wanted.state),
        ),
        filtered=bool(wanted.backend or wanted.state),
        older=_address(wanted, after=jobs[-1]) if more_older else "",
        newer=_address(wanted, before=jobs[0]) if more_newer else "",
    )


def _filtered(rows: QuerySet[Job], wanted: Wanted) -> QuerySet[Job]:
    if wanted.backend:
        rows = rows.filter(source__backend__slug=wanted.backend)
    return rows.filter(state=wanted.state) if wanted.state else rows


def _page(rows: QuerySet[Job], wanted: Wanted) -> tuple[Sequence[Job], bool, bool]:
    """One page, newest first, and whether there are older and newer ones. One query; a row more tells if it goes on."""
    if wanted.before:
        at, pk = wanted.before
        newer = rows.filter(Q(reported_at__gt=at) | Q(reported_at=at, pk__gt=pk)).order_by("reported_at", "pk")
        found = list(newer[: PAGE_SIZE + 1])
        return found[:PAGE_SIZE][::-1], bool(found), len(found) > PAGE_SIZE
    if wanted.after:
        at, pk = wanted.after
        rows = rows.filter(Q(reported_at__lt=at) | Q(reported_at=at, pk__lt=pk))
    found = list(rows.order_by("-reported_at", "-pk")[: PAGE_SIZE + 1])
    return found[:PAGE_SIZE], len(found) > PAGE_SIZE, bool(wanted.after and found)


def _address(wanted: Wanted, *, after: Job | None = None, before: Job | None = None) -> str:
    place = after or before
    parts = {"backend": wanted.backend, "state": wanted.state}
    if place is not None:
        micros = (place.reported_at - _EPOCH) // timedelta(microseconds=1)
        parts["after" if after else "before"] = f"{micros}.{place.pk}"
    return f"{reverse('jobs')}?{urlencode({name: value for name, value in parts.items() if value})}"


def _place(text: str, name: str) -> tuple[datetime, int] | None:
    if not text:
        return None
    micros, dot, pk = text.partition(".")
    if not (dot and text.isascii() and micros.isdigit() and pk.isdigit() and len(micros) < 17 and len(pk) < 19):
        raise BadRequest(f"{name} must be a place that the list gave")
    return _EPOCH + timedelta(microseconds=int(micros)), int(pk)


def _filter(name: str, title: str, options: Sequence[tuple[str, str]], chosen: str) -> Filter:
    return Filter(name, title, tuple(Option(value, text, value == chosen) for value, text in options))
