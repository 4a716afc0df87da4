"""Answers that are the same for everybody: kept by caches for a while, and asked for again by their tag."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

#: Anybody's page may read it, and nothing of a signed-in person comes along.
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}


def public(request: Request, document: Any, seconds: int) -> Response:
    """The document, or 304 for whoever has it already."""
    tag = f'"{hashlib.sha256(msgspec.json.encode(document)).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={seconds}", **ANY_ORIGIN}
    if _is_known(request.headers.get("If-None-Match", ""), tag):
        return Response(status=304, headers=headers)
    return Response(document, headers=headers)


def _is_known(header: str, tag: str) -> bool:
    """RFC 9110, 13.1.2: compared without regard to weakness."""
    return not {tag, "*"}.isdisjoint(one.removeprefix("W/") for one in parse_etags(header))
