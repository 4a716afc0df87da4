"""Plausible jobs: how large, how long, what for, how they end. All chance comes from the generator passed in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from devtools.demonstration.people import CDSE, EODC, SENTINEL_HUB, TERRASCOPE, Habits
from devtools.demonstration.tasks import Task, draw_task

FAILED, KILLED = 0.045, 0.015
"""Shares of batch jobs that end badly; half of the first for synchronous ones."""
BASE_FEE = 2
"""Credits for starting a batch job at CDSE, reported as `processing` in `credits`"""

TITLES = (
    "NDVI time series",
    "Monthly median composite",
    "Burnt area, before and after",
    "Crop type, tile by tile",
    "Snow cover extent",
    "Surface water occurrence",
    "Backscatter mosaic",
    "Tree cover loss alerts",
    "Leaf area index",
    "Flood extent, event",
    "Soil moisture anomaly",
    "Coastline change",
    "Parcel statistics",
    "Cloud-free mosaic",
)
REGIONS = (
    *("Alentejo", "Småland", "Mazovia", "Tyrol", "Thessaly", "Zeeland", "Connacht", "Moravia", "Lapland", "Banat"),
    *("Slavonia", "Puglia", "Wallonia", "Brittany", "Galicia"),
)
SERVICES = ("ndvi", "load_stac", "sar_backscatter", "apply", "if", "crop_type_map", "snow_line", "tree_height")
"""Process ids that back ends report as added value; the last three are services that somebody publishes."""


@dataclass(frozen=True)
class Job:
    """One run of a job as its back end saw it. Quantities in the units of the reports; times in UTC.

    Nobody told the `task` of a synchronous request whose use is not measured.
    """

    source: str
    job_id: str
    execution_id: str
    title: str | None
    kind: str
    state: str
    started_at: datetime
    finished_at: datetime
    cpu_seconds: int
    mb_seconds: int
    processing_units: float
    base_fee: float
    services: tuple[tuple[str, float], ...]
    task: Task | None = None

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()


def draw(rng: Random, habits: Habits, started_at: datetime, sub: str) -> Job:
    """A job of somebody with these habits that starts at `started_at`. Its size decides the task, and the task with a
    little luck decides what it needs."""
    source = rng.choices(list(habits.sources), list(habits.sources.values()))[0]
    kind = "batch" if rng.random() < habits.batch else "sync"
    state = _state(rng, kind)
    spent = 1.0 if state == "FINISHED" else rng.uniform(0.05, 0.8)
    measured = kind == "batch" or source == SENTINEL_HUB
    if not measured:  # back ends report these defaults
        wanted, memory, pace = 5400.0, 11059200.0, rng.uniform(4, 90)
    else:
        wanted = habits.size * rng.lognormvariate(math.log(4200), 0.9)
        memory, pace = wanted * rng.lognormvariate(math.log(2600), 0.3), rng.uniform(2, 12)
    job_id, execution_id = _ids(rng, source, kind, started_at, sub)
    title = _title(rng, kind, job_id)
    units = _processing_units(rng, source, habits.size)
    size = units if source == SENTINEL_HUB else wanted
    task = draw_task(Random(f"task/{job_id}"), source, title, size, started_at) if measured else None
    share = spent * task.luck if task else 1.0
    cpu = round(wanted * share)
    seconds = 90 + cpu / pace if measured else pace
    return Job(
        source=source,
        job_id=job_id,
        execution_id=execution_id,
        title=title,
        kind=kind,
        state=state,
        started_at=started_at,
        finished_at=started_at + timedelta(milliseconds=round(seconds * 1000)),
        cpu_seconds=cpu,
        mb_seconds=round(memory * share),
        processing_units=round(units * share, 3),
        base_fee=BASE_FEE if source == CDSE and kind == "batch" else 0,
        services=_services(rng, source, kind, task),
        task=task,
    )


def _state(rng: Random, kind: str) -> str:
    dice = rng.random() * (1 if kind == "batch" else 2)
    if dice < FAILED:
        return "FAILED"
    return "KILLED" if kind == "batch" and dice < FAILED + KILLED else "FINISHED"


def _ids(rng: Random, source: str, kind: str, started_at: datetime, sub: str) -> tuple[str, str]:
    """Job and execution id in the back end's own style."""
    if source == SENTINEL_HUB:
        if kind == "sync":
            return f"{sub}_{started_at.isoformat(timespec='milliseconds')}", ""
        return f"{rng.getrandbits(128):032x}", ""
    job_id = f"{'j' if kind == 'batch' else 'r'}-{started_at:%y%m%d%H%M%S}{rng.getrandbits(80):020x}"
    if kind == "sync":
        return job_id, job_id
    if source == TERRASCOPE:
        return job_id, f"application_{1704961751000 + rng.randrange(10**10)}_{rng.randrange(10, 10**6)}"
    return job_id, f"{'a' if source == CDSE else 'openeo-job'}-{rng.getrandbits(128):032x}"


def _title(rng: Random, kind: str, job_id: str) -> str | None:
    if kind == "sync":
        return f"Synchronous processing request '{job_id}'"
    return f"{rng.choice(TITLES)}, {rng.choice(REGIONS)}" if rng.random() < 0.93 else None


def _processing_units(rng: Random, source: str, size: float) -> float:
    if source == SENTINEL_HUB:
        return round(size * rng.lognormvariate(math.log(18), 0.8), 2)
    if source == CDSE and rng.random() < 0.3:
        return round(size * rng.lognormvariate(math.log(9), 0.7), 3)
    return 0.0


def _services(rng: Random, source: str, kind: str, task: Task | None) -> tuple[tuple[str, float], ...]:
    """Processes of the graph that count as added value, with the area in m2."""
    if source in (SENTINEL_HUB, EODC) or kind == "sync" or task is None or rng.random() < 0.62:
        return ()
    area = float(round(task.area_m2))
    chosen = rng.sample(SERVICES, rng.choices((1, 2, 3), (6, 3, 1))[0])
    return tuple((service, area) for service in sorted(chosen))
