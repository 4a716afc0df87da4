"""What follows from the pace of the last weeks: how long the credits last, and what the month will have cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from accounting import credits as amounts
from accounting import pace
from accounting.pace import HORIZON, Bucket, Interval, Runway
from accounting.queries import GrantView
from portal.numerals import credits_text, localised

DIGITS = 3
"""What a forecast can be trusted to have."""
WARN = 14
"""Days; credits that end sooner are pointed out."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long the credits last: `value` in a word or two, `note` with the interval; `soon` is worth a colour."""

    value: str
    note: str
    soon: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """Credits that the month will have cost, rounded to what can be known; `certain`: the interval is one number."""

    low: Decimal
    middle: Decimal
    high: Decimal
    certain: bool
    micros: Interval


@dataclass(frozen=True, slots=True)
class Line:
    """The month on a line from nothing to whatever is most, all in percent: spent, what is sure to come (`sure` wide,
    behind it), what may come (`range` wide from `low` on), budget; `label` says it in words. Empty: not known.
    """

    spent: str
    sure: str
    low: str
    range: str
    budget: str
    tone: str
    label: str


def buckets_of(grants: Sequence[GrantView], debt: int, today: datetime) -> tuple[Bucket, ...]:
    """What can still be spent, what running jobs keep included, in the order in which it burns; debts come first."""
    found = []
    for grant in grants:
        part = min(debt, grant.remaining - grant.held)
        debt -= part
        # What is bound to running jobs pays for them also after the expiry (H5).
        days = -((today - grant.expires_at) // DAY) if grant.expires_at and grant.expires_at > today else None
        found.append(Bucket(grant.remaining - part, days))
    return tuple(found)


def lasting(
    known: tuple[int, ...], runway: Runway | None, now: datetime, refill: datetime | None = None
) -> Lasting | None:
    """None when there is nothing to last, or too short a past to tell.

    :param refill: when credits come anew: what lasts until then needs no warning.
    """
    if not known or runway is None:
        return None
    days, usual = runway.days, _("If it goes on as in the last four weeks")
    if days.low >= HORIZON:
        return Lasting(_over(), usual, soon=False)
    end = now + days.middle * DAY
    soon = days.middle < WARN and (refill is None or end < refill - DAY)
    if runway.expires:
        value = _("Until %(day)s") % {"day": date_format(end, pgettext("date format", "j F"))}
        return Lasting(value, _("The rest expires then, if it goes on as in the last four weeks"), soon)
    if not days.high:
        return Lasting(_("Not beyond today"), usual, soon)
    if days.middle >= HORIZON:
        return Lasting(_over(), _between(days), soon)
    about = ngettext("About %(days)s day", "About %(days)s days", days.middle) % {"days": days.middle}
    return Lasting(about, _between(days), soon)


def _over() -> str:
    return _("Over %(days)s days") % {"days": HORIZON}


def _between(days: Interval) -> str:
    facts = {"low": days.low, "high": days.high}
    if days.high >= HORIZON:
        return _("Hardly fewer than %(low)s days, if it goes on as in the last four weeks") % facts
    if days.low == days.high:
        return _("If it goes on as in the last four weeks")
    return _("%(low)s to %(high)s days eight times of ten, if it goes on as in the last four weeks") % facts


def forecast(known: tuple[int, ...], before: int, today: int, days: int) -> Forecast | None:
    """What the month will have cost; None when the past is too short to tell.

    :param before: spent in the month before today. :param days: of the month from today on.
    """
    if not known:
        return None
    rest = pace.forecast(known, max(today, 0), days)
    low, middle, high = (max(before + part, 0) for part in (rest.low, rest.middle, rest.high))
    return Forecast(
        low=rounded(low),
        middle=rounded(middle),
        high=rounded(high),
        certain=rounded(low) == rounded(high),
        micros=Interval(low, middle, high),
    )


def line_of(spent: int, coming: Forecast | None, budget: int | None) -> Line | None:
    """None when there is neither a forecast nor a budget to see the month beside."""
    if coming is None and budget is None:
        return None
    low, high = (coming.micros.low, coming.micros.high) if coming else (0, 0)
    whole = max(high, budget or 0, spent, 1)
    return Line(
        spent=_share(spent, whole),
        sure=_share(low - spent, whole) if coming else "",
        low=_share(max(low, spent), whole) if coming else "",
        range=_share(high - max(low, spent), whole) if coming else "",
        budget=_share(budget, whole) if budget is not None else "",
        tone="" if budget is None or spent * 5 < budget * 4 else "warn" if spent < budget else "bad",
        label=_label(spent, coming, budget),
    )


def _label(spent: int, coming: Forecast | None, budget: int | None) -> str:
    facts = {"spent": credits_text(spent), "budget": credits_text(budget or 0)}
    if coming:
        facts |= {"low": quantity_text(coming.low), "high": quantity_text(coming.high)}
    if coming and budget is not None:
        return _("%(spent)s spent, %(low)s to %(high)s forecast, of a budget of %(budget)s credits") % facts
    if coming:
        return _("%(spent)s spent, %(low)s to %(high)s credits forecast") % facts
    return _("%(spent)s spent of a budget of %(budget)s credits") % facts


def _share(part: int, whole: int) -> str:
    permille = min(max(part, 0) * 1000 // whole, 1000)
    return f"{permille // 10}.{permille % 10}"


def quantity_text(credits: Decimal) -> str:
    return localised(f"{credits:,f}")


def rounded(micros: int) -> Decimal:
    """Credits to as many digits as a forecast can be trusted to have."""
    exact = amounts.to_decimal(micros)
    digits = min(DIGITS - 1 - exact.adjusted(), 2)
    return Decimal(f"{round(exact, digits):f}").quantize(Decimal(1).scaleb(-max(digits, 0)))
