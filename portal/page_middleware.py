"""What only pages need: sessions, people, messages, the policy for browsers.

A usage report has no session, no form and no browser. Measured on a request that only authenticates, parses and
answers, passing these by saves a seventh of its time, so programs' addresses (portal.surfaces) do.
"""

from __future__ import annotations

from typing import Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxMiddleware

from portal import languages, sessions, surfaces


class _ForPages:
    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if surfaces.is_for_programs(request):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]  # the middleware that this is mixed into


class Policy(_ForPages, CSPMiddleware):
    """The content security policy."""


class Sessions(_ForPages, SessionMiddleware):
    """`request.session`."""


class SessionAge(_ForPages, sessions.SessionAge):
    """Its end."""


class People(_ForPages, AuthenticationMiddleware):
    """`request.user` of somebody who signed in."""


class Messages(_ForPages, MessageMiddleware):
    """Notes from one page to the next."""


class Tongue:
    """Language and time zone of the page. APIs speak English and UTC."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        if surfaces.is_for_programs(request):
            return self.get_response(request)
        language = languages.language_of(request)
        with translation.override(language), timezone.override(languages.zone_of(request)):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        if not getattr(response, "for_everybody", False):
            patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response


class Htmx(_ForPages, HtmxMiddleware):
    """`request.htmx`."""
