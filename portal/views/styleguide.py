"""The parts that pages are made of, on one page for whoever works on them."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from portal.contexts import styleguide


@require_http_methods(["GET", "POST"])
def guide(request: HttpRequest) -> HttpResponse:
    """Sent forms show how mistakes look; nothing is kept."""
    if not settings.STYLEGUIDE:
        raise Http404
    page = styleguide.page_of(request.POST if request.method == "POST" else None)
    return render(request, "portal/styleguide.html", {"page": page}, status=422 if request.method == "POST" else 200)
