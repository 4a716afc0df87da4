"""When a message is tried again: seconds at first, hours later, not at all after two days (C4)."""

from __future__ import annotations

import random
from datetime import timedelta

DELAYS = (5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600)
"""Seconds after the first, second ... failure; the last one from then on."""

LONGEST_REST = timedelta(minutes=10)
"""So long at most a failing receiver is left alone altogether: a newer message may be the one that matters."""

LONGEST_WISH = timedelta(hours=1)
"""Retry-After is honoured up to this."""

GIVE_UP = timedelta(hours=48)
JITTER = 0.2
_dice = random.SystemRandom()


def roll() -> float:
    """A factor for `delay`: 20 % more or less, so that receivers are not called in step."""
    return _dice.uniform(1 - JITTER, 1 + JITTER)


def delay(failures: int, factor: float) -> timedelta:
    """The wait after so many failures in a row, at least one."""
    return timedelta(seconds=DELAYS[min(failures, len(DELAYS)) - 1] * factor)


def wish(retry_after: float | None) -> timedelta | None:
    """What the receiver asked for, within 1 second and an hour; None: nothing."""
    if retry_after is None:
        return None
    return timedelta(seconds=min(max(retry_after, 1.0), LONGEST_WISH.total_seconds()))
