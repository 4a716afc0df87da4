"""A job's receipt as a page, as JSON and as a PDF; and the reports behind it as they came."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounting import receipts
from portal.contexts import raw_reports
from portal.contexts import receipt as receipt_pages
from portal.documents import receipt as documents
from portal.views import job_access
from portal.views.access import signed_in, user_of

if TYPE_CHECKING:
    from accounting.models import Job

FORMATS = ("", "html", "json", "pdf")


@require_GET
@signed_in
def receipt(request: HttpRequest, source: str, job_id: str) -> HttpResponse:
    """Every charge of the job, enough to compute it again (docs/receipts.md); `format` is html, json or pdf."""
    wanted = request.GET.get("format", "")
    if wanted not in FORMATS:
        raise BadRequest("format must be html, json or pdf")
    chosen, _ = job_access.find(request, source, job_id)
    if wanted == "json":
        return _as_json(chosen)
    page = receipt_pages.page_of(chosen, user_of(request))
    if wanted == "pdf":
        return _as_pdf(page)
    return render(request, "portal/receipt.html", {"page": page})


@require_GET
@signed_in
def raw(request: HttpRequest, source: str, job_id: str) -> HttpResponse:
    """The job's reports as they came, as a file; only to members of the organisation that paid for them."""
    chosen, _ = job_access.find(request, source, job_id)
    document = raw_reports.document_of(chosen.pk, source=chosen.source.source_id, job_id=chosen.job_id)
    headers = {"Content-Disposition": f'attachment; filename="{_file_name("reports", chosen.job_id, "json")}"'}
    return HttpResponse(document, content_type="application/json", headers=headers)


def _as_json(job: Job) -> JsonResponse:
    booked = [one.as_dict() for one in receipts.of_job(job.pk)]
    document = {"source": job.source.source_id, "job_id": job.job_id, "receipts": booked}
    return JsonResponse(document, json_dumps_params={"indent": 1, "ensure_ascii": False})


def _as_pdf(page: receipt_pages.ReceiptPage) -> HttpResponse:
    name = _file_name("receipt", page.job_id, "pdf")
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return HttpResponse(documents.pdf_of(page), content_type="application/pdf", headers=headers)


def _file_name(what: str, job_id: str, ending: str) -> str:
    """Of letters that every file system and header takes."""
    return f"{what}-{re.sub(r'[^A-Za-z0-9._-]+', '-', job_id)[:80].strip('-.') or 'job'}.{ending}"
