"""Jobs: the list, one of them with the reasons of its cost, and its receipt."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.views.access import signed_in


@require_GET
@signed_in
def job_list(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/jobs.html", {})


@require_GET
@signed_in
def job(request: HttpRequest, source: str, job_id: str) -> HttpResponse:
    raise Http404


@require_GET
@signed_in
def receipt(request: HttpRequest, source: str, job_id: str) -> HttpResponse:
    raise Http404
