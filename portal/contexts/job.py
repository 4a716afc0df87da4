"""What a job's page shows: its facts, each run, and for each line of each report why it cost what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from accounting import estimates, job_lists, receipts
from portal.contexts import corrections, job_holds, people, raw_reports, spans
from portal.contexts.charges import Charge, Paid, charge_of, paid_of
from portal.contexts.corrections import Correction
from portal.contexts.crumbs import Crumb
from portal.contexts.job_holds import JobHold
from portal.contexts.jobs import (
    NO_ORGANISATION,
    job_path,
    kind_name,
    organisation_named,
    pick_of,
    raw_path,
    receipt_path,
    title_of,
)
from portal.contexts.raw_reports import RawText
from portal.models import User

if TYPE_CHECKING:
    from accounting.models import Execution, Job

MOST_SIMILAR = 5


@dataclass(frozen=True, slots=True)
class Estimated:
    """What was estimated beside what it cost, micro-credits. `place` is below, within or above the interval."""

    p10: int
    median: int
    p90: int
    jobs: int
    asked: bool
    made_at: datetime
    place: str
    off: int


@dataclass(frozen=True, slots=True)
class Similar:
    """Another job, and the address where it stands beside this one."""

    title: str
    job_id: str
    backend: str
    state: str
    reported_at: datetime
    cost: int
    href: str


@dataclass(frozen=True, slots=True)
class Run:
    """`replaced` are charges of a running job in whose place others of the run stand."""

    execution_id: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    cost: int
    charges: tuple[Charge, ...]
    replaced: tuple[Charge, ...]


@dataclass(frozen=True, slots=True)
class Payer:
    """Somebody else who paid for the same job id, as far as the person may know."""

    name: str
    href: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """`refused` says which organisation was named in vain, `refused_why` the reason; `outstanding` is what no grant
    covers yet.
    """

    crumbs: tuple[Crumb, ...]
    title: str
    job_id: str
    source: str
    backend: str
    state: str
    kind: str
    organisation: str
    who: str
    holds: tuple[JobHold, ...]
    started_at: datetime | None
    finished_at: datetime | None
    duration: str
    cost: int
    compute: int
    added_value: int
    runs: tuple[Run, ...]
    paid: tuple[Paid, ...]
    outstanding: int
    refused: str
    refused_why: str
    receipt_href: str
    other_payers: tuple[Payer, ...]
    corrections: tuple[Correction, ...]
    estimated: Estimated | None
    raw: tuple[RawText, ...]
    raw_href: str
    similar: tuple[Similar, ...]
    compare_href: str


def page_of(job: Job, others: Sequence[Job], viewer: User) -> JobPage:
    """:param others: the same job as other organisations of the viewer paid for it."""
    booked = receipts.of_job(job.pk)
    standing = [receipt for receipt in booked if not receipt.reversal]
    source, payer = job.source.source_id, urlencode({"payer": job.organisation_id})
    cost = job.cost_compute + job.cost_added_value
    named = next((one.requested_organisation for one in booked if one.organisation_refused), None)
    return JobPage(
        crumbs=(Crumb.to("jobs", _("Jobs")),),
        title=title_of(job),
        job_id=job.job_id,
        source=source,
        backend=job.source.backend.name,
        state=job.state,
        kind=kind_name(job.kind),
        organisation=job.organisation.name,
        who=people.names([job.person_id], viewer)[job.person_id],
        holds=job_holds.holds_of(job),
        started_at=job.started_at,
        finished_at=job.finished_at,
        duration=spans.between(job.started_at, job.finished_at),
        cost=cost,
        compute=job.cost_compute,
        added_value=job.cost_added_value,
        runs=_runs(job.executions.all(), booked),
        paid=paid_of(line for receipt in standing for line in receipt.lines),
        outstanding=sum(line.outstanding for receipt in standing for line in receipt.lines),
        refused=_refused(named) if named is not None else "",
        refused_why=_refused_why(named),
        receipt_href=f"{receipt_path(source, job.job_id)}?{payer}",
        other_payers=tuple(Payer(other.organisation.name, _payer_path(other)) for other in others),
        corrections=corrections.of_receipts(booked),
        estimated=_estimated(job, cost),
        raw=raw_reports.of_job(job.pk),
        raw_href=f"{raw_path(source, job.job_id)}?{payer}",
        similar=tuple(_similar(other, job) for other in job_lists.similar(job, MOST_SIMILAR)),
        compare_href=f"{reverse('compare')}?{urlencode({'job': pick_of(job)})}",
    )


def choose(rows: Sequence[Job], payer: int | None) -> tuple[Job, list[Job]]:
    """The row of the payer asked for, else the newest; and the others. :raises LookupError: there is none."""
    chosen = next((row for row in rows if row.organisation_id == payer), None) or next(iter(rows), None)
    if chosen is None:
        raise LookupError
    return chosen, [row for row in rows if row is not chosen]


def _payer_path(job: Job) -> str:
    return f"{job_path(job.source.source_id, job.job_id)}?{urlencode({'payer': job.organisation_id})}"


def _refused(named: object) -> str:
    words = organisation_named(named)
    return _("%(organisation)s was named to pay, but did not") % {"organisation": f"{words[0].upper()}{words[1:]}"}


def _refused_why(named: object) -> str:
    if organisation_named(named) == NO_ORGANISATION:
        return _("So the organisation that the person who ran the job had chosen paid instead.")
    return _(
        "The person who ran the job is not a member of it, or only a viewer, so another one of theirs paid instead."
    )


def _runs(executions: Iterable[Execution], booked: Sequence[receipts.Receipt]) -> tuple[Run, ...]:
    """The executions in the order in which they were first reported, each with its charges. A charge that was replaced
    belongs to the run of the one that took its place, whose name it may not have known.
    """
    known = {execution.execution_id: execution for execution in executions}
    instead = job_holds.replacements(booked)
    runs = {one.transaction: instead.get(one.transaction, one).execution_id or "" for one in booked}
    order = dict.fromkeys(runs[receipt.transaction] for receipt in booked)
    return tuple(
        Run(
            execution_id=name,
            state=known[name].state if name in known else "",
            started_at=known[name].started_at if name in known else None,
            finished_at=known[name].finished_at if name in known else None,
            cost=sum(one.cost for one in booked if runs[one.transaction] == name and not one.reversal),
            charges=tuple(
                charge_of(one) for one in booked if runs[one.transaction] == name and one.transaction not in instead
            ),
            replaced=tuple(
                charge_of(one, instead[one.transaction])
                for one in booked
                if runs[one.transaction] == name and one.transaction in instead
            ),
        )
        for name in order
    )


def _estimated(job: Job, cost: int) -> Estimated | None:
    said = estimates.of_jobs([job]).get(job.pk)
    if said is None:
        return None
    place = "below" if cost < said.p10 else "above" if cost > said.p90 else "within"
    return Estimated(said.p10, said.median, said.p90, said.jobs, said.asked, said.made_at, place, cost - said.median)


def _similar(other: Job, job: Job) -> Similar:
    both = urlencode({"job": [pick_of(job), pick_of(other)]}, doseq=True)
    return Similar(
        title=title_of(other),
        job_id=other.job_id,
        backend=other.source.backend.name,
        state=other.state,
        reported_at=other.reported_at,
        cost=other.cost_compute + other.cost_added_value,
        href=f"{reverse('compare')}?{both}",
    )
