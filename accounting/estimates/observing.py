"""From reports and workloads to observations: one small row for each job that ended and whose workload is known.

Runs every hour and is never on the path of a report. It goes by the numbers of reports and the times of workloads, a
little back each time, so that what was being committed meanwhile is not missed; doing it twice changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from accounting import workloads
from accounting.errors import InvalidInput
from accounting.estimates import rerating
from accounting.models import EstimateMark, Execution, JobWorkload, Observation, ObservationKey
from accounting.reports import ADDED_VALUE
from accounting.workloads import Workload

BATCH = 500
"""Reports or workloads that are looked at together."""
OVERLAP = timedelta(minutes=10)
"""No statement takes that long, so nothing older can still appear."""
ENDED = ("FINISHED", "FAILED", "KILLED")
MARK = "observations"
LARGEST_BODY = 300_000
"""Characters of a report beyond which nobody looks for a workload in it."""


def collect(*, now: datetime | None = None) -> int:
    """Brings the observations up to date. Returns how many were written."""
    now = now or timezone.now()
    mark, _ = EstimateMark.objects.get_or_create(pk=MARK)
    written = 0
    reached = mark.report
    for rows in _new_reports(mark.report):
        written += observe({execution for _, execution, _ in rows})
        settled = [number for number, _, received_at in rows if received_at < now - OVERLAP]
        reached = max([reached, *settled])
        EstimateMark.objects.filter(pk=MARK).update(report=reached)
    since = mark.workloads_at - OVERLAP if mark.workloads_at else None
    for executions in _newly_described(since):
        written += observe(executions)
    EstimateMark.objects.filter(pk=MARK).update(workloads_at=now)
    return written


_REPORTS = """
SELECT r.transaction_id, e.id, r.received_at
  FROM accounting_usagereport r JOIN accounting_execution e ON e.job_id = r.job_id AND e.execution_id = r.execution_id
 WHERE r.transaction_id > %s ORDER BY r.transaction_id LIMIT %s
"""
_DESCRIBED = """
SELECT w.id, e.id
  FROM (SELECT * FROM accounting_jobworkload WHERE id > %s AND (recorded_at > %s OR %s::timestamptz IS NULL)
         ORDER BY id LIMIT %s) w
  LEFT JOIN accounting_job j ON j.source_id = w.source_id AND j.job_id = w.job_id
                            AND (w.person_id IS NULL OR j.person_id = w.person_id)
  LEFT JOIN accounting_execution e ON e.job_id = j.id AND (w.execution_id = '' OR e.execution_id = w.execution_id)
"""


def _new_reports(after: int) -> Iterator[list[tuple[int, int, datetime]]]:
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_REPORTS, [after, BATCH])
            rows = cursor.fetchall()
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        after = rows[-1][0]


def _newly_described(since: datetime | None) -> Iterator[set[int]]:
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_DESCRIBED, [after, since, since, BATCH])
            rows = cursor.fetchall()
        if not rows:
            return
        yield {execution for _, execution in rows if execution is not None}
        after = max(number for number, _ in rows)


@dataclass(frozen=True, slots=True)
class _Report:
    """A report of an execution, as far as it matters here. `raw` is empty unless it may tell a workload."""

    number: int
    endpoint: str
    facts: dict[str, str]
    amount: int
    received_at: datetime
    raw: str
    lines: list[tuple[rerating.Line, int]]


@dataclass(frozen=True, slots=True)
class _Described:
    """A workload, the keys of its own that it is found under besides, and when it was told."""

    workload: Workload
    at: datetime
    more_keys: tuple[str, ...] = ()


def observe(executions: Collection[int]) -> int:
    """Writes what is known of these executions anew; those that have not ended or tell no workload are left out.

    Returns how many changed.
    """
    rows = list(Execution.objects.filter(pk__in=executions, state__in=ENDED).select_related("job"))
    if not rows:
        return 0
    reports = _reports([row.pk for row in rows])
    told = _told(rows)
    made = []
    for row in rows:
        described = _describe(row, reports[row.pk], told)
        if described and reports[row.pk]:
            made.append((_observation(row, reports[row.pk], described), described))
    return _write(made)


_LINES = """
SELECT e.id, r.transaction_id, r.endpoint, r.facts, r.amount, r.received_at,
       CASE WHEN length(r.raw) <= %s AND position('"workload"' IN r.raw) > 0 THEN r.raw ELSE '' END,
       l.metric, l.reported, l.unit, l.canonical_quantity::text, l.canonical_unit, l.process, l.collection, l.amount
  FROM accounting_execution e
  JOIN accounting_usagereport r ON r.job_id = e.job_id AND r.execution_id = e.execution_id
  LEFT JOIN accounting_usageline l ON l.report_id = r.transaction_id
 WHERE e.id = ANY (%s) ORDER BY r.transaction_id, l.number
