"""Rate limits: one counter per caller and minute, kept in Django's cache.

The counter is `add` + `incr`, which Redis does atomically for all processes. With the default cache each process counts
for itself, so the true limit is the setting times the number of processes. A cache that is away limits nobody.
Sources: RFC 6585 (429), draft-ietf-httpapi-ratelimit-headers (RateLimit and RateLimit-Policy as structured fields).
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from portal.api import shared

WINDOW_SECONDS = 60


class PrincipalThrottle(BaseThrottle):
    """Counts each caller by itself: a busy back end never takes another one's share."""

    def __init__(self) -> None:
        self.seconds_left = WINDOW_SECONDS

    def allow_request(self, request: Request, view: Any) -> bool:
        etl = getattr(view, "error_style", "problem") == "etl"
        quota = settings.THROTTLE_ETL_PER_MINUTE if etl else settings.THROTTLE_PER_MINUTE
        if not quota:
            return True
        now = time.time()
        window = int(now // WINDOW_SECONDS)
        self.seconds_left = max(1, int((window + 1) * WINDOW_SECONDS - now))
        used = shared.count(f"rate:{'etl' if etl else 'v1'}:{caller(request)}:{window}", 2 * WINDOW_SECONDS)
        if not etl:
            self._announce(request, quota, max(0, quota - used))
        return used <= quota

    def wait(self) -> float:
        return float(self.seconds_left)

    def _announce(self, request: Request, quota: int, remaining: int) -> None:
        """Left on the request; portal.middleware.RequestLog writes it on whatever answer there will be."""
        inner: Any = request._request  # noqa: SLF001  # DRF has no public name for it
        inner.answer_headers = {
            "RateLimit-Policy": f'"default";q={quota};w={WINDOW_SECONDS}',
            "RateLimit": f'"default";r={remaining};t={self.seconds_left}',
        }


def caller(request: Request) -> str:
    """Return whom to count: the principal, or the address of somebody without one."""
    key = getattr(request.user, "rate_key", None) or f"address:{request.META.get('REMOTE_ADDR', '')}"
    # A sub may hold characters that a cache key may not.
    return hashlib.blake2b(str(key).encode(), digest_size=16).hexdigest()
