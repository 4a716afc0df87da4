"""JSON only; what a client says it accepts does not change what it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from django.utils.functional import Promise
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


def _plain(value: Any) -> Any:
    """What msgspec does not know by itself; decimals become strings, as everywhere in our API."""
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def encode(value: Any) -> bytes:
    return _encoder.encode(value)


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    # JSON is UTF-8 by definition; naming it confuses strict clients.
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else encode(data)


class ProblemRenderer(JSONRenderer):
    """RFC 9457."""

    media_type = "application/problem+json"
    format = "problem"


#: Characters of a content type that an error repeats.
MOST_QUOTED = 60


class JSONNegotiation(BaseContentNegotiation):
    """Always the first of the view: a client with an odd Accept header is better served with JSON than with 406."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """A view may name further types of the same syntax as `extra_media_types`."""
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        view = (request.parser_context or {}).get("view")
        if media_type in getattr(view, "extra_media_types", ()):
            return next(iter(parsers))
        parser = next((parser for parser in parsers if parser.media_type == media_type), None)
        if parser is None:
            # What DRF would say itself, except that it would quote kilobytes of a header.
            raise UnsupportedMediaType((request.content_type or "")[:MOST_QUOTED])
        return parser

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        first = next(iter(renderers))
        return first, first.media_type
