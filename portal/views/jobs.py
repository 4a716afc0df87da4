"""Jobs: the list, one of them with the reasons of its cost, and its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounting import queries, receipts
from portal.contexts import frame
from portal.contexts import job as job_pages
from portal.contexts import jobs as listing
from portal.views.access import paying, signed_in, user_of

if TYPE_CHECKING:
    from accounting.models import Job

MAX_DIGITS = 19


@require_GET
@signed_in
def job_list(request: HttpRequest) -> HttpResponse:
    """The list; only its rows when htmx asks for a part."""
    payer = paying(request)
    page = listing.page_of(payer.id, payer.name, listing.read(request.GET))
    partial = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    return render(request, "portal/_jobs.html" if partial else "portal/jobs.html", {"page": page})


@require_GET
@signed_in
def job(request: HttpRequest, source: str, job_id: str) -> HttpResponse:
    """A job that one of the person's organisations paid for; for everybody else it does not exist."""
    chosen, others = _find(request, source, job_id)
    return render(request, "portal/job.html", {"page": job_pages.page_of(chosen, others, user_of(request))})


@require_GET
@signed_in
def receipt(request: HttpRequest, source: str, job_id: str) -> HttpResponse:
    """Every charge of the job, enough to compute it again (docs/receipts.md)."""
    chosen, _ = _find(request, source, job_id)
    booked = [one.as_dict() for one in receipts.of_job(chosen.pk)]
    document = {"source": chosen.source.source_id, "job_id": chosen.job_id, "receipts": booked}
    return JsonResponse(document, json_dumps_params={"indent": 1, "ensure_ascii": False})


def _find(request: HttpRequest, source: str, job_id: str) -> tuple[Job, list[Job]]:
    wanted = request.GET.get("payer", "")
    if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) < MAX_DIGITS):
        raise BadRequest("payer must be the number of an organisation")
    mine = [choice.id for choice in frame.frame_of(request).organisations]
    rows = queries.find_job(source, listing.job_id_of(job_id), organisations=mine)
    try:
        return job_pages.choose(rows, int(wanted) if wanted else paying(request).id)
    except LookupError:
        raise Http404 from None
