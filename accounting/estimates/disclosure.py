"""What may be shown of others' jobs to people: only what many of them have in common (decision 0019).

A back end sees all, for it knows its jobs anyway. A person, signed in or not, sees figures made of jobs that at least
`FEWEST` organisations and as many persons paid for and ran, none of which stands out, and of the jobs of their own
organisations. Where that is not so, the others' jobs are left out before anything is computed, as if they had not run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from django.db import connection

from accounting.estimates.evidence import Evidence

FEWEST = 3
"""Organisations, and persons, that a public figure must have behind it (E4)."""
LARGEST_SHARE = Fraction(3, 4)
"""Of the jobs behind a public figure, the most that one organisation, or one person, may have run."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who looks: a member of these organisations; of none: anybody."""

    organisations: frozenset[int] = frozenset()


ANYBODY = Audience()


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose job it was."""

    organisation: int
    person: int


def are_many(payers: Collection[Payer]) -> bool:
    """Whether jobs of these payers, one each, may be told about together."""
    for counts in (Counter(one.organisation for one in payers), Counter(one.person for one in payers)):
        if len(counts) < FEWEST or max(counts.values()) > LARGEST_SHARE * len(payers):
            return False
    return True


_MEASURED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("area_km2", "time_steps"), ("time_steps",)),
    (("area_km2",), ("area_km2", "time_steps")),
    (("seconds",), ("seconds",)),
)
"""What only few of a group may have told would make a figure of those few alone; then it is as if nobody had."""


def screen(jobs: Sequence[Evidence], keys: Sequence[str], audience: Audience) -> list[Evidence]:
    """Those that `audience` may know of, each under the keys under which it may be known; in the same order. One query.

    :param keys: what is asked about, the narrowest first.
    """
    payers = _payers([job.pk for job in jobs])
    screening = _Screening(payers, keys, audience)
    kept = screening.keep(jobs)
    for having, forgotten in _MEASURED:
        kept = screening.forget(kept, having, forgotten)
    return kept


def _payers(executions: Sequence[int]) -> Mapping[int, Payer]:
    if not executions:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id, j.organisation_id, j.person_id FROM accounting_execution e"
            "  JOIN accounting_job j ON j.id = e.job_id WHERE e.id = ANY (%s)",
            [list(executions)],
        )
        return {execution: Payer(organisation, person) for execution, organisation, person in cursor.fetchall()}


class _Screening:
    """`keys` are those asked about; a job counts in the group of each of them that it has, and of its label."""

    def __init__(self, payers: Mapping[int, Payer], keys: Sequence[str], audience: Audience) -> None:
        self.payers = payers
        self.keys = keys
        self.audience = audience

    def is_own(self, job: Evidence) -> bool:
        payer = self.payers.get(job.pk)
        return payer is not None and payer.organisation in self.audience.organisations

    def groups(self, job: Evidence) -> list[str]:
        """The narrowest first; its own label last."""
        found = [key for key in self.keys if job.is_like(key)]
        return found if job.label in found else [*found, job.label]

    def keep(self, jobs: Iterable[Evidence]) -> list[Evidence]:
        jobs = list(jobs)
        known = self._known(job for job in jobs if job.state == "FINISHED")
        kept = []
        for job in jobs:
            groups = self.groups(job)
            allowed = groups if self.is_own(job) else [key for key in groups if (job.source, key) in known]
            if allowed:
                label = job.label if job.label in allowed else allowed[0]
                kept.append(replace(job, label=label, keys=(job.keys - set(groups)) | set(allowed)))
        return kept

    def forget(self, jobs: Sequence[Evidence], having: Iterable[str], forgotten: Iterable[str]) -> list[Evidence]:
        """Takes `forgotten` from the jobs that have all of `having`, in groups in which few of the others do."""
        measured = [job for job in jobs if not self.is_own(job) and all(getattr(job, name) for name in having)]
        known = self._known(job for job in measured if job.state == "FINISHED")
        hidden = {job.pk for job in measured if any((job.source, key) not in known for key in self.groups(job))}
        nothing: dict[str, Any] = dict.fromkeys(forgotten)
        return [replace(job, **nothing) if job.pk in hidden else job for job in jobs]

    def _known(self, jobs: Iterable[Evidence]) -> set[tuple[int, str]]:
        """(source, key) of groups in which the others are many."""
        groups: dict[tuple[int, str], list[Payer]] = defaultdict(list)
        for job in jobs:
            if job.pk in self.payers and not self.is_own(job):
                for key in self.groups(job):
                    groups[job.source, key].append(self.payers[job.pk])
        return {group for group, payers in groups.items() if are_many(payers)}
