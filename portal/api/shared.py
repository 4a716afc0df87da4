"""What processes share through Django's cache, and do without when it is away.

A rate limit that cannot be counted and a key set that cannot be kept are no reason to refuse a usage report: a cache
that fails is said in the log, left alone for five seconds so that it does not slow every request, and until then as
if it were empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache import cache

from portal import logs

REST_SECONDS = 5.0
_failed_at = float("-inf")

T = TypeVar("T")


def recall(name: str) -> Any:
    """Return what was kept under the name, or None."""
    return _try(lambda: cache.get(name), None)


def keep(name: str, value: object, seconds: int) -> None:
    _try(lambda: cache.set(name, value, timeout=seconds), None)


def count(name: str, seconds: int) -> int:
    """Add one to a counter that lives so long, and return it; 0 when nobody can count.

    `add` and `incr` are atomic in Redis, and in the memory of one process.
    """
    return _try(lambda: _count(name, seconds), 0)


def _count(name: str, seconds: int) -> int:
    if cache.add(name, 1, timeout=seconds):
        return 1
    try:
        return int(cache.incr(name))
    except ValueError:
        # It expired between the two calls: a new window began.
        cache.add(name, 1, timeout=seconds)
        return 1


def _try(ask: Callable[[], T], otherwise: T) -> T:
    global _failed_at  # noqa: PLW0603  # one cache for the process
    if time.monotonic() - _failed_at < REST_SECONDS:
        return otherwise
    try:
        return ask()
    except Exception as error:  # noqa: BLE001  # each cache has its own
        _failed_at = time.monotonic()
        logs.event("cache_unavailable", reason=type(error).__name__)
        return otherwise
