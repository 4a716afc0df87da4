"""Jobs side by side, with the causes of the difference in what they cost."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.contexts import compare as comparisons
from portal.views import job_access
from portal.views.access import paying, signed_in, user_of


@require_GET
@signed_in
def compare(request: HttpRequest) -> HttpResponse:
    """Two to six jobs that the person's organisations paid for, whatever back end; any other does not exist."""
    names, payer = comparisons.read(request.GET), paying(request).id
    try:
        jobs = comparisons.find(names, job_access.organisations_of(request), payer)
    except LookupError:
        raise Http404 from None
    page = comparisons.page_of(jobs, payer, user_of(request))
    return render(request, "portal/compare.html", {"page": page})
