"""Signing in and out. Every way in which it can fail ends on a page that says what to do."""

from __future__ import annotations

from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from portal import logs, oidc, sessions
from portal.contexts import frame
from portal.provider import SignInError


@require_GET
@never_cache
def start(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider; whoever is signed in already goes on."""
    target = safe_path(request.GET.get("next", ""))
    if request.user.is_authenticated:
        return HttpResponseRedirect(target)
    try:
        return HttpResponseRedirect(oidc.authorization_url(request, target))
    except SignInError as fault:
        return _failed(request, fault)


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Take the browser back from the provider and make the session, with a new key."""
    try:
        user, target = oidc.complete(request)
    except SignInError as fault:
        return _failed(request, fault)
    auth.login(request, user)
    sessions.begin(request)
    logs.event("signed_in", user=user.pk)
    return HttpResponseRedirect(target)


@require_POST
@never_cache
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session here, and offer to end the provider's."""
    auth.logout(request)
    return HttpResponseRedirect(reverse("signed-out"))


@require_GET
@never_cache
def signed_out(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("dashboard"))
    context = {"provider_logout": oidc.provider_logout_url(request)}
    return render(request, "portal/signed_out.html", context)


@require_GET
@never_cache
def session_over(request: HttpRequest) -> HttpResponse:
    """For whoever sent a form after their session had ended: what they sent is lost, and the way back is here."""
    target = safe_path(request.GET.get("next", ""))
    if request.user.is_authenticated:
        return HttpResponseRedirect(target)
    return render(request, "portal/session_over.html", {"again": frame.sign_in_to(target)})


def safe_path(wanted: str) -> str:
    """The path to go on to: an absolute path of this site, else the dashboard. Anything with a host is refused."""
    plain = wanted.isprintable() and "\\" not in wanted and len(wanted) <= 2000
    if plain and wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return reverse("dashboard")


def _failed(request: HttpRequest, fault: SignInError) -> HttpResponse:
    logs.event("sign_in_failed", reason=fault.code, detail=str(fault))
    context = {
        "fault": fault,
        "again": reverse("oidc_authentication_init"),
        "request_id": logs.current_request_id(),
    }
    response = render(request, "portal/sign_in_failed.html", context, status=fault.status)
    if fault.status == 503:
        response["Retry-After"] = "30"
    return response
