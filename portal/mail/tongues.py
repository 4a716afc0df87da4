"""In which language and time zone somebody reads."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils import timezone, translation

from portal.models import User


def language_of(user: User) -> str:
    """The language that the user chose, else that of the site: a mail has no browser to ask."""
    chosen = str(getattr(user, "language", ""))
    return chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def zone_of(user: User) -> zoneinfo.ZoneInfo:
    """The time zone that the user chose, else UTC."""
    try:
        return zoneinfo.ZoneInfo(str(getattr(user, "time_zone", "")) or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


@contextmanager
def speaking(language: str, zone: zoneinfo.ZoneInfo | None = None) -> Iterator[None]:
    """What is rendered inside is in that language and shows times of that zone."""
    with translation.override(language), timezone.override(zone or zoneinfo.ZoneInfo("UTC")):
        yield
