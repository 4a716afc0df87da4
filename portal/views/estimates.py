"""How good the estimates of costs are."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.contexts import estimates
from portal.views.access import signed_in


@require_GET
@signed_in
def record(request: HttpRequest) -> HttpResponse:
    """The same for everybody: no job and nobody's credits can be told from it."""
    return render(request, "portal/estimates.html", {"page": estimates.page_of()})
