"""Help for each audience. Open to everybody: whoever cannot sign in needs it most."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.contexts import help as answers


@require_GET
def topics(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/help.html", {"page": answers.page_of()})


@require_GET
def topic(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        page = answers.page_of(slug)
    except LookupError:
        raise Http404 from None
    return render(request, "portal/help_topic.html", {"page": page})
