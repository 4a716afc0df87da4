"""What a person was told, what they want to be told, and links of mails that stop more of them."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounting import alerts, notice_queries, notices
from portal.contexts import notice_texts
from portal.contexts import notifications as listing
from portal.contexts import preferences as wishes
from portal.forms.notifications import PreferencesForm, ThresholdForm
from portal.mail.links import LinkInvalid
from portal.notifications import preferences, unsubscribing
from portal.notifications.kinds import KINDS
from portal.views.access import signed_in, user_of
from portal.views.sign_in import safe_path

MAX_DIGITS = 18


@require_GET
@signed_in
def notification_list(request: HttpRequest) -> HttpResponse:
    """The list; only its rows when htmx asks for a part."""
    page = listing.page_of(user_of(request), listing.read(request.GET))
    partial = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    name = "portal/_notifications.html" if partial else "portal/notifications.html"
    return render(request, name, {"page": page})


@require_GET
@signed_in
def notification(request: HttpRequest, notice: int) -> HttpResponse:
    """Goes on to what a notice is about, which thereby has been read."""
    person = user_of(request).person_id
    told = notice_queries.find(person, notice) if notice < 10**MAX_DIGITS else None
    if told is None:
        raise Http404
    (said,) = notice_texts.describe([told])
    if request.method == "GET" and told.read_at is None:
        notices.mark_read(person, notices=[told.id])
    return HttpResponseRedirect(said.href or reverse("notifications"))


@require_POST
@signed_in
def mark(request: HttpRequest) -> HttpResponse:
    """One notice read or unread, or all that were shown until now read."""
    person = user_of(request).person_id
    if "until" in request.POST:
        count = notices.mark_read(person, until=_number(request, "until"))
        done = ngettext("%(count)s notification marked as read.", "%(count)s notifications marked as read.", count)
        messages.success(request, done % {"count": count})
    elif "unread" in request.POST:
        notices.mark_unread(person, _number(request, "unread"))
    else:
        notices.mark_read(person, notices=[_number(request, "read")])
    back = safe_path(request.POST.get("next", ""))
    listed = back.partition("?")[0] == reverse("notifications")
    return HttpResponseRedirect(back if listed else reverse("notifications"))


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise BadRequest(f"{name} must be the number of a notification")
    return int(text)


@require_http_methods(["GET", "POST"])
@signed_in
def preference_page(request: HttpRequest) -> HttpResponse:
    """What the person is told, how; and below what the credits of their organisation are low."""
    user = user_of(request)
    form = PreferencesForm(preferences.of_user(user), request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        preferences.choose(user, form.choices())
        messages.success(request, _("Your notifications are set."))
        return HttpResponseRedirect(reverse("notification-preferences"))
    place = wishes.place_of(user)
    threshold = ThresholdForm.of(alerts.threshold(place.organisation))
    page = wishes.page_of(user, place, form, threshold)
    return _preferences(request, page, 422 if form.is_bound else 200)


@require_POST
@signed_in
def set_threshold(request: HttpRequest) -> HttpResponse:
    """Below what the credits of the person's current organisation are low; its owners and managers decide."""
    user = user_of(request)
    place = wishes.place_of(user)
    if place.role not in wishes.ANSWERS:
        return render(request, "portal/threshold_refused.html", {"organisation": place.name}, status=403)
    if request.POST.get("organisation") != str(place.organisation):
        # Another tab has switched the organisation since the form was shown.
        messages.error(
            request, _("You have switched to %(name)s meanwhile: nothing was changed.") % {"name": place.name}
        )
        return HttpResponseRedirect(reverse("notification-preferences"))
    known = alerts.threshold(place.organisation)
    form = ThresholdForm.of(known, request.POST)
    if form.is_valid():
        alerts.set_threshold(place.organisation, form.threshold(known))
        messages.success(request, _("The alert of %(name)s is set.") % {"name": place.name})
        return HttpResponseRedirect(reverse("notification-preferences"))
    page = wishes.page_of(user, place, PreferencesForm(preferences.of_user(user)), form)
    return _preferences(request, page, 422)


def _preferences(request: HttpRequest, page: wishes.PreferencesPage, status: int) -> HttpResponse:
    return render(request, "portal/notification_preferences.html", {"page": page}, status=status)


@csrf_exempt  # the link is signed, and mail readers send it without a session (RFC 8058)
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Stops a kind of mail. Reading the page changes nothing: scanners of mails follow every link."""
    try:
        wish = unsubscribing.read(token)
    except LinkInvalid:
        return render(request, "portal/unsubscribe.html", {"title": None}, status=404)
    if request.method == "POST":
        unsubscribing.carry_out(wish)
    daily = wish.kind == unsubscribing.DIGEST
    title = _("The daily mail") if daily else KINDS[wish.kind].title
    context = {"title": title, "daily": daily, "done": request.method == "POST", "known": wish.user is not None}
    return render(request, "portal/unsubscribe.html", context)
