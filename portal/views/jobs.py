"""Jobs: the list, the same list as a file, and one of them with the reasons of its cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from portal.contexts import job as job_pages
from portal.contexts import job_exports, job_filters
from portal.contexts import jobs as listing
from portal.views import job_access
from portal.views.access import paying, signed_in, user_of


@require_GET
@signed_in
def job_list(request: HttpRequest) -> HttpResponse:
    """The list; only its rows when htmx asks for a part."""
    payer = paying(request)
    page = listing.page_of(payer.id, payer.name, job_filters.read(request.GET), user_of(request))
    partial = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    return render(request, "portal/_jobs.html" if partial else "portal/jobs.html", {"page": page})


@require_GET
@signed_in
def as_csv(request: HttpRequest) -> StreamingHttpResponse:
    """All jobs of the filtered list."""
    return _file(job_exports.as_csv(*_wanted(request)), "text/csv; charset=utf-8", "csv")


@require_GET
@signed_in
def as_json(request: HttpRequest) -> StreamingHttpResponse:
    """All jobs of the filtered list."""
    return _file(job_exports.as_json(*_wanted(request)), "application/json", "json")


@require_GET
@signed_in
def job(request: HttpRequest, source: str, job_id: str) -> HttpResponse:
    """A job that one of the person's organisations paid for; for everybody else it does not exist."""
    chosen, others = job_access.find(request, source, job_id)
    return render(request, "portal/job.html", {"page": job_pages.page_of(chosen, others, user_of(request))})


def _wanted(request: HttpRequest) -> tuple[int, job_filters.Wanted, Any, str]:
    payer, wanted, viewer = paying(request), job_filters.read(request.GET), user_of(request)
    job_exports.check(payer.id, wanted, viewer)
    return payer.id, wanted, viewer, settings.PUBLIC_URL


def _file(parts: Iterable[str], kind: str, ending: str) -> StreamingHttpResponse:
    name = f"jobs-{timezone.localdate():%Y-%m-%d}.{ending}"
    return StreamingHttpResponse(
        parts, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
