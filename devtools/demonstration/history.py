"""The past as a list of reports: who ran what when, and when the back end got round to reporting it.

Deterministic: each person's day has a generator of its own, named after the person and the date, so that a longer or
shorter history agrees wherever both exist.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from devtools.demonstration.people import PEOPLE, SERVICE_ACCOUNT, SERVICE_ACCOUNT_HABITS, Habits
from devtools.demonstration.workload import Job, draw

SEED = "openeo-credits/1"
WEEKEND = 0.12
"""Part of a working day's jobs that is run on a day of the weekend."""
LATE = 0.012
"""Share of jobs that are reported days after they finished."""
QUIET = frozenset({"delta"})
"""Organisations whose people stop half a day before the end, so that what was agreed about their debt still holds."""
QUIET_HOURS = 12


@dataclass(frozen=True)
class Reported:
    """A job and the instant its back end reports it. `organisation` is the slug that the job names, or empty."""

    at: datetime
    sub: str
    job: Job
    organisation: str


def reports(anchor: datetime, days: int, until: datetime) -> list[Reported]:
    """All that is reported in the `days` before `anchor` (a midnight) and after it up to `until`, by instant."""
    found: list[Reported] = []
    for person in PEOPLE:
        last = anchor - timedelta(hours=QUIET_HOURS) if person.current in QUIET else until
        found += _of_person(person.sub, person.habits, anchor, days, last)
    found += _of_person(SERVICE_ACCOUNT, SERVICE_ACCOUNT_HABITS, anchor, days, until)
    return sorted((item for item in found if item.at <= until), key=lambda item: (item.at, item.job.job_id))


def _of_person(sub: str, habits: Habits, anchor: datetime, days: int, last: datetime) -> Iterator[Reported]:
    for offset in range(-days, 1):
        day = anchor + timedelta(days=offset)
        rng = Random(f"{SEED}/{sub}/{day:%Y-%m-%d}")
        for _ in range(_poisson(rng, habits.jobs_a_day * _rhythm(rng, day))):
            job = draw(rng, habits, day + timedelta(seconds=_second_of_day(rng, habits)), sub)
            at = job.finished_at + _delay(rng, job)
            organisation = habits.names if rng.random() < habits.naming else ""
            if at <= last:
                yield Reported(at, sub, job, organisation)


def _rhythm(rng: Random, day: datetime) -> float:
    """Weekends are quiet; no two working days are alike, and now and then somebody is away."""
    if day.weekday() >= 5:
        return WEEKEND
    return 0.0 if rng.random() < 0.06 else rng.triangular(0.5, 1.6, 1.0)


def _second_of_day(rng: Random, habits: Habits) -> float:
    """Starts cluster before and after lunch, for some people late in the evening."""
    hour = rng.gauss(22.0, 2.0) if habits.night_owl else rng.gauss(*rng.choice(((10.2, 1.3), (14.7, 1.6))))
    return 3600 * min(max(hour, 0.2), 23.5)


def _delay(rng: Random, job: Job) -> timedelta:
    """The tracker looks every quarter of an hour; a synchronous request is reported with its answer."""
    if job.kind == "sync":
        return timedelta(seconds=1)
    if rng.random() < LATE:
        return timedelta(hours=rng.uniform(20, 120))
    return timedelta(seconds=rng.uniform(5, 900))


def _poisson(rng: Random, mean: float) -> int:
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count
