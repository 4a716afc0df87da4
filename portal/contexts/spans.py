"""Spans of time in the unit that a person would choose."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def ahead(at: datetime, now: datetime) -> str:
    """How far away an instant is."""
    span = at - now
    if span >= DAY:
        return ngettext("in %(count)s day", "in %(count)s days", span // DAY) % {"count": span // DAY}
    if span >= HOUR:
        return ngettext("in %(count)s hour", "in %(count)s hours", span // HOUR) % {"count": span // HOUR}
    if span >= MINUTE:
        return ngettext("in %(count)s minute", "in %(count)s minutes", span // MINUTE) % {"count": span // MINUTE}
    return _("in a moment")


def ago(at: datetime, now: datetime) -> str:
    """How long an instant is past."""
    span = now - at
    if span >= DAY:
        return ngettext("%(count)s day ago", "%(count)s days ago", span // DAY) % {"count": span // DAY}
    if span >= HOUR:
        return ngettext("%(count)s hour ago", "%(count)s hours ago", span // HOUR) % {"count": span // HOUR}
    if span >= MINUTE:
        return ngettext("%(count)s minute ago", "%(count)s minutes ago", span // MINUTE) % {"count": span // MINUTE}
    return _("just now")


def length(span: timedelta) -> str:
    """In its largest unit, rounded down; empty below a minute."""
    if span >= DAY:
        return ngettext("%(count)s day", "%(count)s days", span // DAY) % {"count": span // DAY}
    if span >= HOUR:
        return ngettext("%(count)s hour", "%(count)s hours", span // HOUR) % {"count": span // HOUR}
    if span >= MINUTE:
        return ngettext("%(count)s minute", "%(count)s minutes", span // MINUTE) % {"count": span // MINUTE}
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
