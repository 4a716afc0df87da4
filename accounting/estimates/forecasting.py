"""From the jobs that are known to what the next one will cost: choose what is like it, rate anew, pool, widen.

A `Forecaster` knows what was known at one instant; the same one answers for a job that is about to run and, afterwards,
for what would have been said before a job ran (E3).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from accounting.credits import LARGEST
from accounting.estimates import conformal, disclosure, evidence, rerating
from accounting.estimates.disclosure import Audience
from accounting.estimates.evidence import Evidence, Place
from accounting.estimates.pooling import Pool, Row
from accounting.workloads import Workload

PER_KM2_STEP, PER_KM2, PER_JOB, FREE = "per_km2_step", "per_km2", "per_job", "free"
OWN, POOLED, ELSEWHERE = "own", "pooled", "elsewhere"
ENOUGH = 10
"""Jobs like it on a back end from which on its figures are called its own."""
FEW_OF_A_KEY = 3
"""Jobs under a narrow key below which a wider one with more is preferred."""
FAR_SIZE = 3.0
"""How many times larger or smaller than any job behind it a job must be for its estimate to be called extrapolated."""
RECENT = timedelta(days=90)
LARGEST_LOG = math.log(LARGEST)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job will cost on one back end, in micro-credits, compute and added value together.

    The cost is between `p10` and `p90` for 80 of 100 jobs. `jobs` are the finished ones like it on this back end,
    `jobs_elsewhere` on others. `duration_seconds` is the median of theirs, None when none told it. `failure_rate` is
    that of the `failure_jobs` that ended in the 90 days before: like it if `failures_alike`, else any on the back end.
    `spread` is that of the logarithm before the interval was corrected.
    """

    source: str
    backend: str
    p10: int
    median: int
    p90: int
    jobs: int
    jobs_elsewhere: int
    level: str
    method: str
    extrapolated: bool
    duration_seconds: float | None
    failure_rate: float | None
    failure_jobs: int
    failures_alike: bool
    tariff: int
    tariff_ends_at: datetime | None
    spread: float


@dataclass(frozen=True, slots=True)
class _Sized:
    """A finished job that can be rated, and its size by the method."""

    job: Evidence
    cost: int
    size: float


