"""Spans of time in the unit that a person would choose."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext as _

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


def between(started: datetime | None, finished: datetime | None) -> str:
    """How long something took, in its two largest units; empty when one of the ends is not known."""
    if started is None or finished is None:
        return ""
    names = ((_("%(count)s d"), timedelta(days=1)), (_("%(count)s h"), timedelta(hours=1)))
    rest, parts = finished - started, []
    for text, size in (*names, (_("%(count)s min"), timedelta(minutes=1))):
        count, rest = divmod(rest, size)
        if count:
            parts.append(text % {"count": count})
    seconds = _("%(count)s s")
    if len(parts) < 2 and rest:
        parts.append(seconds % {"count": f"{rest.total_seconds():.0f}"})
    return " ".join(parts[:2]) or seconds % {"count": 0}
