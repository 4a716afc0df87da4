"""What stands around every page: site, colours, pages, whose credits, who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from accounting import notice_queries, organisations
from portal.contexts.navigation import Navigation, navigation_of
from portal.models import User
from portal.numerals import localised
from portal.titles import ROLE_TITLES

THEME_COOKIE = "theme"
THEMES = ("light", "dark", "system")
MOST_UNREAD = 99


@dataclass(frozen=True, slots=True)
class OrganisationChoice:
    id: int
    name: str
    note: str
    letters: str
    current: bool


@dataclass(frozen=True, slots=True)
class SignedIn:
    name: str
    email: str
    initials: str


@dataclass(frozen=True, slots=True)
class Frame:
    """`here` is this page's path with its query, for forms that come back to it; `zone` what its times are in; `unread`
    how many notices the person has not read, as the bell says it: empty for none, "99+" for more than it counts.
    """

    theme: str
    credit_euro: str
    zone: str
    here: str
    sign_in: str
    user: SignedIn | None
    unread: str
    navigation: Navigation
    organisations: tuple[OrganisationChoice, ...]
    current: OrganisationChoice | None


def processor(request: HttpRequest) -> dict[str, object]:
    """Context processor: the name of the site, and the frame, looked up only by a template that shows it."""
    return {"site": settings.SITE_TITLE, "frame": SimpleLazyObject(lambda: frame_of(request))}


def frame_of(request: HttpRequest) -> Frame:
    """The frame of this request, looked up once."""
    known: Frame | None = getattr(request, "portal_frame", None)
    if known is None:
        known = _build(request)
        request.portal_frame = known  # type: ignore[attr-defined]
    return known


def _build(request: HttpRequest) -> Frame:
    user = getattr(request, "user", None)
    person = user if isinstance(user, User) else None
    choices = _choices(person) if person else ()
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return Frame(
        theme=theme if theme in THEMES else "system",
        credit_euro=localised(f"{settings.CREDIT_EURO:f}"),
        zone=timezone.get_current_timezone_name(),
        here=request.get_full_path(),
        sign_in=sign_in_url(request),
        user=SignedIn(person.display_name, person.email, person.initials) if person else None,
        unread=unread_of(person) if person else "",
        navigation=navigation_of(person, request.path),
        organisations=choices,
        current=next((choice for choice in choices if choice.current), None),
    )


def unread_of(user: User) -> str:
    """How many notices wait for the person, for the bell; one query that never counts far."""
    count = notice_queries.unread(user.person_id, MOST_UNREAD + 1)
    return f"{MOST_UNREAD}+" if count > MOST_UNREAD else str(count or "")


def sign_in_url(request: HttpRequest) -> str:
    """Where to sign in and come back to this page, or to the one that a form was sent from; the landing page leads on
    to the dashboard.
    """
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else _came_from(request)
    return sign_in_to(back)


def sign_in_to(back: str) -> str:
    """Where to sign in and go on to `back`, a path of this site or nothing."""
    start = reverse("oidc_authentication_init")
    alone = ("", "/", reverse("signed-out"), reverse("session-over"), reverse("oidc_authentication_callback"))
    return start if back.partition("?")[0] in alone else f"{start}?{urlencode({'next': back})}"


def session_over_url(request: HttpRequest) -> str:
    """Where somebody is told that the form they sent was not saved, because their session had ended."""
    back = _came_from(request)
    return f"{reverse('session-over')}?{urlencode({'next': back})}" if back else reverse("session-over")


def _came_from(request: HttpRequest) -> str:
    """The page of this site that the browser says it was on; empty when it says none."""
    address = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    if address.netloc != request.get_host():
        return ""
    return f"{address.path}?{address.query}" if address.query else address.path


def _choices(user: User) -> tuple[OrganisationChoice, ...]:
    return tuple(
        OrganisationChoice(
            id=place.organisation,
            name=place.name,
            note=_note(place),
            letters=_letters(place.name),
            current=place.current,
        )
        for place in organisations.memberships(user.person_id)
    )


def _note(place: organisations.Membership) -> str:
    """The part that the person has in it, and the number that jobs name it by."""
    if place.personal:
        return _("Only you · ID %(number)s") % {"number": place.organisation}
    role = ROLE_TITLES[place.role]
    return _("%(role)s · ID %(number)s") % {"role": role, "number": place.organisation}


def _letters(name: str) -> str:
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "·"
