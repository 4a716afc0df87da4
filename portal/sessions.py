"""How long a session lasts: as long as it is used (SESSION_COOKIE_AGE), but never longer than a day."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponseBase

SIGNED_IN_AT = "signed_in_at"
SEEN_AT = "seen_at"
LONGEST_SECONDS = 24 * 3600
#: A page writes the session at most this often; writing it on each request would cost every page a row.
NOTED_EVERY_SECONDS = 10 * 60


def begin(request: HttpRequest) -> None:
    """Note that somebody signed in just now."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = int(time.time())


class SessionAge:
    """Signs out after a day, and keeps a session that is used from ending earlier."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Without its cookie there is no session, and looking for one would cost each API call a query.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SIGNED_IN_AT in request.session:
            now = int(time.time())
            if now - request.session[SIGNED_IN_AT] > LONGEST_SECONDS:
                auth.logout(request)
            elif now - request.session[SEEN_AT] > NOTED_EVERY_SECONDS:
                request.session[SEEN_AT] = now
        return self.get_response(request)
