"""What is kept about one person, for a copy of it: everywhere they ran something, whoever paid.

There is no index by person: every report would pay for it, and copies are rare. So tables are read in windows of
primary keys, each one bounded statement, and whoever reads can say how far it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Q, QuerySet

from accounting import receipts
from accounting.credits import to_text
from accounting.models import AuditEntry, Hold, HoldEvent, Job, Member, Notice, Person

WINDOW = 50_000
"""Primary keys that one statement looks at."""
JOBS_AT_ONCE = 25
"""Whose receipts are in memory at a time."""
MOST_RECEIPTS = 20_000
"""Of one job; the newest."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some documents; `steps` of `steps(...)` are behind when they are written."""

    documents: Sequence[Document]
    steps: int


def account(person: int) -> Document:
    """The person as the ledger knows them."""
    row = Person.objects.get(pk=person)
    return {
        "issuer": row.issuer,
        "sub": row.sub,
        "plan": row.plan,
        "personal_organisation": row.personal_organisation_id,
        "current_organisation": row.current_organisation_id,
        "created_at": row.created_at,
        "terms_version": row.terms_version or None,
        "terms_accepted_at": row.terms_accepted_at,
    }


def memberships(person: int) -> Sequence[Document]:
    rows = Member.objects.filter(person_id=person).select_related("organisation").order_by("organisation_id")
    return [
        {
            "organisation": row.organisation_id,
            "name": row.organisation.name,
            "personal": row.organisation.personal,
            "role": row.role,
            "joined_at": row.joined_at,
        }
        for row in rows
    ]


def notices(person: int) -> Iterator[Document]:
    for row in Notice.objects.filter(person_id=person).order_by("pk").iterator(chunk_size=500):
        yield {
            "kind": row.kind,
            "organisation": row.organisation_id,
            "facts": row.facts,
            "created_at": row.created_at,
            "read_at": row.read_at,
        }


def job_steps() -> int:
    """How many steps `jobs` takes now, at most one less than it will take."""
    return _windows(Job.objects.all())


def jobs(person: int) -> Iterator[Batch]:
    """Every job that the person ran with all its receipts, the oldest first. Constant memory."""
    for window in _scan(Job.objects.select_related("source__backend").filter(person_id=person), Job.objects.all()):
        for first in range(0, len(window), JOBS_AT_ONCE):
            yield Batch(_explained(window[first : first + JOBS_AT_ONCE]), 0)
        yield Batch((), 1)


def hold_steps() -> int:
    return _windows(Hold.objects.all())


def holds(person: int) -> Iterator[Batch]:
    """Every hold for a job of the person, with what happened to it."""
    for window in _scan(Hold.objects.select_related("source").filter(person_id=person), Hold.objects.all()):
        for first in range(0, len(window), 500):
            yield Batch(_told(window[first : first + 500]), 0)
        yield Batch((), 1)


def audit_steps() -> int:
    return _windows(AuditEntry.objects.all())


def audit(person: int) -> Iterator[Batch]:
    """What the person changed of organisations, and what was changed about them."""
    about = Q(actor_id=person) | Q(facts__person=person)
    for window in _scan(AuditEntry.objects.filter(about), AuditEntry.objects.all()):
        documents = [
            {
                "organisation": row.organisation_id,
                "action": row.action,
                "by_you": row.actor_id == person,
                "facts": row.facts,
                "at": row.recorded_at,
            }
            for row in window
        ]
        yield Batch(documents, 1)


def _windows(everything: QuerySet[Any]) -> int:
    newest = everything.aggregate(newest=Max("pk"))["newest"] or 0
    return max(1, -(-newest // WINDOW))


def _scan(rows: QuerySet[Any], everything: QuerySet[Any]) -> Iterator[list[Any]]:
    for number in range(_windows(everything)):
        yield list(rows.filter(pk__gt=number * WINDOW, pk__lte=(number + 1) * WINDOW).order_by("pk"))


def _explained(rows: Sequence[Job]) -> Sequence[Document]:
    found = receipts.of_jobs([job.pk for job in rows])
    if sum(map(len, found.values())) >= receipts.LIMIT:  # some may be missing
        found = {job.pk: receipts.of_jobs([job.pk], limit=MOST_RECEIPTS)[job.pk] for job in rows}
    return [
        {
            "source": job.source.source_id,
            "backend": job.source.backend.name,
            "job_id": job.job_id,
            "title": job.title or None,
            "kind": job.kind,
            "state": job.state or None,
            "organisation": job.organisation_id,
            "started_at": job.started_at,
            "finished_at": job.finished_at,
            "reported_at": job.reported_at,
            "cost": to_text(job.cost_compute + job.cost_added_value),
            "receipts": [receipt.as_dict() for receipt in found[job.pk]],
        }
        for job in rows
    ]


def _told(rows: Sequence[Hold]) -> Sequence[Document]:
    events: dict[int, list[Document]] = {row.pk: [] for row in rows}
    for event in HoldEvent.objects.filter(hold_id__in=events).order_by("pk"):
        what = {"kind": event.kind, "amount": to_text(event.amount), "at": event.recorded_at}
        events[event.hold_id].append({**what, "reason": event.reason or None})
    return [
        {
            "id": row.uuid,
            "source": row.source.source_id,
            "job_id": row.job_id,
            "organisation": row.organisation_id,
            "amount": to_text(row.amount),
            "budget": None if row.budget is None else to_text(row.budget),
            "plans": row.plans,
            "metadata": row.metadata,
            "created_at": row.created_at,
            "events": events[row.pk],
        }
        for row in rows
    ]
