"""Spans of time in the unit that a person would choose."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def ahead(at: datetime, now: datetime) -> str:
    """How far away an instant is."""
    count = length(at - now)
    return f"in {count}" if count else "in a moment"


def ago(at: datetime, now: datetime) -> str:
    """How long an instant is past."""
    count = length(now - at)
    return f"{count} ago" if count else "just now"


def length(span: timedelta) -> str:
    """In its largest unit, rounded down; empty below a minute."""
    for unit, size in _UNITS:
        count = span // size
        if count > 0:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return ""
