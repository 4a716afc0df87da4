"""What was estimated, what it cost, and how often the interval was right (E3)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounting import workloads
from accounting.credits import MICROS
from accounting.estimates import evidence
from accounting.estimates.forecasting import Estimate, Forecaster
from accounting.models import Calibration, Observation, Source, StoredEstimate

SETTLED = timedelta(hours=1)
"""How long after its last report a job's cost is taken for complete."""
BATCH = 500
SPANS = (0, 30)
"""Days over which calibration is counted; 0: ever."""
SMALLEST = MICROS // 1000
"""Costs below are compared as this: a ratio to nothing says nothing."""


def remember(
    source: int,
    job_id: str,
    execution_id: str | None,
    person: int | None,
    estimate: Estimate,
    *,
    at: datetime | None = None,
) -> None:
    """Keeps what was estimated for a job before it ran, to be compared with what it cost. The newest word wins, until
    the job's cost is known; idempotent.

    :param source: primary key of the source; :param person: of whoever runs it, None when not known.
    """
    row = _row(source, job_id, execution_id or "", person, estimate, at or timezone.now(), asked=True)
    known = StoredEstimate.objects.filter(
        Q(person_id__isnull=True) if person is None else Q(person_id=person),
        source_id=source,
        job_id=job_id,
        execution_id=execution_id or "",
        judged_at__isnull=False,
    )
    if not known.exists():
        _keep([row])


def _row(
    source: int, job_id: str, execution_id: str, person: int | None, one: Estimate, at: datetime, *, asked: bool
) -> StoredEstimate:
    return StoredEstimate(
        source_id=source,
        job_id=job_id,
        execution_id=execution_id,
        person_id=person,
        p10=one.p10,
        median=one.median,
        p90=one.p90,
        spread=one.spread,
        jobs=one.jobs,
        level=one.level,
        method=one.method,
        asked=asked,
        made_at=at,
    )


_KEY = ("source", "job_id", "execution_id", "person")
_SAID = ("p10", "median", "p90", "spread", "jobs", "level", "method", "asked", "made_at")
_FOUND = ("actual", "inside", "log_ratio", "judged_at")


def _keep(rows: Sequence[StoredEstimate]) -> None:
    for row in rows:
        row.pk = None  # found by what it is about, also where it was read before
    StoredEstimate.objects.bulk_create(rows, update_conflicts=True, unique_fields=_KEY, update_fields=(*_SAID, *_FOUND))


def judge(*, now: datetime | None = None, limit: int = 10**9) -> int:
    """Compares jobs whose cost is complete with what was estimated for them, oldest first. Returns how many were.

    A job for which nothing was estimated at the time gets what would have been estimated at the midnight before it
    began, by what was known then: nothing that it, or a job after it, told is used. Days one after the other, because
    the intervals of a day rest on how those before it did.
    """
    now = now or timezone.now()
    done = 0
    while done < limit:
        waiting = Observation.objects.filter(judged=False, known_at__lt=now - SETTLED).order_by("started_at")
        first = waiting.values_list("started_at", flat=True).first()
        if first is None:
            break
        day = _midnight(first)
        rows = waiting.filter(started_at__lt=day + timedelta(days=1)).select_related("execution__job")
        today = list(rows[: min(BATCH, limit - done)])
        with transaction.atomic():
            _judge_day(day, today)
        done += len(today)
    return done


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _judge_day(day: datetime, today: Sequence[Observation]) -> None:
    finished = [one for one in today if one.state == "FINISHED"]
    stored = _stored(finished)
    places = evidence.places(day)
    rows = []
    for kind in workloads.KINDS:
        of_kind = [one for one in finished if one.kind == kind]
        fresh = [one for one in of_kind if one.pk not in stored]
        forecaster = Forecaster(day, kind, sorted({one.label for one in fresh}), places=places) if fresh else None
        for one in of_kind:
            row = stored.get(one.pk) or (_afterwards(one, forecaster, day) if forecaster else None)
            if row:
                rows.append(_compare(row, one))
    # A word about a job without a run now belongs to the run that it was compared with; the next run gets its own.
    StoredEstimate.objects.filter(pk__in=[row.pk for row in stored.values()]).delete()
    _keep(rows)
    Observation.objects.filter(pk__in=[one.pk for one in today]).update(judged=True)


