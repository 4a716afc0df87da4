"""What a job cost, told to those who asked to hear of each of theirs."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Value

from accounting import notices
from accounting.fields import DatabaseNow
from accounting.models import Job, Member

KIND = "receipt"
FINAL = ("FINISHED", "FAILED", "KILLED")
SETTLED = timedelta(minutes=5)
"""So long after its last report a job is told: clients send several within seconds, and one receipt is for all."""


def tell_receipts(person: int, since: datetime, limit: int = 500) -> datetime:
    """Tells the person of their batch jobs that ended, cost something and were reported last after `since`: each job
    once, with what it costs by then. Returns the `since` of the next call.
    """
    organisations = Member.objects.filter(person_id=person).values_list("organisation_id", flat=True)
    jobs = (
        Job.objects.filter(
            organisation_id__in=list(organisations),
            person_id=person,
            kind=Job.Kind.BATCH,
            state__in=FINAL,
            reported_at__gt=since,
            reported_at__lte=DatabaseNow() - Value(SETTLED),
        )
        .annotate(cost=F("cost_compute") + F("cost_added_value"))
        .filter(cost__gt=0)
        .select_related("source__backend")
        .order_by("reported_at", "pk")
    )
    for job in (found := list(jobs[:limit])):
        facts = {"job": job.job_id, "title": job.title[:200], "source": job.source.source_id, "cost": job.cost}
        facts |= {"state": job.state, "organisation": job.organisation_id, "backend_name": job.source.backend.name}
        notices.tell([person], job.organisation_id, KIND, f"job {job.pk}", facts)
    return found[-1].reported_at if found else since
