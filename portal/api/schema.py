"""How the two APIs describe themselves: OpenAPI 3.1 by drf-spectacular, each with a page to try it.

A view documents what is its own. What every operation has (the token, the errors) is added here.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.urls import include, path, reverse
from django.views.decorators.http import require_safe
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.settings import patched_settings
from rest_framework import serializers

from portal.api.scopes import SCOPES

_FAULTS = {
    "400": "The request is not valid; the answer names the field.",
    "401": "There is no bearer token, or it is not valid.",
    "402": "A payment is required first; `reason` says why.",
    "403": "The token is valid but may not do this.",
    "404": "There is no such thing, or it is not yours.",
    "409": "Another request with the same key is still running.",
    "411": "The length of the body is missing.",
    "413": "The body is too large.",
    "415": "The body must be application/json.",
    "422": "The request is well formed but cannot be carried out.",
    "429": "Too many requests; Retry-After says when to come back.",
    "500": "Something went wrong on our side; quote the request id.",
    "503": "Try the same request again; Retry-After says when.",
}
_ALWAYS = ("400", "401", "403", "429", "500", "503")
_WITH_BODY = ("409", "411", "413", "415", "422")

_DESCRIPTIONS = {
    "v1": "Usage reports, quotes, balances, jobs and receipts. Amounts are decimal texts, except for openEO clients; "
    "times are UTC.",
    "etl": "What back ends call to report usage: the addresses, bodies and answers of the existing service.",
}


class FieldErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Dotted path of the input at fault; empty when it is the whole.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details (RFC 9457)."""

    type = serializers.URLField(help_text="Explains the kind of problem.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable name of the kind of problem.")
    detail = serializers.CharField(help_text="What is wrong with this request, and what to do.")
    instance = serializers.CharField(help_text="The request id, as in the header X-Request-ID.")
    field = serializers.CharField(required=False, help_text="Dotted path of the input at fault.")
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]  # the base has a property


class EtlErrorSerializer(serializers.Serializer[Any]):
    """The error body of the ETL API."""

    statusCode = serializers.IntegerField()  # noqa: N815  # the wire's spelling
    message = serializers.ListField(child=serializers.CharField())
    error = serializers.CharField()
    code = serializers.CharField()
    requestId = serializers.CharField()  # noqa: N815
    field = serializers.CharField(required=False)


class OpenEOErrorLinkSerializer(serializers.Serializer[Any]):
    rel = serializers.CharField()
    href = serializers.URLField()
    title = serializers.CharField(required=False)


class OpenEOErrorSerializer(serializers.Serializer[Any]):
    """The error object of the openEO API."""

    id = serializers.CharField(help_text="The request id, as in the header X-Request-ID.")
    code = serializers.CharField(help_text="openEO's name for it.")
    message = serializers.CharField()
    links = OpenEOErrorLinkSerializer(many=True)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    target_class = "portal.api.auth.BearerAuthentication"
    name = ["bearer", "scriptToken"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[str]]]:
        """Either of them; of a script token the scope that the operation needs."""
        scope = getattr(auto_schema.view, "script_scopes", {}).get(auto_schema.method)
        return [{"bearer": []}, *([{"scriptToken": [scope]}] if scope else [])]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "An access token of an accepted issuer: of a registered client (client credentials) or "
                "of a person. `oidc/<provider id>/<token>`, the openEO form, is accepted as well.",
            },
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "oec_ and 49 letters and digits",
                "description": "A token that a person made for a script on the profile page. It reads what the person "
                f"may read, as far as its scopes go: {', '.join(SCOPES)}. Without the scope the answer is 403 with "
                "the code `scope_missing`.",
            },
        ]


_FAULT_BODIES = {"problem": ProblemSerializer, "etl": EtlErrorSerializer, "openeo": OpenEOErrorSerializer}


class DocumentedSchema(AutoSchema):
    """Adds the errors that any operation can answer, and that a body that is described has to be sent."""

    def _get_request_body(self, direction: Any = "request") -> dict[str, Any] | None:
        # The generator takes bodies that are described as plain JSON Schema for optional ones. Some are.
        body: dict[str, Any] | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        return body and {**body, "required": not getattr(self.view, "optional_body", False)}

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        found: dict[str, Any] = super()._get_response_bodies(direction)
        statuses = [*_ALWAYS]
        if self.method in {"POST", "PUT", "PATCH"}:
            statuses += [*_WITH_BODY, *getattr(self.view, "documented_post_faults", ())]
        if "{" in self.path:
            statuses.append("404")
        statuses += getattr(self.view, "documented_faults", ())
        for status in sorted(set(statuses) - set(getattr(self.view, "impossible_faults", ()))):
            if status not in found:
                found[status] = {**self._fault_body(status), "description": _FAULTS[status]}
        return found

    def _fault_body(self, status: str) -> dict[str, Any]:
        style = getattr(self.view, "error_style", "problem")
        serializer = _FAULT_BODIES[style]
        media_type = "application/problem+json" if style == "problem" else "application/json"
        found = self._get_response_for_code(serializer, status, [media_type])  # type: ignore[no-untyped-call]
        return dict(found)


def _prefix(which: str) -> str:
    mount = f"{settings.ETL_MOUNT}/" if settings.ETL_MOUNT else ""
    return "api/v1/" if which == "v1" else mount


@cache
def document(which: str) -> bytes:
    """Return the OpenAPI document of `v1` or `etl`; made once, it only depends on the code and the settings."""
    title = "openEO credits" if which == "v1" else "Usage reporting (ETL API)"
    with patched_settings(
        {
            "TITLE": title,
            "DESCRIPTION": _DESCRIPTIONS[which],
            "VERSION": "1.0.0",
            # First where the document came from: a page may only call its own origin.
            "SERVERS": [{"url": "/"}, {"url": settings.PUBLIC_URL}],
        }
    ):
        patterns = [path(_prefix(which), include(f"accounting.api.{which}.urls"))]
        # The generator has no types.
        schema = SchemaGenerator(patterns=patterns).get_schema(public=True)  # type: ignore[no-untyped-call]
        if which == "etl":  # nothing there takes one
            schema["components"]["securitySchemes"].pop("scriptToken")
        return OpenApiJsonRenderer2().render(schema, renderer_context={})


@require_safe
def schema_view(request: HttpRequest, which: str) -> HttpResponse:
    body = document(which)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    return HttpResponse(body, content_type="application/json", headers={"ETag": tag, "Cache-Control": "no-cache"})


@require_safe
def documentation_view(request: HttpRequest, which: str) -> HttpResponse:
    """Swagger UI from local files. Its start is a file of its own: the policy allows no inline script."""
    context = {"schema": reverse(f"{which}_schema"), "title": "openEO credits" if which == "v1" else "Usage reporting"}
    return render(request, "api/documentation.html", context)
