"""Jobs: the list, one of them with the reasons of its cost, and its receipt."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.contexts import jobs as listing
from portal.views.access import paying, signed_in


@require_GET
@signed_in
def job_list(request: HttpRequest) -> HttpResponse:
    """The list; only its rows when htmx asks for a part."""
    payer = paying(request)
    page = listing.page_of(payer.id, payer.name, listing.read(request.GET))
    template = "portal/_jobs.html" if request.headers.get("HX-Request") else "portal/jobs.html"
    return render(request, template, {"page": page})


@require_GET
@signed_in
def job(request: HttpRequest, source: str, job_id: str) -> HttpResponse:
    raise Http404


@require_GET
@signed_in
def receipt(request: HttpRequest, source: str, job_id: str) -> HttpResponse:
    raise Http404
