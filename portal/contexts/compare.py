"""Jobs side by side, and for each against the first: what made it dearer or cheaper, to the last micro-credit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import comparisons, estimates, job_lists, queries, receipts
from accounting.comparisons import Used
from accounting.differences import CAUSES, Cause
from accounting.estimates import Said
from portal.contexts import charts, people, spans
from portal.contexts.charges import metric_name, unit_name
from portal.contexts.charts import Chart, Series
from portal.contexts.crumbs import Crumb
from portal.contexts.jobs import JobRow, job_id_of, job_path, kind_name, pick_of, row_of, title_of
from portal.models import User
from portal.numerals import credits_text

if TYPE_CHECKING:
    from accounting.models import Job

FEWEST, MOST = 2, 6
MOST_OFFERED = 8
LETTERS = "ABCDEF"
SEEN = 10_000
"""Micro-credits from which on a cause gets bars; the table has them all."""
NAMES = {
    "cpu": gettext_lazy("CPU time"),
    "memory": gettext_lazy("Memory"),
    "area": gettext_lazy("Area"),
    "processing": gettext_lazy("Processing units"),
    "other": gettext_lazy("Other measurements"),
    "fixed_fees": gettext_lazy("Fixed fees"),
    "udp_fee": gettext_lazy("Fee of the algorithm"),
    "rate": gettext_lazy("Rates of the back end"),
    "tariff_version": gettext_lazy("Version of the tariff"),
    "conditions": gettext_lazy("Conditions of the tariff"),
    "failure_policy": gettext_lazy("What failed jobs pay"),
    "allowances": gettext_lazy("Free amount, minimum, maximum"),
    "surcharge": gettext_lazy("Surcharge on other lines"),
    "borne": gettext_lazy("Borne by the back end"),
    "given_back": gettext_lazy("Given back"),
    "unlisted": gettext_lazy("Charges that are not listed"),
    "rounding": gettext_lazy("Rounding"),
}
ABOUT = {
    "other": gettext_lazy("GPU time, storage, duration and what else was measured"),
    "fixed_fees": gettext_lazy("Asked once a job, or reported in credits"),
    "udp_fee": gettext_lazy("What its publisher asks"),
    "rate": gettext_lazy("Another price for the same unit"),
    "tariff_version": gettext_lazy("The same back end had other prices then"),
    "conditions": gettext_lazy("Prices that depend on kind, plan or process"),
    "failure_policy": gettext_lazy("The part of the price that the state leaves"),
    "borne": gettext_lazy("Beyond what was reserved, where the back end waives it"),
    "rounding": gettext_lazy("Each line is rounded once to 0.000001 credit"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A job. `first_href` shows the others against it, `without_href` all but it (empty when too few were left)."""

    letter: str
    href: str
    title: str
    job_id: str
    backend: str
    source: str
    state: str
    kind: str
    payer: str
    who: str
    finished_at: datetime | None
    duration: str
    tariffs: tuple[str, ...]
    estimated: Said | None
    cost: int
    difference: int
    first_href: str
    without_href: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric over the jobs, in its canonical unit; None where a job has none."""

    title: str
    unit: str
    values: tuple[Decimal | None, ...]


@dataclass(frozen=True, slots=True)
class CauseRow:
    """What one cause adds to each job but the first, micro-credits."""

    title: str
    about: str
    amounts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ComparePage:
    """With fewer than two columns there is nothing to compare yet, and `offered` are jobs to choose."""

    crumbs: tuple[Crumb, ...]
    columns: tuple[Column, ...]
    picks: tuple[str, ...]
    measured: tuple[Measured, ...]
    causes: tuple[CauseRow, ...]
    differences: tuple[int, ...]
    sentences: tuple[str, ...]
    chart: Chart | None
    offered: tuple[JobRow, ...]
    room: int

    @property
    def ready(self) -> bool:
        return len(self.columns) >= FEWEST


def read(query: Any) -> tuple[tuple[str, str], ...]:
    """The (source, job id) that the address names, each once. :raises BadRequest: too many, or one that is none."""
    found: dict[tuple[str, str], None] = {}
    for text in query.getlist("job"):
        source, slash, job_id = text.rpartition("/")
        if not (source and slash and job_id):
            raise BadRequest("job must be <source>/<job id>")
        found[source, job_id_of(job_id)] = None
    if len(found) > MOST:
        raise BadRequest(f"job: at most {MOST} can be compared")
    return tuple(found)


def find(names: Sequence[tuple[str, str]], organisations: Sequence[int], payer: int) -> list[Job]:
    """The jobs in that order, each as `payer` paid for it, else as another of the organisations did.

    :raises LookupError: there is one that none of them paid for.
    """
    rows = queries.find_jobs(names, organisations=organisations) if names else []
    found: dict[tuple[str, str], Job] = {}
    for row in sorted(rows, key=lambda row: row.organisation_id != payer):
        found.setdefault((row.source.source_id, row.job_id), row)
    if len(found) < len(names):
        raise LookupError
    return [found[name] for name in names]


def page_of(jobs: Sequence[Job], payer: int, viewer: User) -> ComparePage:
    booked = receipts.of_jobs([job.pk for job in jobs])
    used = [comparisons.used(booked[job.pk]) for job in jobs]
    causes = _causes(jobs, booked)
    columns = _columns(jobs, used, viewer)
    rows = _cause_rows(causes)
    return ComparePage(
        crumbs=(Crumb.to("jobs", _("Jobs")),),
        columns=columns,
        picks=tuple(pick_of(job) for job in jobs),
        measured=_measured(used),
        causes=rows,
        differences=tuple(column.difference for column in columns[1:]),
        sentences=tuple(_sentence(column, found) for column, found in zip(columns[1:], causes, strict=True)),
        chart=_chart([row for row in rows if max(map(abs, row.amounts)) >= SEEN] or rows, columns) if rows else None,
        offered=tuple(row_of(job) for job in _offered(jobs, payer)),
        room=MOST - len(jobs),
    )


def _causes(jobs: Sequence[Job], booked: Mapping[int, Sequence[receipts.Receipt]]) -> list[Sequence[Cause]]:
    """Of each job but the first, against it."""
    sides = [comparisons.side_of(booked[job.pk], _cost(job)) for job in jobs]
    return [comparisons.explain(sides[0], other) for other in sides[1:]]


def _columns(jobs: Sequence[Job], used: Sequence[Used], viewer: User) -> tuple[Column, ...]:
    names = people.names({job.person_id for job in jobs}, viewer)
    said = estimates.of_jobs(jobs)
    return tuple(
        Column(
            letter=LETTERS[place],
            href=f"{job_path(job.source.source_id, job.job_id)}?{urlencode({'payer': job.organisation_id})}",
            title=title_of(job),
            job_id=job.job_id,
            backend=job.source.backend.name,
            source=job.source.source_id,
            state=job.state,
            kind=kind_name(job.kind),
            payer=job.organisation.name,
            who=names[job.person_id],
            finished_at=job.finished_at,
            duration=spans.between(job.started_at, job.finished_at),
            tariffs=tuple(
                _("%(name)s, version %(version)s") % {"name": name, "version": version}
                for name, version in used[place].tariffs
            ),
            estimated=said.get(job.pk),
            cost=_cost(job),
            difference=_cost(job) - _cost(jobs[0]),
            first_href=_address([job, *jobs[:place], *jobs[place + 1 :]]) if place else "",
            without_href=_address([*jobs[:place], *jobs[place + 1 :]]) if len(jobs) > FEWEST else "",
        )
        for place, job in enumerate(jobs)
    )


def _cost(job: Job) -> int:
    cost: int = job.cost_compute + job.cost_added_value
    return cost


def _address(jobs: Sequence[Job]) -> str:
    return f"{reverse('compare')}?{urlencode({'job': [pick_of(job) for job in jobs]}, doseq=True)}"


def _measured(used: Sequence[Used]) -> tuple[Measured, ...]:
    """Duration has a row of its own, and a surcharge measures only the other lines."""
    keys = {key for one in used for key in one.quantities if key[0] not in ("surcharge", "time")}
    first = ("cpu", "memory", "area")
    ordered = sorted(keys, key=lambda key: (first.index(key[0]) if key[0] in first else len(first), key))
    return tuple(
        Measured(
            _("Fees") if unit == "credit" else metric_name(metric),
            unit_name(unit),
            tuple(one.quantities.get((metric, unit)) for one in used),
        )
        for metric, unit in ordered
    )


def _cause_rows(causes: Sequence[Sequence[Cause]]) -> tuple[CauseRow, ...]:
    amounts = [{cause.name: cause.amount for cause in found} for found in causes]
    return tuple(
        CauseRow(str(NAMES[name]), str(ABOUT.get(name, "")), tuple(found.get(name, 0) for found in amounts))
        for name in CAUSES
        if any(name in found for found in amounts)
    )


def _sentence(column: Column, causes: Sequence[Cause]) -> str:
    """The difference in words, with what weighs most of what goes the same way."""
    said = {"job": column.letter, "amount": credits_text(abs(column.difference))}
    if not column.difference:
        return _("%(job)s cost exactly as much as A.") % said
    more = column.difference > 0
    main = max(causes, key=lambda cause: cause.amount if more else -cause.amount)
    said |= {"cause": str(NAMES[main.name]), "part": credits_text(abs(main.amount))}
    if more:
        return _("%(job)s cost %(amount)s credits more than A. Main cause: %(cause)s, %(part)s.") % said
    return _("%(job)s cost %(amount)s credits less than A. Main cause: %(cause)s, %(part)s.") % said


def _chart(rows: Sequence[CauseRow], columns: Sequence[Column]) -> Chart:
    title = _("What makes the difference to A")
    return Chart(
        id="causes",
        title=title,
        kind="bar",
        labels=tuple(row.title for row in rows),
        series=tuple(
            Series(f"{column.letter} · {column.title}", charts.values_of([row.amounts[place] for row in rows]))
            for place, column in enumerate(columns[1:])
        ),
        summary=_("%(title)s, in credits, a bar for each cause and job.") % {"title": title},
        stacked=False,
        label_title=_("Cause"),
    )


def _offered(jobs: Sequence[Job], payer: int) -> Sequence[Job]:
    """Jobs to put beside: like the first one, else the newest."""
    if len(jobs) >= MOST:
        return ()
    known = {job.pk for job in jobs}
    newest = queries.jobs(organisations=[payer]).order_by("-reported_at", "-pk")
    like = job_lists.similar(jobs[0], MOST_OFFERED + MOST) if jobs else ()
    rows = like or newest[: MOST_OFFERED + MOST]
    return [job for job in rows if job.pk not in known][:MOST_OFFERED]
