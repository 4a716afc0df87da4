"""In which language and time zone somebody reads who has no browser open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, tzinfo

from django.conf import settings
from django.utils import timezone, translation

from portal.languages import zone_named
from portal.models import User


def language_of(user: User) -> str:
    """The language that the user chose, else that of the site: a mail has no browser to ask."""
    return user.language if user.language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def zone_of(user: User) -> tzinfo:
    """The time zone that the user chose, else UTC."""
    return zone_named(user.time_zone)


@contextmanager
def speaking(language: str, zone: tzinfo = UTC) -> Iterator[None]:
    """What is rendered inside is in that language and shows times of that zone."""
    with translation.override(language), timezone.override(zone):
        yield
