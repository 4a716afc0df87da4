"""What a federation puts in place of our looks: title, logo, accent. Read once, served with its hash in the address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.urls import reverse

from portal import colours, logs

MAX_BYTES = 512 * 1024
TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
ACCENT, LOGO, LOGO_DARK = "accent.css", "logo", "logo-dark"


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the brand; `version` changes with its content."""

    content: bytes
    content_type: str
    version: str


@dataclass(frozen=True, slots=True)
class Brand:
    """Addresses of the parts, empty where there is none. `alt` is what the logo says; empty when it says nothing.
    `support` is where people ask.
    """

    title: str
    logo: str
    logo_dark: str
    alt: str
    accent: str
    support: str


def of_site() -> Brand:
    """The brand as the settings have it. Asks nobody, so a page of a fault can show it too."""
    logo = address(LOGO)
    return Brand(
        title=settings.SITE_TITLE,
        logo=logo,
        logo_dark=address(LOGO_DARK) if logo else "",
        alt=settings.SITE_LOGO_ALT,
        accent=address(ACCENT),
        support=settings.SUPPORT_URL,
    )


def address(name: str) -> str:
    """Where a part of the brand is, or nothing."""
    found = part(name)
    return reverse("brand", args=[found.version, name]) if found else ""


def part(name: str) -> Part | None:
    """A part by its name; None when the settings have none, or its file went away since the start (then our own looks
    are shown, and the log says so).
    """
    try:
        if name == ACCENT:
            return _accent(settings.SITE_ACCENT) if settings.SITE_ACCENT else None
        path = {LOGO: settings.SITE_LOGO, LOGO_DARK: settings.SITE_LOGO_DARK}.get(name)
        return picture(path) if path else None
    except (OSError, ValueError) as error:
        logs.warning("brand_unreadable", part=name, **logs.cause_of(error))
        return None


@lru_cache(maxsize=8)
def picture(path: str) -> Part:
    """A logo's file. :raises OSError: when it cannot be read. :raises ValueError: when it is none or too large."""
    content_type = TYPES.get(Path(path).suffix.lower())
    if content_type is None:
        raise ValueError(f"{path} does not end in {', '.join(TYPES)}")
    content = Path(path).read_bytes()
    if not content or len(content) > MAX_BYTES:
        raise ValueError(f"{path} is empty or has more than 512 KiB")
    return Part(content, content_type, _version(content))


@lru_cache(maxsize=8)
def _accent(text: str) -> Part:
    """:raises ValueError: see `colours.read`."""
    content = colours.stylesheet(colours.read(text)).encode()
    return Part(content, "text/css; charset=utf-8", _version(content))


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