"""


def _reports(executions: Sequence[int]) -> Mapping[int, list[_Report]]:
    found: dict[int, dict[int, _Report]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(_LINES, [LARGEST_BODY, list(executions)])
        for execution, number, endpoint, facts, amount, received_at, raw, *line in cursor.fetchall():
            known = facts if isinstance(facts, dict) else msgspec.json.decode(facts)
            report = found[execution].setdefault(number, _Report(number, endpoint, known, amount, received_at, raw, []))
            if line[0] is not None:
                report.lines.append((rerating.Line(*line[:-1]), line[-1]))
    return defaultdict(list, {execution: list(by_number.values()) for execution, by_number in found.items()})


def _told(rows: Sequence[Execution]) -> Mapping[tuple[int, str], list[JobWorkload]]:
    jobs = {(row.job.source_id, row.job.job_id) for row in rows}
    found: dict[tuple[int, str], list[JobWorkload]] = defaultdict(list)
    about = JobWorkload.objects.filter(
        source_id__in={source for source, _ in jobs}, job_id__in={job_id for _, job_id in jobs}
    )
    for one in about:
        found[one.source_id, one.job_id].append(one)
    return found


def _describe(
    row: Execution, reports: Sequence[_Report], told: Mapping[tuple[int, str], list[JobWorkload]]
) -> _Described | None:
    """The newest word about this execution; without one, what its added-value reports say."""
    job = row.job
    found = [
        (one.execution_id == row.execution_id, _Described(workloads.from_document(one.document), one.recorded_at))
        for one in told.get((job.source_id, job.job_id), ())
        if one.execution_id in ("", row.execution_id) and one.person_id in (None, job.person_id)
    ]
    found += [(True, described) for report in reports if (described := _in_report(report))]
    if found:
        _, described = max(found, key=lambda one: (one[0], one[1].at))
        described = replace(described, more_keys=tuple(sorted({line.process for _, line, _ in _priced(reports)})))
    elif (derived := _from_added_value(reports)) is not None:
        described = derived
    else:
        return None
    kind = workloads.SYNC if job.kind == workloads.SYNC else workloads.BATCH
    return replace(described, workload=replace(described.workload, kind=kind))


def _in_report(report: _Report) -> _Described | None:
    """The field `workload` of the body. The ETL API does not look at it, so it may be anything there."""
    if not report.raw:
        return None
    try:
        body = msgspec.json.decode(report.raw)
        body = body.get("data", body) if isinstance(body, dict) else {}
        if not isinstance(body, dict) or body.get("workload") is None:
            return None
        return _Described(workloads.read(body["workload"]), report.received_at)
    except (msgspec.DecodeError, InvalidInput, UnicodeError, RecursionError):
        return None


def _priced(reports: Sequence[_Report]) -> list[tuple[int, rerating.Line, _Report]]:
    """The services that cost something. Back ends report every process of a graph: only priced ones tell."""
    return [
        (amount, line, report)
        for report in reports
        if report.endpoint == ADDED_VALUE
        for line, amount in report.lines
        if line.process and amount > 0 and line.canonical_unit == "km2" and float(line.canonical_quantity) > 0
    ]


def _from_added_value(reports: Sequence[_Report]) -> _Described | None:
    """The service that cost most and its area."""
    priced = _priced(reports)
    if not priced:
        return None
    _, line, report = max(priced, key=lambda one: (one[0], one[1].process))
    workload = Workload(process=line.process, area_m2=float(line.canonical_quantity) * 1e6)
    others = tuple(sorted({one.process for _, one, _ in priced} - {line.process}))
    return _Described(workload, report.received_at, others)


def _observation(row: Execution, reports: Sequence[_Report], described: _Described) -> Observation:
    job, workload = row.job, described.workload
    first = min(report.received_at for report in reports)
    started_at, finished_at = row.started_at or job.started_at, row.finished_at or job.finished_at
    seconds = (finished_at - started_at).total_seconds() if started_at and finished_at else None
    charges = [rerating.Charge(report.facts, [line for line, _ in report.lines]) for report in reports]
    return Observation(
        execution_id=row.pk,
        source_id=job.source_id,
        person_id=job.person_id,
        label=workload.label,
        kind=workload.kind,
        state=row.state,
        workload=workloads.as_document(workload),
        area_km2=workload.km2,
        time_steps=workload.time_steps,
        seconds=seconds if seconds and seconds > 0 else None,
        charges=rerating.write(charges),
        cost=sum(report.amount for report in reports),
        started_at=min(started_at or finished_at or first, first),
        known_at=max(report.received_at for report in reports),
    )


_SAME = ("label", "kind", "state", "workload", "seconds", "charges", "cost", "started_at", "known_at")
_WRITTEN = ("source", "person", "area_km2", "time_steps", "judged", *_SAME)


def _write(made: Iterable[tuple[Observation, _Described]]) -> int:
    """Those that changed, with their keys. A job whose cost changed is judged again."""
    rows = {one.pk: (one, described) for one, described in made}
    before: dict[int, Observation] = Observation.objects.in_bulk(rows)
    changed = [
        (one, described)
        for pk, (one, described) in sorted(rows.items())
        if pk not in before or any(getattr(before[pk], name) != getattr(one, name) for name in _SAME)
    ]
    keys = [
        ObservationKey(observation_id=one.pk, key=key, source_id=one.source_id, known_at=one.known_at)
        for one, described in changed
        for key in _keys(one, described)
    ]
    with transaction.atomic():
        Observation.objects.bulk_create(
            [one for one, _ in changed], update_conflicts=True, unique_fields=["execution"], update_fields=_WRITTEN
        )
        ObservationKey.objects.filter(observation_id__in=[one.pk for one, _ in changed]).delete()
        ObservationKey.objects.bulk_create(keys)
    return len(changed)


def _keys(one: Observation, described: _Described) -> set[str]:
    workload: Workload = described.workload
    keys = {workloads.any_key(workload.kind), *workload.search_keys()}
    keys |= {workloads.key_of(workload.kind, "process", name) for name in described.more_keys}
    if one.state == "FINISHED":  # it ran there, so the back end has what it needs
        keys |= {workloads.collection_key(name) for name in workload.collections}
    return keys
