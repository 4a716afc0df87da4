"""GET /jobs and /jobs/{source}/{job id}: what ran, what it cost, and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import queries, receipts
from accounting.api.permissions import PeopleAndServices
from accounting.api.v1 import addresses, documents, openapi, parameters
from accounting.api.v1.balance import PRIVATE
from accounting.api.v1.filters import JobFilter
from accounting.api.v1.intake import STATES_SHOWN
from accounting.api.v1.lists import ListView
from accounting.api.v1.permissions import organisations_of
from accounting.credits import to_text
from accounting.errors import NotFound
from accounting.principals import ServicePrincipal
from accounting.receipts import Receipt

if TYPE_CHECKING:
    from accounting.models import Job

MAX_READINGS = 20
"""A path has that many slashes at most; sources have one or two."""


def seen_by(request: Request) -> tuple[Collection[int] | None, int | None]:
    """Whose jobs the caller sees: (organisations of a person, client of a back end)."""
    caller: object = request.user
    if isinstance(caller, ServicePrincipal):
        return None, caller.client
    return organisations_of(request), None


class JobsView(ListView):
    script_scopes = {"GET": "jobs:read"}
    permission_classes = [PeopleAndServices]
    filterset_class = JobFilter
    documented_faults = ("404",)
    ordering = ("-reported_at", "-id")

    @openapi.list_jobs
    def get(self, request: Request) -> Response:
        return self.page(request)

    def get_queryset(self) -> QuerySet[Any]:
        organisations, client = seen_by(self.request)
        return queries.jobs(organisations=organisations, client=client)

    def document(self, row: Job) -> documents.Job:
        return documents.Job(**_facts(row))


class JobView(APIView):
    script_scopes = {"GET": "jobs:read"}
    permission_classes = [PeopleAndServices]

    @openapi.read_job
    def get(self, request: Request, source: str, job_id: str) -> Response:
        parameters.refuse_unknown(request)
        organisations, client = seen_by(request)
        jobs = _find(f"{source}/{job_id}", organisations, client)
        if not jobs:
            raise NotFound("there is no such job that you may see", field="job_id")
        explained = receipts.of_jobs([job.pk for job in jobs])
        details = [_detail(job, [as_document(receipt) for receipt in explained[job.pk]]) for job in jobs]
        details[0].other_payers = details[1:]
        return Response(details[0], headers=PRIVATE)


def _find(path: str, organisations: Collection[int] | None, client: int | None) -> Sequence[Job]:
    """The job of the first reading that there is, as each of its payers sees it."""
    if "\x00" in path:  # PostgreSQL has no text for it
        return ()
    possible = list(islice(addresses.readings(path), MAX_READINGS))
    rows = queries.find_jobs(possible, organisations=organisations, client=client)
    for source, job_id in possible:
        if found := [row for row in rows if (row.source.source_id, row.job_id) == (source, job_id)]:
            return found
    return ()


def _facts(job: Job) -> dict[str, Any]:
    return {
        "source": job.source.source_id,
        "backend": job.source.backend.slug,
        "job_id": job.job_id,
        "user": job.person.sub,
        "organisation": job.organisation_id,
        "title": job.title or None,
        "kind": job.kind,
        "state": STATES_SHOWN.get(job.state),
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "reported_at": job.reported_at,
        "cost": to_text(job.cost_compute + job.cost_added_value),
        "costs": documents.Costs(to_text(job.cost_compute), to_text(job.cost_added_value)),
        "currency": "credits",
        "href": addresses.job(job.source.source_id, job.job_id),
    }


def as_document(receipt: Receipt) -> dict[str, Any]:
    return receipt.as_dict() | {"state": STATES_SHOWN.get(receipt.state)}


def _detail(job: Job, explained: list[Any]) -> documents.JobDetail:
    executions = [
        documents.Execution(
            execution_id=run.execution_id or None,
            state=STATES_SHOWN.get(run.state),  # type: ignore[arg-type]  # a value of that table
            started_at=run.started_at,
            finished_at=run.finished_at,
            cost=to_text(run.cost),
        )
        for run in sorted(job.executions.all(), key=lambda run: run.pk)
    ]
    return documents.JobDetail(**_facts(job), executions=executions, receipts=explained)
