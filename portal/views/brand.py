"""The files of the federation's brand."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from portal import brand

FOR_EVER = "public, max-age=31536000, immutable"
FOR_A_MINUTE = "public, max-age=60"


@require_safe
def part(request: HttpRequest, version: str, name: str) -> HttpResponse:
    """Of another version the present one for a minute: while a new version starts, pages of both are open."""
    found = brand.part(name)
    if found is None:
        raise Http404
    kept = FOR_EVER if version == found.version else FOR_A_MINUTE
    headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    if name != brand.ACCENT:
        # A drawing may hold scripts. In a page it is a picture; opened by itself it is held to nothing as well.
        headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    response = HttpResponse(found.content, content_type=found.content_type, headers=headers)
    response.for_everybody = True  # type: ignore[attr-defined]  # whoever asks, in whatever language
    return response
