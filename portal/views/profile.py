"""The profile: who somebody is here, how pages speak to them, and their tokens for scripts."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import languages, logs, once
from portal.api import script_tokens
from portal.contexts import cursors, tokens
from portal.contexts import profile as profiles
from portal.forms.profile import AS_BROWSER, NO_ZONE, SettingsForm, TokenForm
from portal.models import User
from portal.views.access import signed_in, user_of


@require_http_methods(["GET", "POST"])
@signed_in
def profile(request: HttpRequest) -> HttpResponse:
    """The page with its form of language and time zone; only the preview when htmx asks for a part."""
    user = user_of(request)
    if request.headers.get("HX-Request") and request.method == "GET":
        return _preview(request)
    form = SettingsForm(_sent(request), initial=_chosen(user))
    if request.method == "POST" and form.is_valid():
        return _save(request, user, form)
    context = {"page": profiles.page_of(user), "form": form}
    return render(request, "portal/profile.html", context, status=422 if form.is_bound else 200)


def _sent(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to, even when nothing came."""
    return request.POST if request.method == "POST" else None


def _chosen(user: User) -> dict[str, str]:
    return {"language": user.language or AS_BROWSER, "time_zone": user.time_zone or NO_ZONE}


def _save(request: HttpRequest, user: User, form: SettingsForm) -> HttpResponse:
    chosen = {name: form.cleaned_data[name] for name in ("language", "time_zone")}
    User.objects.filter(pk=user.pk).update(**chosen)
    # What was said in the language that the next page has. The cookie of the switch would outlive the choice.
    request.user.language = chosen["language"]  # type: ignore[union-attr]  # of a signed-in person
    request.COOKIES.pop(settings.LANGUAGE_COOKIE_NAME, None)
    with translation.override(languages.language_of(request)):
        messages.success(request, _("Saved."))
    response = HttpResponseRedirect(reverse("profile"))
    response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return response


def _preview(request: HttpRequest) -> HttpResponse:
    """How pages look with what the form says now; what it cannot say yet, as before."""
    form = SettingsForm(request.GET)
    form.is_valid()
    zone = form.cleaned_data.get("time_zone", user_of(request).time_zone)
    preview = profiles.preview(form.cleaned_data.get("language", ""), zone)
    return render(request, "portal/_preview.html", {"preview": preview})


@require_GET
@signed_in
def token_list(request: HttpRequest) -> HttpResponse:
    """The person's script tokens, and the one just made; only the rows when htmx asks for a part."""
    place = cursors.read(request.GET)
    partial = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    shown = None if partial else once.take(request)
    page = tokens.page_of(user_of(request), place, shown)
    response = render(request, "portal/_tokens.html" if partial else "portal/tokens.html", {"page": page})
    if shown:
        once.forget(response)
    return response


@require_http_methods(["GET", "POST"])
@signed_in
def token_new(request: HttpRequest) -> HttpResponse:
    """The form of a new token. What was made is shown on the list, once."""
    user = user_of(request)
    form = TokenForm(_sent(request), organisations=tokens.places(user))
    if request.method == "POST" and form.is_valid():
        sent = form.cleaned_data
        try:
            row, secret = script_tokens.create(user, sent["name"], sent["scopes"], sent["days"], sent["organisation"])
        except script_tokens.TooManyTokens:
            text = _("You have %(count)s tokens that work, as many as one may have. Revoke one first.")
            form.add_error(None, text % {"count": script_tokens.MOST_TOKENS})
        else:
            logs.event("script_token_made", number=row.pk, user=user.pk)
            response = HttpResponseRedirect(reverse("profile-tokens"))
            once.keep(request, response, row.pk, secret)
            return response
    context = {"form": form, "tabs": profiles.tabs("profile-tokens")}
    return render(request, "portal/token_new.html", context, status=422 if form.is_bound else 200)


@require_POST
@signed_in
def token_revoke(request: HttpRequest, token: int) -> HttpResponse:
    """End one of the person's tokens; somebody else's does not exist."""
    row = script_tokens.revoke(user_of(request), token) if token < 2**63 else None
    if row is None:
        raise Http404
    logs.event("script_token_revoked", number=row.pk, user=row.user_id)
    messages.success(request, _("%(name)s works no more.") % {"name": row.name})
    return HttpResponseRedirect(reverse("profile-tokens"))