def _afterwards(one: Observation, forecaster: Forecaster, day: datetime) -> StoredEstimate | None:
    estimate = forecaster.estimate(workloads.from_document(one.workload), one.source_id)
    job = one.execution.job
    if estimate is None:
        return None
    return _row(one.source_id, job.job_id, one.execution.execution_id, one.person_id, estimate, day, asked=False)


def _stored(observations: Sequence[Observation]) -> Mapping[int, StoredEstimate]:
    """What was estimated before; the word about this very execution and person before a wider one, each for one run."""
    jobs = {(one.source_id, one.execution.job.job_id) for one in observations}
    about: dict[tuple[int, str], list[StoredEstimate]] = defaultdict(list)
    for row in StoredEstimate.objects.filter(source_id__in={s for s, _ in jobs}, job_id__in={j for _, j in jobs}):
        about[row.source_id, row.job_id].append(row)
    found: dict[int, StoredEstimate] = {}
    for one in observations:
        run = one.execution.execution_id
        words = about[one.source_id, one.execution.job.job_id]
        fitting = [
            row
            for row in words
            if row.execution_id in ("", run) and row.person_id in (None, one.person_id) and row.made_at <= one.known_at
        ]
        if fitting:
            found[one.pk] = max(fitting, key=lambda row: (row.execution_id == run, row.person_id is not None))
            words.remove(found[one.pk])
    return found


def _compare(row: StoredEstimate, one: Observation) -> StoredEstimate:
    row.execution_id = one.execution.execution_id
    row.actual = one.cost
    row.inside = row.p10 <= one.cost <= row.p90
    row.log_ratio = math.log(max(one.cost, SMALLEST) / max(row.median, SMALLEST))
    row.judged_at = one.known_at
    return row


_COUNT = """
SELECT CASE WHEN GROUPING(source_id) = 1 THEN NULL ELSE source_id END, count(*), count(*) FILTER (WHERE inside),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY log_ratio)
  FROM accounting_storedestimate WHERE judged_at IS NOT NULL AND judged_at >= %s
 GROUP BY GROUPING SETS ((source_id), ())
"""
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


def calibrate(*, now: datetime | None = None) -> None:
    """Counts how often costs fell into their interval, for each source and for all, and keeps the counts."""
    now = now or timezone.now()
    rows = []
    for days in SPANS:
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [now - timedelta(days=days) if days else _EVER])
            rows += [
                Calibration(source_id=source, days=days, jobs=jobs, inside=inside, bias=math.exp(bias), counted_at=now)
                for source, jobs, inside, bias in cursor.fetchall()
                if jobs
            ]
    with transaction.atomic():
        Calibration.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["source", "days"],
            update_fields=["jobs", "inside", "bias", "counted_at"],
        )
        Calibration.objects.filter(counted_at__lt=now).delete()


@dataclass(frozen=True, slots=True)
class Span:
    """How many jobs were compared, how many cost what the interval said, and the median of actual / median."""

    jobs: int
    inside: int
    bias: float

    @property
    def coverage(self) -> float:
        return self.inside / self.jobs


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """Of a source, or of all together (empty names). A span without a job is None."""

    source: str
    backend: str
    backend_name: str
    ever: Span | None
    recent: Span | None
    counted_at: datetime


def calibration(sources: Collection[str] | None = None) -> list[CalibrationView]:
    """As last counted: all together first, then each source by name. One query."""
    rows = Calibration.objects.select_related("source__backend").order_by("source__source_id")
    if sources is not None:
        rows = rows.filter(Q(source__isnull=True) | Q(source__source_id__in=sources))
    spans: dict[int | None, dict[int, Calibration]] = defaultdict(dict)
    for row in rows:
        spans[row.source_id][row.days] = row
    views = [_view(by_days) for by_days in spans.values()]
    return sorted(views, key=lambda view: view.source)


def _view(by_days: Mapping[int, Calibration]) -> CalibrationView:
    some = next(iter(by_days.values()))
    source: Source | None = some.source
    spans = {days: Span(row.jobs, row.inside, row.bias) for days, row in by_days.items()}
    return CalibrationView(
        source=source.source_id if source else "",
        backend=source.backend.slug if source else "",
        backend_name=source.backend.name if source else "",
        ever=spans.get(0),
        recent=spans.get(30),
        counted_at=some.counted_at,
    )
