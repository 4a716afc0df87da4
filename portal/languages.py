"""Which language and time zone a page speaks: the person's choice, else the browser's."""

from __future__ import annotations

from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation

from portal.models import User


def language_of(request: HttpRequest) -> str:
    """The person's setting, else the cookie of the switch, else the best that the browser asks for."""
    user = _person(request)
    chosen = user.language if user else ""
    if chosen in dict(settings.LANGUAGES):
        return chosen
    return translation.get_language_from_request(request)


def zone_of(request: HttpRequest) -> tzinfo:
    """The person's setting, else UTC. A name that the time zone database does not know counts as none."""
    user = _person(request)
    return zone_named(user.time_zone if user else "")


def zone_named(name: str) -> tzinfo:
    return ZoneInfo(name) if name in zone_names() else UTC


@cache
def zone_names() -> frozenset[str]:
    """Every zone that can be chosen: places, not abbreviations whose meaning changed."""
    return frozenset(
        name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))
    )


def _person(request: HttpRequest) -> User | None:
    # Without its cookie there is no session: looking for the person would make a public page ask the database.
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    return request.user if isinstance(request.user, User) else None
