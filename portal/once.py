"""A secret shown once, on the page after the form that made it.

On its way there it is kept in two halves, neither of which says anything without the other: the session (a row of the
database) has it combined with random bytes, a cookie of this browser has those bytes. So no secret is ever at rest.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

SESSION_KEY = "shown_once"
COOKIE = "shown_once"
SECONDS = 120


@dataclass(frozen=True, slots=True)
class Shown:
    """`number` is of the row that the secret belongs to."""

    number: int
    secret: bytes


def keep(request: HttpRequest, response: HttpResponse, number: int, secret: bytes) -> None:
    """Have the next `take` in this browser return it."""
    pad = secrets.token_bytes(len(secret))
    request.session[SESSION_KEY] = [number, _combined(secret, pad).hex()]
    response.set_cookie(
        COOKIE,
        pad.hex(),
        max_age=SECONDS,
        path=reverse("profile"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def take(request: HttpRequest) -> Shown | None:
    """What was kept for this browser; only the first time."""
    number, half = request.session.pop(SESSION_KEY, (0, ""))
    try:
        pad, sealed = bytes.fromhex(request.COOKIES.get(COOKIE, "")), bytes.fromhex(half)
    except ValueError:
        return None
    return Shown(number, _combined(sealed, pad)) if sealed and len(pad) == len(sealed) else None


def forget(response: HttpResponse) -> None:
    """Take the browser's half away."""
    response.delete_cookie(COOKIE, path=reverse("profile"), samesite="Strict")


def _combined(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
