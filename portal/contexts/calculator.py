"""What a job would cost on every back end, computed by the code that bills (Q1) and explained line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from accounting import directory, quotes
from accounting.errors import DomainError, IssuerUnknown, QuantityImpossible
from accounting.organisations import PersonView
from accounting.quotes import Quote
from accounting.rating import UsageLine
from accounting.receipts import ChargeView
from accounting.reports import USAGE_REPORTS, UsageReport
from accounting.tariff_queries import RateCard
from portal.contexts.prices import calculation, metric_title, unit_title

METRICS = (
    ("cpu", "cpu", "cpu-hours"),
    ("memory", "memory", "gb-hours"),
    ("time", "time", "hours"),
    ("shpu", "processing", "shpu"),
    ("area", "area", "km2"),
)
"""Field of the form, metric, unit."""
NOON = time(12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """`quantity` in `unit`, its price by `rule` (empty: nothing prices it), and the arithmetic in numbers."""

    title: str
    quantity: Decimal
    unit: str
    rule: str
    calculation: str
    amount: int
    payee: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What one source would charge; `prices` says whether it has a price for any of it. `share` is its part of the
    dearest in percent, for the bar, `meter` the same in words. `problem` says why there is no price."""

    backend: str
    source: str
    cost: int
    share: str
    meter: str
    tariff: str
    tariff_href: str
    lines: tuple[Line, ...]
    changes_at: datetime | None
    problem: str
    prices: bool


@dataclass(frozen=True, slots=True)
class Result:
    """Cheapest first, those without a price last. `facts` is who was assumed to pay."""

    offers: tuple[Offer, ...]
    plan: str
    personal: bool
    at: date | None


def lines_of(wanted: Mapping[str, Any]) -> tuple[UsageLine, ...]:
    """The usage lines of a report that says what the form says; what is 0 is not reported."""
    found = []
    for name, metric, unit in METRICS:
        quantity: Decimal | None = wanted.get(name)
        if quantity:
            process = wanted.get("process") or "" if metric == "area" else ""
            found.append(UsageLine(metric, quantity, unit, f"{quantity:f}", process))
    return tuple(found)


def report_of(wanted: Mapping[str, Any], source: str, person: PersonView | None) -> UsageReport:
    """The report that a back end would send for such a job."""
    at: date | None = wanted.get("at")
    return UsageReport(
        endpoint=USAGE_REPORTS,
        source=source,
        user=person.sub if person else "",
        job_id="",
        lines=lines_of(wanted),
        raw="{}",
        kind=wanted["kind"],
        state=wanted["state"],
        finished_at=datetime.combine(at, NOON) if at else None,
        user_issuer=person.issuer if person else None,
    )


def calculate(wanted: Mapping[str, Any], person: PersonView | None, now: datetime) -> Result:
    """:param wanted: the cleaned data of the form. :param person: who would pay; None: somebody new."""
    backends = directory.entries(now)
    sources = [(entry.name, source.source_id) for entry in backends for source in entry.sources]
    reports = [report_of(wanted, source, person) for _name, source in sources]
    found = list(zip(sources, quotes.quote_each(None, reports), strict=True))
    priced = [(name, quote) for (name, _source), quote in found if isinstance(quote, Quote) and quote.tariff]
    dearest = max((quote.cost for _name, quote in priced), default=0)
    slugs = {source.source_id: entry.slug for entry in backends for source in entry.sources}
    offers = [_offer(name, quote, dearest, slugs[quote.source]) for name, quote in priced]
    offers.sort(key=lambda offer: (not offer.prices, offer.cost, offer.backend))
    offers += [
        _without(name, source, quote)
        for (name, source), quote in found
        if isinstance(quote, DomainError) or not quote.tariff
    ]
    facts = priced[0][1].facts if priced else {}
    return Result(tuple(offers), facts.get("plan", ""), facts.get("organisation_class") == "personal", wanted.get("at"))


def _offer(name: str, quote: Quote, dearest: int, slug: str) -> Offer:
    assert quote.tariff is not None
    permille = quote.cost * 1000 // dearest if dearest else 0
    path = reverse("rate-version", args=[slug, quote.tariff.version])
    return Offer(
        backend=name,
        source=quote.source,
        cost=quote.cost,
        share=f"{permille / 10:.1f}",
        meter=_("%(percent)s %% of the dearest price") % {"percent": permille // 10},
        tariff=_("%(name)s, version %(version)s") % {"name": quote.tariff.name, "version": quote.tariff.version},
        tariff_href=f"{path}?{urlencode({'source': quote.source})}",
        lines=tuple(_line(line) for line in quote.lines),
        changes_at=quote.valid_until,
        problem="",
        prices=not quote.lines or any(line.rule for line in quote.lines),
    )


def _line(line: ChargeView) -> Line:
    title = metric_title(line.metric, line.canonical_unit)
    return Line(
        title=f"{title} · {line.process}" if line.process else title,
        quantity=line.quantity,
        unit=unit_title(line.canonical_unit, many=line.quantity != 1),
        rule=line.rule.name if line.rule else "",
        calculation=calculation(line.formula, line.quantity, line.amount) if line.rule else "",
        amount=line.amount,
        payee=line.payee.name if line.amount else "",
    )


def _without(name: str, source: str, problem: Quote | DomainError) -> Offer:
    said = _("No rates are published for that day.")
    if isinstance(problem, QuantityImpossible):
        said = _("So much cannot be priced.")
    elif isinstance(problem, IssuerUnknown):
        said = _("It does not know people who sign in as you do.")
    return Offer(name, source, 0, "0", "", "", "", (), None, said, False)


def services_of(cards: Sequence[RateCard]) -> tuple[str, ...]:
    """The process ids that have a price of their own."""
    names = {name for card in cards for rule in card.rules for name in rule.when.get("process", ())}
    return tuple(sorted(names))
