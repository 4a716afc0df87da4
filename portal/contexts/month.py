"""This month beside the last one and the budget, and the last thirty days as a chart: sums that are kept a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounting import pace
from accounting.limit_queries import LimitUse
from accounting.pace import Bucket
from accounting.spending import BackEndDay
from portal.contexts import addresses
from portal.contexts.charts import Chart, Series, values_of
from portal.numerals import credits_text, localised

DAYS = 30
"""Of the chart."""
MOST_BACKENDS = 5
"""With a colour of their own in the chart; the rest is one more."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The UTC days that a page of `today` tells of; all spans are half-open."""

    today: date

    @property
    def tomorrow(self) -> date:
        return self.today + timedelta(days=1)

    @property
    def month(self) -> date:
        return self.today.replace(day=1)

    @property
    def next_month(self) -> date:
        return (self.month + timedelta(days=31)).replace(day=1)

    @property
    def last_month(self) -> date:
        return (self.month - timedelta(days=1)).replace(day=1)

    @property
    def same_day(self) -> date:
        """The day of the last month that is compared with today; its last day when it has none with that number."""
        return min(self.last_month + (self.today - self.month), self.month - timedelta(days=1))

    @property
    def chart(self) -> date:
        return self.tomorrow - timedelta(days=DAYS)

    @property
    def since(self) -> date:
        """The first day of which anything is told."""
        return min(self.last_month, self.chart)

    @property
    def days_left(self) -> int:
        """Of the month, today included."""
        return (self.next_month - self.today).days


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent in spans of days, by day and back end."""

    rows: Sequence[BackEndDay]

    def between(self, since: date, until: date) -> int:
        return sum(row.amount for row in self.rows if since <= row.day < until)

    def daily(self, since: date, until: date) -> list[int]:
        """One sum a day, those without use included."""
        sums: Counter[date] = Counter()
        for row in self.rows:
            sums[row.day] += row.amount
        return [sums[since + timedelta(days=n)] for n in range((until - since).days)]


@dataclass(frozen=True, slots=True)
class Month:
    """`jobs` were reported in it, or `many` more. `comparison` is this month beside the last one until the same day,
    `before`, in words. Addresses lead to what the sums are made of.
    """

    name: str
    spent: int
    href: str
    jobs: int
    jobs_text: str
    many: bool
    before: int
    before_href: str
    before_day: str
    comparison: str
    last_day: str


@dataclass(frozen=True, slots=True)
class Budget:
    """What the organisation may spend in the month. `share` in percent for the bar; `reached` says when it will be at
    this pace, in words; empty when that is not in this month, or unknown.
    """

    amount: int
    spent: int
    left: int
    percent: int
    share: str
    label: str
    tone: str
    blocks: bool
    reached: str
    href: str


def month_of(spent: Spent, days: Calendar, jobs: int, most: int) -> Month:
    """:param jobs: reported in the month, counted up to `most`."""
    now, before = spent.between(days.month, days.tomorrow), spent.between(days.last_month, _after(days.same_day))
    return Month(
        name=date_format(days.today, "F"),
        spent=now,
        href=addresses.usage("month"),
        jobs=min(jobs, most),
        jobs_text=localised(f"{min(jobs, most):,}"),
        many=jobs > most,
        before=before,
        before_href=addresses.usage_days(days.last_month, _after(days.same_day)),
        before_day=date_format(days.same_day, pgettext("date format", "j F")),
        comparison=_comparison(now, before),
        last_day=date_format(days.next_month - timedelta(days=1), pgettext("date format", "j F")),
    )


def _after(day: date) -> date:
    return day + timedelta(days=1)


def _comparison(now: int, before: int) -> str:
    percent = (abs(now - before) * 200 + before) // (2 * before) if before > 0 else 0
    if before <= 0:
        return _("Nothing was spent by then")
    if percent < 1:
        return _("As much this month")
    if percent >= 1000:
        return _("Over ten times as much this month")
    if now > before:
        return _("%(percent)s %% more this month") % {"percent": percent}
    return _("%(percent)s %% less this month") % {"percent": percent}


def budget_of(use: LimitUse | None, known: tuple[int, ...], today: int, days: Calendar) -> Budget | None:
    if use is None:
        return None
    permille = use.spent * 1000 // use.amount if use.amount else 1000
    left = max(use.amount - use.spent, 0)
    return Budget(
        amount=use.amount,
        spent=use.spent,
        left=left,
        percent=permille // 10,
        share=f"{min(max(permille, 5), 1000) / 10:.1f}",
        label=_("%(percent)s %% of the monthly budget used") % {"percent": permille // 10},
        tone="bad" if permille >= 1000 else "warn" if permille >= 800 else "",
        blocks=use.action == "block",
        reached=_reached(left, known, today, days),
        href=addresses.address("organisation-limits"),
    )


def _reached(left: int, known: tuple[int, ...], today: int, days: Calendar) -> str:
    if not left:
        return _("It is used up")
    if not known:
        return ""
    after = pace.runway(known, max(today, 0), (Bucket(left),)).days.middle
    if after >= days.days_left:
        return ""
    return _("At this pace it is used up about %(day)s") % {
        "day": date_format(days.today + timedelta(days=after), pgettext("date format", "j F"))
    }


def chart_of(spent: Spent, names: Mapping[int, str], days: Calendar) -> Chart | None:
    """The last thirty days, a series for each back end, the dearest first; None when nothing was spent in them."""
    rows = [row for row in spent.rows if row.day >= days.chart]
    totals: Counter[int] = Counter()
    for row in rows:
        totals[row.backend] += row.amount
    order = [backend for backend, amount in totals.most_common() if amount]
    if not order:
        return None
    shown, rest = order[:MOST_BACKENDS], set(order[MOST_BACKENDS:])
    labels = [days.chart + timedelta(days=n) for n in range(DAYS)]
    series = [_series(names.get(one, ""), {one}, rows, labels) for one in shown]
    series += [_series(_("Other back ends"), rest, rows, labels)] if rest else []
    return Chart(
        id="days",
        title=_("Spent per day"),
        kind="bar",
        labels=tuple(date_format(day, "j M") for day in labels),
        series=tuple(series),
        summary=_summary(names.get(order[0], ""), totals[order[0]], sum(totals.values())),
        label_title=_("Day"),
    )


def _series(name: str, backends: set[int], rows: Sequence[BackEndDay], labels: Sequence[date]) -> Series:
    sums: Counter[date] = Counter()
    for row in rows:
        if row.backend in backends:
            sums[row.day] += row.amount
    return Series(name, values_of([sums[day] for day in labels]))


def _summary(dearest: str, amount: int, total: int) -> str:
    return _("%(total)s credits were spent in %(days)s days, %(percent)s %% of them on %(backend)s.") % {
        "total": credits_text(total),
        "days": DAYS,
        "percent": amount * 100 // total if total > 0 else 0,
        "backend": dearest,
    }
