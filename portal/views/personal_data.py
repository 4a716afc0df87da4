"""Copying and erasing what is personal."""

from __future__ import annotations

from uuid import UUID

from django.contrib import auth
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounting.errors import ErasureBlocked
from portal import erasure, exports, numerals
from portal.contexts import personal_data
from portal.contexts.personal_data import ErasurePage
from portal.forms.profile import ErasureForm
from portal.views.access import signed_in, user_of


@require_GET
@signed_in
def data(request: HttpRequest) -> HttpResponse:
    """The page; only how far the copy is when htmx asks for a part."""
    page = personal_data.page_of(user_of(request))
    partial = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    return render(request, "portal/_export.html" if partial else "portal/personal_data.html", {"page": page})


@require_POST
@signed_in
def export(request: HttpRequest) -> HttpResponse:
    """Ask for a copy; asking again while one is made changes nothing."""
    exports.request(user_of(request))
    return HttpResponseRedirect(reverse("profile-data"))


@require_GET
@signed_in
def download(request: HttpRequest, export: UUID) -> HttpResponse:
    """The person's own archive within its week; for everybody else it does not exist."""
    found = exports.find(user_of(request), export)
    if found is None:
        raise Http404
    name = f"openeo-credits-{found.ready_at:%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(found.size)}
    return StreamingHttpResponse(exports.pieces(found), content_type="application/zip", headers=headers)  # type: ignore[return-value]  # what Django's decorators take as well


@require_http_methods(["GET", "POST"])
@signed_in
def erase(request: HttpRequest) -> HttpResponse:
    """What erasing means, and the form that does it. Afterwards nobody is signed in."""
    user = user_of(request)
    page = personal_data.erasure_of(user)
    form = _form(request, page)
    if request.method == "POST" and not page.blocked and form.is_valid():
        try:
            erasure.erase(user, given_up=form.cleaned_data["given_up"] or 0)
        except ErasureBlocked:
            page = personal_data.erasure_of(user)
            form.add_error(None, _("Something has changed meanwhile. Look at this page again."))
        else:
            auth.logout(request)
            return HttpResponseRedirect(reverse("erased"))
    status = 409 if form.is_bound and page.blocked else 422 if form.is_bound else 200
    return render(request, "portal/erasure.html", {"page": page, "form": form}, status=status)


@require_GET
@never_cache
def erased(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/erased.html")


def _form(request: HttpRequest, page: ErasurePage) -> ErasureForm:
    agreement = _("I give up %(amount)s credits") % {"amount": numerals.credits_text(page.credits)}
    sent = request.POST if request.method == "POST" else None
    return ErasureForm(sent, credits=page.credits, agreement=agreement)
