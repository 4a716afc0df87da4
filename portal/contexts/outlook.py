"""What follows from the pace of the last weeks: how long the credits last, and what the month will have cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounting import credits as amounts
from accounting import pace
from accounting.pace import HORIZON, Bucket, Interval, Runway
from accounting.queries import GrantView

DIGITS = 3
"""What a forecast can be trusted to have."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long the credits last: `value` in a word or two, `note` with the interval; `soon` is worth a colour."""

    value: str
    note: str
    soon: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """Credits, rounded to what can be known. `low_share`, `share` and `high_share` are places on a line from nothing
    to `scale`, in percent, `so_far` the part that is spent already.
    """

    low: Decimal
    middle: Decimal
    high: Decimal
    certain: bool
    so_far: str
    low_share: str
    share: str
    range_share: str


def buckets_of(grants: Sequence[GrantView], debt: int, today: datetime) -> list[Bucket]:
    """What can still be spent, what running jobs keep included, in the order in which it burns; debts come first."""
    found = []
    for grant in grants:
        part = min(debt, grant.remaining - grant.held)
        debt -= part
        # What is bound to running jobs pays for them also after the expiry (H5).
        days = -((today - grant.expires_at) // DAY) if grant.expires_at and grant.expires_at > today else None
        found.append(Bucket(grant.remaining - part, days))
    return found


def lasting(known: Sequence[int], runway: Runway | None, now: datetime) -> Lasting | None:
    """None when there is nothing to last, or too short a past to tell."""
    if not known or runway is None:
        return None
    days = runway.days
    if days.low >= HORIZON:
        return Lasting(_("Over %(days)s days") % {"days": HORIZON}, _("At the pace of the last four weeks"), soon=False)
    if runway.expires:
        end = now + days.middle * DAY
        value = _("Until %(day)s") % {"day": date_format(end, "j F")}
        return Lasting(value, _("The rest expires then, at the pace of the last four weeks"), soon=days.middle < WARN)
    if not days.high:
        return Lasting(_("Not beyond today"), _("At the pace of the last four weeks"), soon=True)
    if days.middle >= HORIZON:
        value = _("Over %(days)s days") % {"days": HORIZON}
    else:
        value = ngettext("About %(days)s day", "About %(days)s days", days.middle) % {"days": days.middle}
    return Lasting(value, _between(days), soon=days.middle < WARN)


WARN = 14
"""Days; credits that end sooner are pointed out."""


def _between(days: Interval) -> str:
    facts = {"low": days.low, "high": days.high}
    if days.high >= HORIZON:
        return _("Hardly fewer than %(low)s, going on as in the last four weeks") % facts
    if days.low == days.high:
        return _("Going on as in the last four weeks")
    return _("%(low)s to %(high)s, eight times of ten, going on as in the last four weeks") % facts


def forecast(known: Sequence[int], before: int, today: int, days: int, scale: int) -> Forecast | None:
    """What the month will have cost; None when the past is too short to tell.

    :param before: spent in the month before today. :param days: of the month from today on.
    :param scale: what the line of the forecast has room for at least, a budget for instance.
    """
    if not known:
        return None
    rest = pace.forecast(known, max(today, 0), days)
    low, middle, high = (max(before + part, 0) for part in (rest.low, rest.middle, rest.high))
    top = max(high, scale, 1)
    return Forecast(
        low=rounded(low),
        middle=rounded(middle),
        high=rounded(high),
        certain=rounded(low) == rounded(high),
        so_far=_share(before + today, top),
        low_share=_share(low, top),
        share=_share(middle, top),
        range_share=_share(high - low, top),
    )


def _share(part: int, whole: int) -> str:
    permille = min(max(part, 0) * 1000 // whole, 1000)
    return f"{permille // 10}.{permille % 10}"


def rounded(micros: int) -> Decimal:
    """Credits to as many digits as a forecast can be trusted to have."""
    exact = amounts.to_decimal(micros)
    if not exact:
        return Decimal(0)
    return round(exact, DIGITS - 1 - exact.adjusted())
