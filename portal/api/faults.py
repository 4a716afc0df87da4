"""An error as both APIs see it, before it is written in the style of one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.http.request import UnreadablePostError
from rest_framework import exceptions

from accounting.errors import DomainError, ScopeMissing
from portal import connections

#: DRF's codes that have a better name here.
_CODES = {
    "not_authenticated": "authentication_required",
    "authentication_failed": "token_invalid",
    "parse_error": "invalid_json",
    "throttled": "rate_limited",
    "invalid": "invalid_input",
    "error": "internal_error",
}
TITLES = {
    "authentication_required": "A bearer token is needed",
    "token_invalid": "The token is not valid",
    "provider_unavailable": "The identity provider cannot be reached",
    "permission_denied": "Not allowed",
    "not_found": "Not found",
    "method_not_allowed": "This method is not allowed here",
    "unsupported_media_type": "The content type is not supported",
    "invalid_json": "The body is not valid JSON",
    "invalid_input": "The request is not valid",
    "body_too_large": "The body is too large",
    "length_required": "The length of the body is missing",
    "rate_limited": "Too many requests",
    "suspicious_request": "The request was refused",
    "https_required": "Use https",
    "csrf_failed": "The form is no longer valid",
    "temporarily_unavailable": "Try again in a moment",
    "internal_error": "Something went wrong on our side",
}


@dataclasses.dataclass(frozen=True)
class Fault:
    """`errors` are (field, text) pairs when several parts of the input are wrong; `field` is the first of them."""

    status: int
    code: str
    detail: str
    title: str = ""
    field: str | None = None
    errors: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def titled(self) -> str:
        return self.title or TITLES.get(self.code) or HTTPStatus(self.status).phrase


INTERNAL = Fault(
    500, "internal_error", "The request failed and was written down. Quote the request id when you report it."
)


def fault_of(error: BaseException) -> Fault:
    """Translate any exception; what is unknown becomes a 500 that says nothing about the inside."""
    if isinstance(error, DomainError):
        return _of_domain(error)
    if isinstance(error, exceptions.ValidationError):
        return _of_validation(error)
    if isinstance(error, exceptions.APIException):
        return _of_api(error)
    if connections.is_transient(error):
        wait = str(connections.retry_after(error))
        detail = "The database did not answer in time. Nothing is known to be written: send the same request again."
        return Fault(503, "temporarily_unavailable", detail, headers={"Retry-After": wait})
    return _of_django(error)


def _of_domain(error: DomainError) -> Fault:
    if error.status >= 500 and error.status != 503:
        return INTERNAL
    extra = dict(error.extra)
    wait = extra.pop("retry_after", None)
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if isinstance(error, ScopeMissing):
        # RFC 6750, section 3.1.
        scope = f', scope="{extra["scope"]}"' if "scope" in extra else ""
        headers["WWW-Authenticate"] = f'Bearer realm="openEO credits", error="insufficient_scope"{scope}'
    return Fault(error.status, error.code, error.detail, error.title, field=error.field, headers=headers, extra=extra)


def _of_validation(error: exceptions.ValidationError) -> Fault:
    errors = tuple(_flatten(error.detail))
    field_name = errors[0][0] or None if errors else None
    detail = "; ".join(f"{name}: {text}" if name else text for name, text in errors[:20]) or "The request is not valid."
    return Fault(400, "invalid_input", detail, field=field_name, errors=errors)


def _flatten(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted path, text) from DRF's nested error details."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from _flatten(inner, f"{path}.{step}" if path and step else path or step)
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _flatten(inner, f"{path}.{index}" if path and nested else str(index) if nested else path)
    else:
        yield path, str(detail)


def _of_api(error: exceptions.APIException) -> Fault:
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else error.default_code
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, int(-(-wait // 1))))
    if error.status_code >= 500 and error.status_code != 503:
        return INTERNAL
    field_name = getattr(error, "field", None)
    return Fault(error.status_code, _CODES.get(code, code), str(error.detail), field=field_name, headers=headers)


def _of_django(error: BaseException) -> Fault:
    if isinstance(error, Http404):
        return Fault(404, "not_found", "There is nothing at this address.")
    if isinstance(error, PermissionDenied):
        return Fault(403, "permission_denied", "You are not allowed to do this.")
    if isinstance(error, RequestDataTooBig):
        return Fault(413, "body_too_large", "The body is too large; split it into several requests.")
    if isinstance(error, SuspiciousOperation):
        return Fault(400, "suspicious_request", "The request was refused: a header or field has an impossible value.")
    if isinstance(error, BadRequest):
        return Fault(400, "invalid_input", str(error) or "The request is not valid.")
    if isinstance(error, UnreadablePostError):
        return Fault(400, "invalid_json", "The body ended before its announced length.")
    return INTERNAL
