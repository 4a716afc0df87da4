"""The parts that pages are made of, on one page for whoever works on them."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from portal.contexts import styleguide
from portal.forms.styleguide import SampleForm


@require_http_methods(["GET", "POST"])
def guide(request: HttpRequest) -> HttpResponse:
    """Sent forms show how mistakes look; nothing is kept."""
    if not settings.STYLEGUIDE:
        raise Http404
    sent = request.method == "POST"
    context = {"page": styleguide.page_of(), "form": SampleForm(request.POST if sent else None)}
    return render(request, "portal/styleguide.html", context, status=422 if sent else 200)
