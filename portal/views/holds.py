"""Holds: the list of what is kept for running jobs and was kept for past ones, and one of them."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.contexts import frame
from portal.contexts import hold as hold_pages
from portal.contexts import holds as listing
from portal.views.access import paying, signed_in, user_of


@require_GET
@signed_in
def hold_list(request: HttpRequest) -> HttpResponse:
    """The list; only its rows when htmx asks for a part."""
    payer = paying(request)
    page = listing.page_of(user_of(request), payer.id, payer.name, listing.read(request.GET))
    partial = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    return render(request, "portal/_holds.html" if partial else "portal/holds.html", {"page": page})


@require_GET
@signed_in
def hold(request: HttpRequest, hold: UUID) -> HttpResponse:
    """A hold that one of the person's organisations pays for; for everybody else it does not exist."""
    before = hold_pages.read(request.GET)
    mine = [choice.id for choice in frame.frame_of(request).organisations]
    try:
        found = hold_pages.find(hold, mine)
    except LookupError:
        raise Http404 from None
    return render(request, "portal/hold.html", {"page": hold_pages.page_of(found, user_of(request), before)})
