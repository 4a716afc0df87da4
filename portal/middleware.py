"""What happens around every request. It is on the path of every usage report, so it does little."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from portal import logs, surfaces
from portal.api import errors
from portal.api.faults import Fault

#: The most that a form of a page may hold; the APIs have bounds of their own.
MAX_FORM_BYTES = 1024 * 1024

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RequestLog:
    """Gives a request its id, times it, and writes one line about it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = logs.begin(request.META.get("HTTP_X_REQUEST_ID"))
        request.request_id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        for name, value in getattr(request, "answer_headers", {}).items():
            response[name] = value
        self.log(request, response, (time.perf_counter() - started) * 1000)
        return response

    def log(self, request: HttpRequest, response: HttpResponseBase, milliseconds: float) -> None:
        # Not the path: it may carry an id of a person or a code. The route says which view it was.
        match = request.resolver_match
        kind, actor = actor_of(request)
        logs.event(
            "request",
            method=request.method,
            route=match.route if match else None,
            path=None if match else request.path_info[:200],
            status=response.status_code,
            ms=round(milliseconds, 1),
            actor_kind=kind,
            actor=actor,
        )
        logs.end()


def actor_of(request: HttpRequest) -> tuple[str, str | None]:
    """Return what kind of caller it was and an id that is no secret; a person with a token is a digest."""
    actor = getattr(request, "actor", None)
    if actor is not None:
        kind, _, identity = str(actor).partition(":")
        return kind, identity
    # `_cached_user` is there only when a page asked who it is: looking ourselves would cost a query.
    user = getattr(request, "_cached_user", None)
    if user is not None and user.is_authenticated:
        return "user", str(user.pk)
    return "anonymous", None


class Transport:
    """Answers for how a request travelled: APIs refuse plain http (pages are redirected, probes need none)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.https_only = settings.SECURE_SSL_REDIRECT

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if self.https_only and not request.is_secure():
            surface = surfaces.surface_of(request.path_info)
            if surface in {"etl", "openeo", "problem"}:
                return self.refuse(request)
        length = request.META.get("CONTENT_LENGTH")
        if "HTTP_TRANSFER_ENCODING" in request.META and not length:
            # The body of such a request would be taken for empty.
            return errors.answer(request, Fault(411, "length_required", "Send the body with a Content-Length."))
        if length and int(length) > MAX_FORM_BYTES and not surfaces.is_for_programs(request):
            return errors.answer(request, Fault(413, "body_too_large", "The form is too large."))
        response = self.get_response(request)
        if surfaces.is_for_programs(request):
            # An answer is data: nothing in it may run or be kept, should somebody open it in a browser.
            response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
            response.headers.setdefault("Cache-Control", "no-store")
        else:
            response["Permissions-Policy"] = settings.PERMISSIONS_POLICY
        return response

    @staticmethod
    def refuse(request: HttpRequest) -> HttpResponse:
        """A redirect would make the client send its token in clear text every time."""
        fault = Fault(403, "https_required", "Use https: what was sent travelled unprotected. Renew the token.")
        return errors.answer(request, fault)
