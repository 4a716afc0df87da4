"""What the list of jobs shows, and how jobs are called and addressed everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, unquote

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import job_lists
from portal.contexts import cursors, job_filters
from portal.contexts.job_filters import SORTS, Field, Filter, Wanted
from portal.models import User

if TYPE_CHECKING:
    from accounting.models import Job

NO_ORGANISATION = cast(str, gettext_lazy("an organisation that does not exist"))
"""In the language of whoever looks, also where it is compared."""
MOST_ID_DIGITS = 9


@dataclass(frozen=True, slots=True)
class JobRow:
    """`cost` is micro-credits; `pick` names the job in the address of a comparison."""

    href: str
    title: str
    job_id: str
    kind: str
    backend: str
    state: str
    reported_at: datetime
    cost: int
    pick: str = ""


@dataclass(frozen=True, slots=True)
class JobsPage:
    """`older` and `newer` are addresses; empty at the ends of the list. `csv` and `json` have exactly these jobs."""

    subtitle: str
    jobs: tuple[JobRow, ...]
    filters: tuple[Filter, ...]
    fields: tuple[Field, ...]
    sort: str
    folded: bool
    filtered: bool
    older: str
    newer: str
    csv: str
    json: str


def job_path(source: str, job_id: str) -> str:
    """The address of a job's page. A slash in the job id is written %2F, for a source has slashes of its own."""
    return reverse("job", args=[source, _written(job_id)])


def receipt_path(source: str, job_id: str) -> str:
    """The address of a job's receipt."""
    return reverse("receipt", args=[source, _written(job_id)])


def raw_path(source: str, job_id: str) -> str:
    """The address of a job's reports as they came."""
    return reverse("raw-reports", args=[source, _written(job_id)])


def job_id_of(written: str) -> str:
    """The job id in the last part of an address."""
    return unquote(written)


def _written(job_id: str) -> str:
    return quote(job_id, safe="@:+,;=!$&'()* ")


def pick_of(job: Job) -> str:
    """What names the job in the address of a comparison."""
    return f"{job.source.source_id}/{_written(job.job_id)}"


def kind_name(kind: str) -> str:
    return _("Synchronous") if kind == "sync" else _("Batch job")


def row_of(job: Job) -> JobRow:
    return JobRow(
        href=job_path(job.source.source_id, job.job_id),
        title=title_of(job),
        job_id=job.job_id,
        kind=kind_name(job.kind),
        backend=job.source.backend.name,
        state=job.state,
        reported_at=job.reported_at,
        cost=job.cost_compute + job.cost_added_value,
        pick=pick_of(job),
    )


def organisation_named(requested: object) -> str:
    """An organisation that a job named in vain; a number longer than any id of ours is not worth repeating."""
    known = len(str(requested)) <= MOST_ID_DIGITS
    return _("organisation %(id)s") % {"id": requested} if known else str(NO_ORGANISATION)


def title_of(job: Job) -> str:
    """What to call the job; some clients write the id into the title, where it only stands in the way."""
    title = job.title.replace(job.job_id, "").strip(" '\"")
    return title or (_("Synchronous request") if job.kind == "sync" else _("Batch job"))


def page_of(organisation: int, name: str, wanted: Wanted, viewer: User) -> JobsPage:
    """:raises BadRequest: something asked for is not offered."""
    filters, fields = job_filters.fields_of(organisation, wanted, viewer)
    found = cursors.page(job_lists.matching(organisation, wanted.criteria), SORTS[wanted.sort], wanted.place)
    listing = reverse("jobs")
    return JobsPage(
        subtitle=_("Paid by %(name)s") % {"name": name},
        jobs=tuple(row_of(job) for job in found.rows),
        filters=filters,
        fields=fields,
        sort=wanted.sort,
        folded=wanted.folded,
        filtered=wanted.filtered,
        older=f"{listing}?{wanted.query(after=found.after)}" if found.after else "",
        newer=f"{listing}?{wanted.query(before=found.before)}" if found.before else "",
        csv=f"{reverse('jobs-csv')}?{wanted.query()}",
        json=f"{reverse('jobs-json')}?{wanted.query()}",
    )
