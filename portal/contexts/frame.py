"""What stands around every page: site, colours, pages, whose credits, who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from accounting import organisations
from portal.models import User
from portal.numerals import localised

THEME_COOKIE = "theme"
THEMES = ("light", "dark", "system")


@dataclass(frozen=True, slots=True)
class PageLink:
    title: str
    href: str
    icon: str
    here: bool


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
    """`here` is this page's path with its query, for forms that come back to it; `zone` what its times are in."""

    theme: str
    credit_euro: str
    zone: str
    here: str
    sign_in: str
    user: SignedIn | None
    pages: tuple[PageLink, ...]
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
    user = request.user if hasattr(request, "user") else None
    choices = _choices(user) if isinstance(user, User) else ()
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return Frame(
        theme=theme if theme in THEMES else "system",
        credit_euro=localised(f"{settings.CREDIT_EURO:f}"),
        zone=timezone.get_current_timezone_name(),
        here=request.get_full_path(),
        sign_in=sign_in_url(request),
        user=SignedIn(user.display_name, user.email, user.initials) if isinstance(user, User) else None,
        pages=_pages(request.path),
        organisations=choices,
        current=next((choice for choice in choices if choice.current), None),
    )


def sign_in_url(request: HttpRequest) -> str:
    """Where to sign in and come back to this page; the landing page leads on to the dashboard."""
    start = reverse("oidc_authentication_init")
    if request.method != "GET" or request.path in ("/", reverse("signed-out"), reverse("oidc_authentication_callback")):
        return start
    return f"{start}?{urlencode({'next': request.get_full_path()})}"


def _pages(path: str) -> tuple[PageLink, ...]:
    names = ("dashboard", "jobs", "holds", "estimates", "profile")
    dashboard, jobs, holds, estimates, profile = (reverse(name) for name in names)
    return (
        PageLink("Dashboard", dashboard, icon="layout-dashboard", here=path.startswith(dashboard)),
        PageLink("Jobs", jobs, icon="list-checks", here=path.startswith(jobs)),
        PageLink("Holds", holds, icon="hourglass", here=path.startswith(holds)),
        PageLink("Estimates", estimates, icon="gauge", here=path.startswith(estimates)),
        PageLink("Profile", profile, icon="circle-user", here=path.startswith(profile)),
    )


def _choices(user: User) -> tuple[OrganisationChoice, ...]:
    return tuple(
        OrganisationChoice(
            id=place.organisation,
            name=place.name,
            note="Only you" if place.personal else f"{place.role.capitalize()} · ID {place.organisation}",
            letters=_letters(place.name),
            current=place.current,
        )
        for place in organisations.memberships(user.person_id)
    )


def _letters(name: str) -> str:
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "·"
