"""Cursor pages: stable while rows arrive, and no page is ever counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

if TYPE_CHECKING:  # DRF's views load this module through the settings
    from rest_framework.views import APIView

#: Understood on every list.
PAGE_PARAMETERS = frozenset({"cursor", "limit"})


class CursorPages(CursorPagination):
    """`{"items": [...], "next": address or null}`; `limit` is clamped to 1..500.

    A view gives its order as `ordering` (newest first: `("-id",)`) and, for filters that are not a filterset, the names
    of its parameters as `query_parameters`.
    """

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500
    ordering: str | Sequence[str] = "-id"  # type: ignore[assignment]
    invalid_cursor_message = "The cursor is not one of ours; begin again without it."

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit", "")
        if not text:
            return self.page_size
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20):
            raise ValidationError({"limit": f"A whole number from 1 to {self.max_page_size}."})
        return min(max(int(text), 1), self.max_page_size)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """A cursor is signed: what it says goes into the query, and it counts for the list that gave it only."""
        text = request.query_params.get("cursor")
        if text is None:
            return None
        try:
            offset, reverse, position = signing.loads(text, salt=f"cursor:{request.path}")
        except signing.BadSignature:
            raise NotFound(self.invalid_cursor_message) from None
        return Cursor(offset=offset, reverse=reverse, position=position)

    def encode_cursor(self, cursor: Cursor) -> str:
        """Return the address of the page that the cursor begins."""
        place = [cursor.offset, cursor.reverse, cursor.position]
        text = signing.dumps(place, salt=f"cursor:{self.request.path}", compress=True)
        return replace_query_param(str(self.base_url), "cursor", text)

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        chosen = getattr(view, "ordering", self.ordering)
        return (chosen,) if isinstance(chosen, str) else tuple(chosen)

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        refuse_unknown_parameters(request, view)
        self.request = request
        try:
            page: list[Any] | None = super().paginate_queryset(queryset, request, view)
        except NotFound:
            raise ValidationError({"cursor": self.invalid_cursor_message}) from None
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"items": data, "next": self.get_next_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        following = {"type": ["string", "null"], "format": "uri", "description": "The next page; null on the last."}
        return {
            "type": "object",
            "required": ["items", "next"],
            "properties": {"items": schema, "next": following},
        }


def refuse_unknown_parameters(request: Request, view: Any, known: Iterable[str] = ()) -> None:
    """A misspelt filter would silently return everything, so it is an error that names the spelling.

    :raises ValidationError: with each parameter that neither the page, the filterset nor `query_parameters` knows.
    """
    allowed = set(PAGE_PARAMETERS) | set(known) | set(getattr(view, "query_parameters", ()))
    filterset = getattr(view, "filterset_class", None)
    if filterset is not None:
        allowed |= set(filterset.base_filters)
    unknown = sorted(set(request.query_params) - allowed)
    if unknown:
        expected = ", ".join(sorted(allowed))
        raise ValidationError({name[:60]: f"Unknown parameter; this list knows {expected}." for name in unknown[:10]})
