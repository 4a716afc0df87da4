"""What the account menu does: colours, language, whose credits; and the terms of use."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounting import notices as telling
from accounting import organisations
from accounting.errors import NotFound
from portal.contexts import frame, notices
from portal.contexts import terms as agreements
from portal.models import User
from portal.views.access import signed_in, user_of
from portal.views.caching import unguarded_for_strangers
from portal.views.sign_in import safe_path

YEAR_SECONDS = 365 * 24 * 3600
MAX_DIGITS = 19


@unguarded_for_strangers
@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Remember the colours in a cookie, so that the first byte of the next page has them."""
    theme = request.POST.get("theme", "")
    if theme not in frame.THEMES:
        raise BadRequest("theme must be light, dark or system")
    came_from = urlsplit(request.headers.get("Referer", ""))
    back = f"{came_from.path}?{came_from.query}" if came_from.query else came_from.path
    response = HttpResponseRedirect(safe_path(back))
    response.set_cookie(
        frame.THEME_COOKIE,
        theme,
        max_age=YEAR_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@unguarded_for_strangers
@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Remember the language: with the person who is signed in, and in a cookie for whoever is not."""
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        raise BadRequest("language must be one of the languages offered")
    if isinstance(request.user, User):
        User.objects.filter(pk=request.user.pk).update(language=language)
    response = HttpResponseRedirect(safe_path(request.POST.get("next", "")))
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=YEAR_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_POST
@signed_in
def switch_organisation(request: HttpRequest) -> HttpResponse:
    """Make an organisation pay for the person's jobs from now on, and show its credits."""
    wanted = request.POST.get("organisation", "")
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < MAX_DIGITS):
        raise BadRequest("organisation must be the number of an organisation")
    try:
        organisations.switch_organisation(user_of(request).person_id, int(wanted))
    except NotFound:
        raise Http404 from None
    return HttpResponseRedirect(safe_path(request.POST.get("next", "")))


@require_POST
@signed_in
def close_notices(request: HttpRequest) -> HttpResponse:
    """Show no more what the person was told of one kind until now."""
    kind = request.POST.get("kind", "")
    if kind not in notices.CLOSABLE:
        raise BadRequest("kind must be that of a notice which can be closed")
    telling.mark_read(user_of(request).person_id, kind=kind)
    return HttpResponseRedirect(reverse("dashboard"))


@require_http_methods(["GET", "POST"])
@signed_in
def terms(request: HttpRequest) -> HttpResponse:
    """The terms of use in force, and the form that accepts them."""
    if not settings.TERMS_VERSION:
        raise Http404
    user, shown = user_of(request), request.POST.get("version")
    if shown == settings.TERMS_VERSION:
        organisations.accept_terms(user.person_id, shown)
        return HttpResponseRedirect(reverse("dashboard"))
    page = agreements.page_of(user, changed=request.method == "POST")
    return render(request, "portal/terms.html", {"page": page}, status=409 if page.changed else 200)
