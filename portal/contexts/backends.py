"""What the pages about back ends show: who runs them, what they promise, whether they report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from accounting import activity, directory, estimates, tariff_queries
from accounting.activity import DAY, QUIET_AFTER, SILENT_AFTER
from accounting.directory import Entry, SourceEntry
from accounting.estimates import CalibrationView
from accounting.tariff_queries import RateCard
from portal.contexts import rates
from portal.contexts.charts import Chart, Series
from portal.contexts.crumbs import Crumb
from portal.contexts.rates import Change, Version
from portal.numerals import localised

CHART_DAYS = 30


@dataclass(frozen=True, slots=True)
class Badge:
    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """How many of the last 30 days' jobs cost what the interval of their estimate said, in percent."""

    percent: str
    jobs: int


@dataclass(frozen=True, slots=True)
class SourceRow:
    """`call` says how the back end hears that a running job should stop."""

    source: str
    badge: Badge
    last_at: datetime | None
    day: int
    month: int
    holds: str
    call: str
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class BackEndRow:
    """`excess` says who pays what a job costs beyond what was held for it; `price` is the one it is known by."""

    name: str
    slug: str
    href: str
    rates_href: str
    provider: str
    url: str
    badge: Badge
    last_at: datetime | None
    day: int
    month: int
    excess: str
    sources: tuple[SourceRow, ...]
    price: str


@dataclass(frozen=True, slots=True)
class BackEndsPage:
    """`quiet_hours` and `silent_days` are the rules of the badges."""

    rows: tuple[BackEndRow, ...]
    quiet_hours: int
    silent_days: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Offered:
    text: str
    loaded_at: datetime


@dataclass(frozen=True, slots=True)
class BackEndPage:
    crumbs: tuple[Crumb, ...]
    row: BackEndRow
    cards: tuple[Version, ...]
    announced: tuple[Change, ...]
    chart: Chart | None
    offers: tuple[Offered, ...]
    quiet_hours: int
    silent_days: int


def page_of(now: datetime) -> BackEndsPage:
    calibration = _calibration()
    prices = {card.source: _main_price(card) for card in tariff_queries.in_force(now)}
    rows = tuple(_row(entry, now, calibration, prices) for entry in directory.entries(now))
    return BackEndsPage(rows, QUIET_AFTER // timedelta(hours=1), SILENT_AFTER // DAY, now)


def backend_page(slug: str, now: datetime) -> BackEndPage | None:
    """None: there is no such back end."""
    entry = next(iter(directory.entries(now, slug)), None)
    if entry is None:
        return None
    mine = [source.id for source in entry.sources]
    cards = [card for card in tariff_queries.in_force(now) if card.source in mine]
    return BackEndPage(
        crumbs=(Crumb(_("Back ends"), reverse("backends")),),
        row=_row(entry, now, _calibration(), {card.source: _main_price(card) for card in cards}),
        cards=tuple(rates.version_of(card, now) for card in cards),
        announced=rates.announced(now, mine),
        chart=_chart(entry, now),
        offers=tuple(_offered(offer) for offer in entry.offers),
        quiet_hours=QUIET_AFTER // timedelta(hours=1),
        silent_days=SILENT_AFTER // DAY,
    )


def badge_of(last_at: datetime | None, now: datetime) -> Badge:
    badges = {
        "healthy": Badge(_("Reporting"), "good"),
        "quiet": Badge(_("Quiet"), "plain"),
        "silent": Badge(_("Silent"), "warn"),
        "never": Badge(_("No report yet"), "plain"),
    }
    return badges[activity.health(last_at, now)]


def _row(entry: Entry, now: datetime, calibration: Mapping[str, Calibration], prices: Mapping[int, str]) -> BackEndRow:
    counted = [source.activity for source in entry.sources if source.activity]
    return BackEndRow(
        name=entry.name,
        slug=entry.slug,
        href=reverse("backend", args=[entry.slug]),
        rates_href=reverse("rate-card", args=[entry.slug]),
        provider=entry.provider,
        url=entry.url,
        badge=badge_of(entry.last_at, now),
        last_at=entry.last_at,
        day=sum(one.day for one in counted),
        month=sum(one.month for one in counted),
        excess=excess_text(entry.excess),
        sources=tuple(_source(source, now, calibration) for source in entry.sources),
        price=next((prices[source.id] for source in entry.sources if source.id in prices), ""),
    )


def _source(entry: SourceEntry, now: datetime, calibration: Mapping[str, Calibration]) -> SourceRow:
    counted = entry.activity
    last_at = counted.last_at if counted else None
    holding = {True: _("Reserves credits before a job runs"), False: _("Has not reserved credits for a job yet")}
    calling = {True: _("Is called when a running job should stop"), False: _("Asks whether a running job should stop")}
    return SourceRow(
        source=entry.source_id,
        badge=badge_of(last_at, now),
        last_at=last_at,
        day=counted.day if counted else 0,
        month=counted.month if counted else 0,
        holds=holding[entry.has_held],
        call=calling[entry.is_called],
        calibration=calibration.get(entry.source_id),
    )


def excess_text(excess: str) -> str:
    """Who pays what a job costs beyond what was held for it (H9)."""
    if excess == "waive":
        return _("The back end bears what a job costs beyond the credits held for it.")
    return _("The user pays what a job costs beyond the credits held for it.")


def _calibration() -> Mapping[str, Calibration]:
    views: Sequence[CalibrationView] = estimates.calibration()
    return {
        view.source: Calibration(localised(f"{100 * view.recent.coverage:.0f}"), view.recent.jobs)
        for view in views
        if view.source and view.recent
    }


def _main_price(card: RateCard) -> str:
    """The price that it is known by: of a CPU-hour, else of the next common thing; empty without any."""
    for row in rates.comparison_of([card], most=1).rows:
        return f"{row.cells[0].price.amount} {row.cells[0].price.per}".strip()
    return ""


def _chart(entry: Entry, now: datetime) -> Chart | None:
    """Reports a UTC day, whatever the source."""
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=back) for back in range(CHART_DAYS - 1, -1, -1)]
    series = []
    for source in entry.sources:
        counted = dict(source.activity.by_day) if source.activity else {}
        if any(day in counted for day in days):
            series.append(Series(source.source_id, tuple(str(counted.get(day, 0)) for day in days)))
    if not series:
        return None
    total = sum(int(value) for one in series for value in one.values)
    reports = ngettext("%(count)s usage report", "%(count)s usage reports", total) % {"count": localised(f"{total:,}")}
    return Chart(
        id="reports-a-day",
        title=_("Usage reports a day"),
        kind="bar",
        # Translators: a day without its year, in the letters of Django's `date` filter
        labels=tuple(date_format(day, pgettext("date format", "j M"), use_l10n=False) for day in days),
        series=tuple(series),
        summary=_("%(reports)s in the last 30 days.") % {"reports": reports},
        unit=_("reports"),
        label_title=_("Day"),
    )


def _offered(offer: directory.Offer) -> Offered:
    if offer.kind == "collection":
        text = ngettext("%(count)s collection", "%(count)s collections", offer.count)
    else:
        text = ngettext("%(count)s process", "%(count)s processes", offer.count)
    return Offered(text % {"count": localised(f"{offer.count:,}")}, offer.loaded_at)
