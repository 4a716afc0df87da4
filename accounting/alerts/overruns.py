"""Jobs that cost more than the upper end of what was estimated for them before they ran."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, Value
from django.db.models.functions import MD5, Cast, Concat

from accounting import notices
from accounting.fields import DatabaseNow
from accounting.models import Job, StoredEstimate, Told

KIND = "job_over_estimate"
NEWS = timedelta(days=14)
"""Of jobs whose cost has been known for longer nothing is said any more."""


def tell_overruns(limit: int = 200) -> int:
    """Tells whoever ran the job, once a run. Only of estimates that somebody asked for: of all others a tenth is above
    the upper end by design, and nobody saw them. Returns of how many runs it told.
    """
    run = MD5(Concat("job_id", Value("/"), "execution_id"))
    rows = StoredEstimate.objects.annotate(cause=Concat(Cast("source_id", CharField()), Value(" "), run))
    told = Told.objects.filter(kind=KIND, cause=OuterRef("cause"))
    rows = rows.filter(~Exists(told), asked=True, actual__gt=F("p90"), judged_at__gt=DatabaseNow() - Value(NEWS))
    with transaction.atomic():
        found = {row.cause: row for row in rows.select_related("source__backend").order_by("judged_at")[:limit]}
        for cause in sorted(notices.first_time(KIND, found)):
            _tell(found[cause], cause)
    return len(found)


def _tell(row: StoredEstimate, cause: str) -> None:
    jobs = Job.objects.filter(source_id=row.source_id, job_id=row.job_id)
    if row.person_id:
        jobs = jobs.filter(person_id=row.person_id)
    for job in jobs:
        facts = {"job": job.job_id, "title": job.title[:200], "source": row.source.source_id, "cost": row.actual}
        facts |= {"p10": row.p10, "median": row.median, "p90": row.p90, "backend_name": row.source.backend.name}
        notices.tell([job.person_id], job.organisation_id, KIND, cause, facts)
