"""What was estimated for jobs before they ran, to be read beside what they cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from accounting.models import StoredEstimate

if TYPE_CHECKING:
    from accounting.models import Job


@dataclass(frozen=True, slots=True)
class Said:
    """Micro-credits: eight of ten jobs were to cost between `p10` and `p90`; `jobs` like it stood behind that.

    `asked`: somebody asked before the job ran, otherwise it was computed afterwards from what was known before (E3).
    """

    p10: int
    median: int
    p90: int
    jobs: int
    asked: bool
    made_at: datetime


def of_jobs(jobs: Collection[Job]) -> Mapping[int, Said]:
    """By primary key of the job, the newest estimate of each that has one. One query.

    Of a job that ran several times, the estimate of its last run.
    """
    about = {(job.source_id, job.job_id): job for job in jobs}
    rows = StoredEstimate.objects.filter(
        source_id__in={job.source_id for job in jobs}, job_id__in={job.job_id for job in jobs}
    ).order_by("made_at", "pk")
    found: dict[int, Said] = {}
    for row in rows if jobs else ():
        job = about.get((row.source_id, row.job_id))
        if job and row.person_id in (None, job.person_id):
            found[job.pk] = Said(row.p10, row.median, row.p90, row.jobs, row.asked, row.made_at)
    return found