class Forecaster:
    """All that was known at `at` of jobs of one kind, and of those found under `keys`."""

    def __init__(
        self,
        at: datetime,
        kind: str,
        keys: Sequence[str],
        *,
        places: Sequence[Place] | None = None,
        facts: Mapping[str, str] | None = None,
        audience: Audience | None = None,
    ) -> None:
        """:param facts: who would pay (plan, organisation_class); jobs are rated as if theirs.
        :param audience: who is told; None: a back end, or nobody.
        """
        self.at = at
        self.places = {place.pk: place for place in (evidence.places(at) if places is None else places)}
        self._facts = dict(facts or {})
        self._jobs = evidence.find(kind, keys, at) if keys else []
        if audience is not None:
            self._jobs = disclosure.screen(self._jobs, keys, audience)
        self._scores = evidence.scores(at) if self._jobs else {}
        self._pools: dict[tuple[str, str], Pool | None] = {}
        self._ended_under: dict[str, list[Evidence]] = defaultdict(list)
        self._finished_under: dict[str, list[Evidence]] = defaultdict(list)
        for job in self._jobs:
            for key in {*job.keys, job.label}:
                self._ended_under[key].append(job)
                if job.state == "FINISHED":
                    self._finished_under[key].append(job)
        self._finished = [job for job in self._jobs if job.state == "FINISHED"]

    def estimate(self, workload: Workload, source: int) -> Estimate | None:
        """None when no finished job like it is known anywhere (E1), or nothing of this back end can be priced."""
        place = self.places.get(source)
        key = self.choose_key(workload)
        if key is None or place is None or place.tariff is None:
            return None
        method = self._method(workload, key)
        alike = self._sized(key, method)
        here = [one for one in alike if one.job.source == source]
        size = _size(method, workload.km2, workload.time_steps)
        assert size is not None
        if here and all(one.cost == 0 for one in here):
            return self._tell(place, key, (0, 0, 0), 0.0, FREE, here, alike, size)
        pool = self._pool(key, method)
        found = pool.predict(source, key, math.log(size)) if pool else None
        if found is None:
            return None
        low, high = conformal.bounds(self._scores.get(source, ()))
        centre = found.mean + math.log(size)
        figures = [_micros(centre + steps * found.spread) for steps in (low, 0.0, high)]
        return self._tell(place, key, _with_free(figures, here), found.spread, method, here, alike, size)

    def estimate_all(self, workload: Workload, sources: Sequence[str] | None = None) -> list[Estimate]:
        """On each source (of those named), cheapest first."""
        wanted = [place for place in self.places.values() if sources is None or place.source in sources]
        found = [self.estimate(workload, place.pk) for place in wanted]
        return sorted((one for one in found if one), key=lambda one: (one.median, one.source))

    def choose_key(self, workload: Workload) -> str | None:
        """The narrowest thing that jobs like it share, unless hardly any do."""
        counts = {key: len(self._finished_under.get(key, ())) for key in workload.search_keys()}
        enough = [key for key, count in counts.items() if count >= FEW_OF_A_KEY]
        return next(iter(enough or [key for key, count in counts.items() if count]), None)

    def ran(self, key: str | None) -> set[int]:
        """The sources on which a job like it finished."""
        return {job.source for job in self._finished_under.get(key or "", ())}

    def _method(self, workload: Workload, key: str) -> str:
        """The finest unit that the workload and at least one job like it can be counted in."""
        for method in (PER_KM2_STEP, PER_KM2):
            if _size(method, workload.km2, workload.time_steps) and any(
                _size(method, job.area_km2, job.time_steps) for job in self._finished_under[key]
            ):
                return method
        return PER_JOB

    def _sized(self, key: str | None, method: str) -> list[_Sized]:
        """The finished jobs (of a key) whose size and price are known."""
        found = []
        for job in self._finished if key is None else self._finished_under.get(key, ()):
            place = self.places.get(job.source)
            size = _size(method, job.area_km2, job.time_steps)
            if place and place.tariff and size:
                found.append(_Sized(job, rerating.cost(job.charges, place.tariff, self._facts), size))
        return found

    def _pool(self, key: str, method: str) -> Pool | None:
        """Of all jobs, those like it under one name; the same pool where they have that name anyway."""
        renamed = any(job.label != key for job in self._finished_under[key])
        name = (method, key if renamed else "")
        if name not in self._pools:
            rows = [
                Row(
                    one.job.source,
                    key if renamed and one.job.is_like(key) else one.job.label,
                    math.log(one.cost / one.size),
                    math.log(one.size),
                    (self.at - one.job.known_at) / timedelta(days=1),
                )
                for one in self._sized(None, method)
                if one.cost > 0
            ]
            self._pools[name] = Pool(rows) if rows else None
        return self._pools[name]

    def _tell(
        self,
        place: Place,
        key: str,
        figures: Sequence[int],
        spread: float,
        method: str,
        here: Sequence[_Sized],
        alike: Sequence[_Sized],
        size: float,
    ) -> Estimate:
        assert place.tariff is not None
        sizes = [one.size for one in alike]
        failed, ended, failures_alike = self._failures(place.pk, key)
        seconds = [one.job.seconds for one in here if one.job.seconds]
        return Estimate(
            source=place.source,
            backend=place.backend,
            p10=figures[0],
            median=figures[1],
            p90=figures[2],
            jobs=len(here),
            jobs_elsewhere=len(alike) - len(here),
            level=OWN if len(here) >= ENOUGH else POOLED if here else ELSEWHERE,
            method=method,
            extrapolated=not min(sizes) / FAR_SIZE <= size <= max(sizes) * FAR_SIZE,
            duration_seconds=median(seconds) if seconds else None,
            failure_rate=failed / ended if ended else None,
            failure_jobs=ended,
            failures_alike=failures_alike,
            tariff=place.tariff,
            tariff_ends_at=place.tariff_ends_at,
            spread=spread,
        )

    def _failures(self, source: int, key: str) -> tuple[int, int, bool]:
        """How many failed, of how many that ended lately; of those like it when there are enough to say."""
        alike = self._ended_lately(source, self._ended_under.get(key, ()))
        counted = alike if len(alike) >= ENOUGH else self._ended_lately(source, self._jobs)
        return sum(1 for job in counted if job.state == "FAILED"), len(counted), counted is alike

    def _ended_lately(self, source: int, jobs: Sequence[Evidence]) -> list[Evidence]:
        """Without those that somebody stopped: who does has his own reasons."""
        since = self.at - RECENT
        return [
            job
            for job in jobs
            if job.source == source and job.known_at >= since and job.state in ("FINISHED", "FAILED")
        ]


def _size(method: str, km2: float | None, steps: int | None) -> float | None:
    """In the unit of the method; None when that is not known."""
    if method == PER_JOB:
        return 1.0
    if not km2 or (method == PER_KM2_STEP and not steps):
        return None
    return km2 * steps if method == PER_KM2_STEP and steps else km2


def _micros(log_cost: float) -> int:
    return round(math.exp(min(log_cost, LARGEST_LOG)))


def _with_free(figures: Sequence[int], here: Sequence[_Sized]) -> Sequence[int]:
    """Some jobs like it cost nothing here: as large a share of the distribution is nothing."""
    free = sum(1 for one in here if one.cost == 0) / len(here) if here else 0.0
    return [0 if free >= share else figure for share, figure in zip((0.1, 0.5, 0.9), figures, strict=True)]
