"""The periods that usage is looked at in, and what each is compared with. Days are UTC days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from accounting.breakdowns import Bounds, Period

DAY = timedelta(days=1)
LAST_DAYS = {"7d": 7, "30d": 30, "90d": 90}
CUSTOM, EVER = "custom", "all"
DEFAULT = "30d"
PRESETS: dict[str, str | Promise] = {
    "7d": gettext_lazy("Last 7 days"),
    "30d": gettext_lazy("Last 30 days"),
    "90d": gettext_lazy("Last 90 days"),
    "month": gettext_lazy("This month"),
    "last-month": gettext_lazy("Last month"),
    "year": gettext_lazy("This year"),
    EVER: gettext_lazy("Everything"),
    CUSTOM: gettext_lazy("Other days"),
}
MOST_STEPS = {"day": 1100, "week": 1100 * 7}
"""Days that a period may have to be shown in days or weeks; a longer one is shown in the next longer step."""


@dataclass(frozen=True, slots=True)
class Span:
    """A period and the one before; that is empty when there is nothing to compare with."""

    now: Period
    before: Period

    @property
    def last(self) -> date:
        return self.now.until - DAY


def span_of(preset: str, since: date | None, last: date | None, bounds: Bounds) -> Span:
    """:param since: and `last`: the first and last day of a custom period; of others they are ignored. Without them a
    custom period is as long as the usual one.
    """
    today, tomorrow = bounds.today, bounds.today + DAY
    if preset == CUSTOM and since and last:
        return _directly_before(Period(since, last + DAY))
    if preset in LAST_DAYS or preset == CUSTOM:
        length = LAST_DAYS.get(preset, LAST_DAYS[DEFAULT])
        return _directly_before(Period(tomorrow - length * DAY, tomorrow))
    if preset == EVER:
        first = min(bounds.first or today, today)
        return Span(Period(first, tomorrow), Period(first, first))
    if preset == "year":
        first = today.replace(month=1, day=1)
        return _same_days(Period(first, tomorrow), first.replace(year=first.year - 1))
    first = today.replace(day=1)
    if preset == "month":
        return _same_days(Period(first, tomorrow), _month_before(first))
    whole = Period(_month_before(first), first)
    return Span(whole, Period(_month_before(whole.since), whole.since))


def _directly_before(now: Period) -> Span:
    return Span(now, Period(max(now.since - (now.until - now.since), date.min), now.since))


def _same_days(now: Period, since: date) -> Span:
    """As many days from `since`, when the period before began; at most up to now."""
    return Span(now, Period(since, min(since + (now.until - now.since), now.since)))


def _month_before(first: date) -> date:
    return (first - DAY).replace(day=1)


def step_for(step: str, period: Period) -> str:
    """The step asked for, or the next longer one that a long period can be shown in."""
    for longer in ("week", "month"):
        if period.days > MOST_STEPS.get(step, period.days):
            step = longer
    return step


def first_of(day: date, step: str) -> date:
    """The first day of the step that a day lies in; weeks begin on Monday."""
    if step == "week":
        return day - day.weekday() * DAY
    return day.replace(day=1) if step == "month" else day


def steps(period: Period, step: str) -> tuple[date, ...]:
    """The first day of each step of the period, empty ones included, the oldest first."""
    found, at = [], first_of(period.since, step)
    while at < period.until:
        found.append(at)
        at = after(at, step)
    return tuple(found)


def after(first: date, step: str) -> date:
    """The first day of the next step."""
    if step == "month":
        return (first.replace(day=28) + 4 * DAY).replace(day=1)
    return first + (7 * DAY if step == "week" else DAY)


def step_name(first: date, step: str) -> str:
    """What a step is called: its day, the day its week begins on, its month."""
    if step == "month":
        # Translators: month and year, in the letters of Django's `date` filter
        return date_format(first, pgettext("date format", "F Y"), use_l10n=False)
    return _("Week of %(day)s") % {"day": day_name(first)} if step == "week" else day_name(first)


def period_name(period: Period) -> str:
    """First and last day in words."""
    last = period.until - DAY
    if period.since == last:
        return day_name(last)
    first = day_name(period.since) if period.since.year != last.year else short_day_name(period.since)
    return _("%(first)s to %(last)s") % {"first": first, "last": day_name(last)}


def day_name(day: date) -> str:
    return date_format(day, pgettext("date format", "j M Y"), use_l10n=False)


def short_day_name(day: date) -> str:
    """Without the year, where that is said beside it."""
    # Translators: day and month, in the letters of Django's `date` filter
    return date_format(day, pgettext("date format", "j M"), use_l10n=False)
