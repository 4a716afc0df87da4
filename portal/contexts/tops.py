"""What cost most in a month: jobs and processes, each beside the dearest of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portal.contexts import addresses
from portal.contexts.jobs import job_path, title_of

if TYPE_CHECKING:
    from accounting.models import Job


@dataclass(frozen=True, slots=True)
class Top:
    """`share` of the dearest one, in percent, for the bar. `note` is empty for a process."""

    title: str
    note: str
    href: str
    amount: int
    share: str


def jobs_of(jobs: Sequence[Job]) -> tuple[Top, ...]:
    rows = [(job, job.cost_compute + job.cost_added_value) for job in jobs]
    return tuple(
        Top(
            title=title_of(job),
            note=job.source.backend.name,
            href=job_path(job.source.source_id, job.job_id),
            amount=cost,
            share=_share(cost, rows[0][1]),
        )
        for job, cost in rows
    )


def processes_of(processes: Sequence[tuple[str, int]]) -> tuple[Top, ...]:
    return tuple(
        Top(
            title=name,
            note="",
            href=addresses.usage("month", process=name),
            amount=amount,
            share=_share(amount, processes[0][1]),
        )
        for name, amount in processes
    )


def _share(part: int, whole: int) -> str:
    return f"{max(part * 1000 // whole, 5) / 10:.1f}"
