"""The search over everything that a person may see."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.views.decorators.http import require_GET

from portal.contexts import frame
from portal.contexts import search as searches
from portal.models import User


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """A page; only what was found when htmx asks, as the palette does while somebody types. Strangers find pages and
    answers.
    """
    user = request.user if isinstance(request.user, User) else None
    page = searches.page_of(user, frame.frame_of(request), searches.read(request.GET))
    partial = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    response = render(request, "portal/_search.html" if partial else "portal/search.html", {"page": page})
    add_never_cache_headers(response)
    patch_vary_headers(response, ["Cookie", "HX-Request"])
    return response
