"""Every address of the service as the resolver knows it, so that a new one cannot be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver


def patterns() -> list[str]:
    """All of them, as written; the admin is one, for it decides by itself and for everything below it."""
    admin = f"{settings.ADMIN_PATH}/"
    return [*(pattern for pattern in _walk(get_resolver(), "") if not pattern.startswith(admin)), admin]


def _walk(resolver: URLResolver, before: str) -> Iterator[str]:
    pattern: Any
    for pattern in resolver.url_patterns:
        whole = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield whole
        else:
            yield from _walk(pattern, whole)
