"""The landing page and the dashboard."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from portal.contexts import dashboard as dashboards
from portal.contexts import landing as landing_pages
from portal.views.access import paying, signed_in, user_of
from portal.views.caching import public


@require_GET
@public
def landing(request: HttpRequest) -> HttpResponse:
    """What this is, for strangers; whoever is signed in goes on to the dashboard."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("dashboard"))
    context = {"provider": settings.OIDC_TITLE, "page": landing_pages.page_of(timezone.now())}
    return render(request, "portal/landing.html", context)


@require_GET
def favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(static("favicon.svg"))


@require_GET
@signed_in
def dashboard(request: HttpRequest) -> HttpResponse:
    user = user_of(request)
    return render(request, "portal/dashboard.html", {"page": dashboards.page_of(user, paying(request).id)})
