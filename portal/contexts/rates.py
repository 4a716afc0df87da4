"""What the pages about rates show: every back end's card side by side, one of them with its history, and changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from accounting import tariff_queries, tariffs
from accounting.pricing import NEWCOMER
from accounting.rating import Rule, UsageLine, rate
from accounting.tariff_queries import Announcement, RateCard
from portal.contexts.crumbs import Crumb
from portal.contexts.prices import ChangeText, Price, RuleText, change_text, price_of, rule_text

HISTORY = 20
"""Versions that a page of a rate card shows; the next ones are a step away."""


@dataclass(frozen=True, slots=True)
class Case:
    """A common thing to pay for, of which every back end's price is compared."""

    title: str
    metric: str
    unit: str
    state: str = "FINISHED"
    kind: str = "batch"


@dataclass(frozen=True, slots=True)
class Cell:
    """`same` when it costs there what it costs in general."""

    backend: str
    price: Price


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    source: str
    href: str


@dataclass(frozen=True, slots=True)
class Comparison:
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A rate card with the address that always leads to it; `phase` is past, in_force or announced. `json` is where
    programs read it."""

    title: str
    backend: str
    backend_slug: str
    source: str
    provider: str
    version: int
    name: str
    note: str
    phase: str
    starts_at: datetime
    ends_at: datetime | None
    published_at: datetime
    href: str
    json: str
    rules: tuple[RuleText, ...]
    special: tuple[RuleText, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What a version changes against the one before it, if there was one."""

    version: Version
    is_first: bool
    changes: tuple[ChangeText, ...]


@dataclass(frozen=True, slots=True)
class RatesPage:
    """`announced` the soonest first; `comparison` and `cards` are what is in force. A price rises `notice_days` after
    it was announced, at the earliest."""

    announced: tuple[Change, ...]
    comparison: Comparison
    cards: tuple[Version, ...]
    notice_days: int


@dataclass(frozen=True, slots=True)
class RateCardPage:
    """One version in full (`shown`, with what it changed), and the history of all sources of the back end.

    `is_permanent` when the address names the version. `older` leads to the rest of the history; empty at its end.
    """

    crumbs: tuple[Crumb, ...]
    backend: str
    backend_slug: str
    shown: tuple[Change, ...]
    announced: tuple[Change, ...]
    history: tuple[Change, ...]
    is_permanent: bool
    several_sources: bool
    older: str


def version_path(card: RateCard) -> str:
    """The address of a version; it means the same for ever."""
    path = reverse("rate-version", args=[card.backend_slug, card.version])
    return f"{path}?{urlencode({'source': card.source_id})}"


def version_of(card: RateCard, now: datetime) -> Version:
    texts = [rule_text(rule, card.provider_name) for rule in card.rules]
    return Version(
        title=_("%(name)s, version %(version)s") % {"name": card.name, "version": card.version},
        backend=card.backend_name,
        backend_slug=card.backend_slug,
        source=card.source_id,
        provider=card.provider_name,
        version=card.version,
        name=card.name,
        note=card.note,
        phase=card.phase(now),
        starts_at=card.starts_at,
        ends_at=card.ends_at,
        published_at=card.published_at,
        href=version_path(card),
        json=reverse("tariff", args=[card.id]),
        rules=tuple(text for text in texts if not text.special),
        special=tuple(text for text in texts if text.special),
    )


def change_of(told: Announcement, now: datetime) -> Change:
    changes = tuple(change_text(change, told.card.provider_name) for change in told.changes)
    return Change(version_of(told.card, now), told.before is None, changes)


def announced(now: datetime, sources: Iterable[int] | None = None) -> tuple[Change, ...]:
    found = tariff_queries.announcements(None if sources is None else list(sources), now)
    return tuple(change_of(one, now) for one in found)


def page_of(now: datetime) -> RatesPage:
    cards = tariff_queries.in_force(now)
    return RatesPage(
        announced=announced(now),
        comparison=comparison_of(cards),
        cards=tuple(version_of(card, now) for card in cards),
        notice_days=tariffs.announcement().days,
    )


def comparison_of(cards: Sequence[RateCard], *, most: int | None = None) -> Comparison:
    """The first `most` cases that any of the cards prices, for each of them; a special case only where it differs."""
    rows: list[Row] = []
    for case in _cases():
        rules = [_rule_for(case, card) for card in cards]
        general = [_rule_for(_general(case), card) for card in cards]
        if any(rules) and (case == _general(case) or rules != general):
            cells = zip(cards, rules, strict=True)
            rows.append(Row(case.title, tuple(Cell(card.backend_name, price_of(rule)) for card, rule in cells)))
    columns = tuple(
        Column(card.backend_name, card.source_id, reverse("rate-card", args=[card.backend_slug])) for card in cards
    )
    return Comparison(columns, tuple(rows[:most]))


def _cases() -> tuple[Case, ...]:
    return (
        Case(_("CPU-hour"), "cpu", "cpu-hour"),
        Case(_("GB-hour of memory"), "memory", "gb-hour"),
        Case(_("Sentinel Hub processing unit"), "processing", "shpu"),
        Case(_("Hour of run time"), "time", "hour"),
        Case(_("CPU-hour of a failed job"), "cpu", "cpu-hour", state="FAILED"),
        Case(_("CPU-hour of a stopped job"), "cpu", "cpu-hour", state="KILLED"),
        Case(_("CPU-hour of a synchronous request"), "cpu", "cpu-hour", kind="sync"),
    )


def _general(case: Case) -> Case:
    return next(one for one in _cases() if (one.metric, one.unit) == (case.metric, case.unit))


def _rule_for(case: Case, card: RateCard) -> Rule | None:
    """The rule by which one unit would be billed, as the code that bills chooses it."""
    facts = {"state": case.state, "kind": case.kind, **NEWCOMER}
    (line, *_surcharges) = rate([UsageLine(case.metric, Decimal(1), case.unit, "1")], card.rules, facts)
    return next((rule for rule in card.rules if rule.id == line.rule), None)


def card_page(slug: str, name: str, now: datetime, before: int | None) -> RateCardPage:
    """What is in force at the back end, what is announced, and what was."""
    cards = tariff_queries.of_backend(slug, before=before, size=HISTORY + 1)
    shown = cards[:HISTORY]
    told = tariff_queries.changes_of([card.id for card in shown])
    changes = [change_of(told[card.id], now) for card in shown]
    older = f"{reverse('rate-card', args=[slug])}?{urlencode({'before': shown[-1].id})}" if len(cards) > HISTORY else ""
    return RateCardPage(
        crumbs=(Crumb(_("Rates"), reverse("rates")),),
        backend=name,
        backend_slug=slug,
        shown=tuple(one for one in changes if one.version.phase == "in_force"),
        announced=tuple(reversed([one for one in changes if one.version.phase == "announced"])),
        history=tuple(changes),
        is_permanent=False,
        several_sources=len({card.source_id for card in cards}) > 1,
        older=older,
    )


def version_page(slug: str, source: str, version: int, now: datetime) -> RateCardPage | None:
    """One version for ever; None: there is no such one."""
    told = tariff_queries.find(slug, source, version)
    if told is None:
        return None
    above = Crumb(told.card.backend_name, reverse("rate-card", args=[slug]))
    return RateCardPage(
        crumbs=(Crumb(_("Rates"), reverse("rates")), above),
        backend=told.card.backend_name,
        backend_slug=slug,
        shown=(change_of(told, now),),
        announced=(),
        history=(),
        is_permanent=True,
        several_sources=True,
        older="",
    )
