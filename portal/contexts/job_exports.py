"""Lists of jobs as files: the same jobs as on the page, in no more memory for a million of them than for a few."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from accounting import job_lists
from accounting.credits import to_text
from portal import cells
from portal.contexts import job_filters, people
from portal.contexts.job_filters import SORTS, Wanted
from portal.contexts.jobs import job_path
from portal.models import User

if TYPE_CHECKING:
    from accounting.models import Job

COLUMNS = (
    *("source", "job_id", "title", "backend", "kind", "state", "person", "started_at", "finished_at", "reported_at"),
    *("cost", "cost_compute", "cost_added_value", "href"),
)
"""Names for programs, so they are not translated; costs are credits, times are UTC."""
"""How a cell begins that a spreadsheet would run."""


def check(organisation: int, wanted: Wanted, viewer: User) -> None:
    """:raises BadRequest: something asked for is not offered; before anything was sent."""
    job_filters.fields_of(organisation, wanted, viewer)


def as_csv(organisation: int, wanted: Wanted, viewer: User, root: str) -> Iterator[str]:
    """:param root: what comes before the path of an address."""
    records = _records(organisation, wanted, viewer, root)
    yield from cells.lines(chain([COLUMNS], ([record[name] for name in COLUMNS] for record in records)))


def as_json(organisation: int, wanted: Wanted, viewer: User, root: str) -> Iterator[str]:
    """An object with `jobs`; each has the columns of the CSV, what is not known null."""
    yield '{"jobs": ['
    comma = "\n"
    for record in _records(organisation, wanted, viewer, root):
        yield comma + json.dumps(record, ensure_ascii=False)
        comma = ",\n"
    yield "\n]}\n"


def _records(organisation: int, wanted: Wanted, viewer: User, root: str) -> Iterator[Mapping[str, Any]]:
    keys = [f"-{key}" for key in SORTS[wanted.sort]]
    names: dict[int, str] = {}
    for job in job_lists.stream(job_lists.matching(organisation, wanted.criteria).order_by(*keys)):
        if job.person_id not in names:
            names |= people.names([job.person_id], viewer)
        yield _record(job, names[job.person_id], root)


def _record(job: Job, person: str, root: str) -> Mapping[str, Any]:
    source = job.source.source_id
    return {
        "source": source,
        "job_id": job.job_id,
        "title": job.title,
        "backend": job.source.backend.name,
        "kind": job.kind,
        "state": job.state,
        "person": person,
        "started_at": _instant(job.started_at),
        "finished_at": _instant(job.finished_at),
        "reported_at": _instant(job.reported_at),
        "cost": to_text(job.cost_compute + job.cost_added_value),
        "cost_compute": to_text(job.cost_compute),
        "cost_added_value": to_text(job.cost_added_value),
        "href": f"{root}{job_path(source, job.job_id)}",
    }


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
