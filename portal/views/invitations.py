"""The link of an invitation: who invites to what, and the answer."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounting import organisations
from accounting.errors import MembershipInvalid
from portal import invitations
from portal.contexts import invitation as pages
from portal.contexts.frame import sign_in_url
from portal.invitations import InvitationInvalid
from portal.models import User


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Strangers see what it is about and sign in to answer, which brings them back here."""
    try:
        response = _answer(request, token) if request.method == "POST" else _show(request, token)
    except InvitationInvalid as error:
        fault = pages.fault_of(error)
        response = render(request, "organisation/invitation_fault.html", {"fault": fault}, status=fault.status)
    add_never_cache_headers(response)
    response["X-Robots-Tag"] = "noindex"
    return response


def _show(request: HttpRequest, token: str, status: int = 200) -> HttpResponse:
    viewer = request.user if isinstance(request.user, User) else None
    context = {"page": pages.page_of(token, viewer), "sign_in": sign_in_url(request)}
    return render(request, "organisation/invitation.html", context, status=status)


def _answer(request: HttpRequest, token: str) -> HttpResponse:
    if not isinstance(request.user, User):
        return HttpResponseRedirect(request.path)
    me = request.user.person_id
    if request.POST.get("answer") != "accept":
        invitations.decline(token, me)
        messages.success(request, _("You declined the invitation."))
        return HttpResponseRedirect(reverse("dashboard"))
    try:
        joined = invitations.accept(token, me)
    except MembershipInvalid:
        return _show(request, token, status=409)
    name = organisations.find_organisation(joined).name
    messages.success(request, _("You are a member of %(name)s now.") % {"name": name})
    if request.POST.get("current"):
        organisations.switch_organisation(me, joined)
        return HttpResponseRedirect(reverse("organisation"))
    return HttpResponseRedirect(reverse("dashboard"))
