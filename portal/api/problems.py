"""Where the `type` of a problem points: what the kind of problem means, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounting.errors import DomainError
from portal.api import faults, renderers


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem; `advice` is what a client should do about it."""

    type: str
    code: str
    title: str
    status: int
    advice: str


_ADVICE = {
    400: "Mend the request as its detail says; the same request will fail again.",
    401: "Get a new access token and send it as Authorization: Bearer <token>.",
    402: "Reserve less, or let the payer top up or raise the limit; `reason` and `may_spend` say what is missing.",
    403: "The token is good but may not do this; ask the operator of the federation.",
    404: "Check the address; what belongs to others looks as if it were not there.",
    409: "Look at the present state, or wait as long as Retry-After says, and decide again.",
    413: "Split the body into several requests.",
    415: "Send application/json in UTF-8, not compressed.",
    422: "The request is well formed but cannot be carried out as it is; its detail says why.",
    429: "Wait as long as Retry-After says.",
    503: "Send the same request again after Retry-After seconds; with its key it is never booked twice.",
}
_STATUSES = {
    "authentication_required": 401,
    "token_invalid": 401,
    "provider_unavailable": 503,
    "permission_denied": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "unsupported_media_type": 415,
    "body_too_large": 413,
    "length_required": 411,
    "rate_limited": 429,
    "https_required": 403,
    "csrf_failed": 403,
    "temporarily_unavailable": 503,
    "internal_error": 500,
}


def _descendants(base: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in base.__subclasses__():
        yield child
        yield from _descendants(child)


@cache
def kinds() -> dict[str, Kind]:
    """Return every kind of problem by its code: those of the domain and those of the shell."""
    found = {code: (title, _STATUSES.get(code, 400)) for code, title in faults.TITLES.items()}
    found |= {error.code: (error.title, error.status) for error in _descendants(DomainError) if error.status < 500}
    default = "Quote the request id when you report it."
    return {
        code: Kind(f"{settings.PUBLIC_URL}/problems/{code}", code, title, status, _ADVICE.get(status, default))
        for code, (title, status) in sorted(found.items())
    }


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    everything = list(kinds().values())
    if _wants_json(request):
        return _json({"problems": [asdict(kind) for kind in everything]})
    return render(request, "api/problems.html", {"kinds": everything, "title": "Problems"})


@require_safe
def show(request: HttpRequest, code: str) -> HttpResponse:
    kind = kinds().get(code)
    if kind is None:
        raise Http404
    if _wants_json(request):
        return _json(asdict(kind))
    return render(request, "api/problems.html", {"kinds": [kind], "title": kind.title})


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _json(document: object) -> HttpResponse:
    return HttpResponse(renderers.encode(document), content_type="application/json", headers={"Vary": "Accept"})
