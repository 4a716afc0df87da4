"""Prices in words: what a rule of a rate card asks, for what, of whom, and who gets it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounting.credits import EXACT, to_text
from accounting.rate_changes import RuleChange, is_free
from accounting.rating import ONE, Rule
from portal.numerals import CENT, MINUS, localised


@dataclass(frozen=True, slots=True)
class Price:
    """`amount` in credits as the page's language writes it, `per` what it is for, `euro` what it is worth; the last is
    empty where there is no one figure. `sort` is the exact amount, for machines.
    """

    amount: str
    per: str
    euro: str = ""
    sort: str = ""


@dataclass(frozen=True, slots=True)
class Tier:
    span: str
    price: Price


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule for people; `name` as published, where it says more than the title. `special` are the conditions under
    which it prices instead of the general one."""

    title: str
    name: str
    price: Price
    tiers: tuple[Tier, ...]
    notes: tuple[str, ...]
    special: tuple[str, ...]
    payee: str


@dataclass(frozen=True, slots=True)
class ChangeText:
    """`tone` says whom it is good for: "good" the user, "warn" not, else "plain". `verdict` is by how much in percent,
    or in words where that depends on how much is used; empty when whoever pays notices nothing."""

    title: str
    special: tuple[str, ...]
    old: str
    new: str
    verdict: str
    tone: str


def metric_title(metric: str, unit: str = "") -> str:
    """What was measured; processing is either units of Sentinel Hub or a fee."""
    if metric == "processing":
        return _("Sentinel Hub processing") if unit == "shpu" else _("Fees reported in credits")
    titles = {
        "cpu": _("CPU time"),
        "gpu": _("GPU time"),
        "memory": _("Memory"),
        "time": _("Run time"),
        "area": _("Area"),
        "storage": _("Storage"),
        "surcharge": _("Surcharge"),
    }
    return titles.get(metric) or metric.replace("_", " ").capitalize()


def unit_title(unit: str, *, many: bool = False) -> str:
    """A canonical unit as people write it."""
    titles = {
        "cpu-hour": (_("CPU-hour"), _("CPU-hours")),
        "gpu-hour": (_("GPU-hour"), _("GPU-hours")),
        "gb-hour": (_("GB-hour"), _("GB-hours")),
        "gb-day": (_("GB-day"), _("GB-days")),
        "hour": (_("hour"), _("hours")),
        "shpu": (_("processing unit"), _("processing units")),
        "credit": (_("credit"), _("credits")),
        "km2": ("km²", "km²"),
        "gb": ("GB", "GB"),
        "mega-pixel": (_("megapixel"), _("megapixels")),
        "count": (_("item"), _("items")),
    }
    one, several = titles.get(unit, (unit, unit))
    return several if many else one


def number(value: Decimal) -> str:
    """A plain decimal without trailing zeros, as the page's language writes it."""
    return localised(f"{value.normalize():,f}") if value else "0"


def euro_price(credits: Decimal) -> str:
    """What a price is worth, not rounded: €0.015."""
    return pgettext("money", "€%(amount)s") % {"amount": number(EXACT.multiply(credits, settings.CREDIT_EURO))}


def price_of(rule: Rule | None) -> Price:
    """The one figure that a rule is known by."""
    if rule is None:
        return Price(_("Not charged"), "", sort="0")
    if is_free(rule):
        return Price(_("Free"), "", sort="0")
    unit = unit_title(rule.canonical_unit)
    if rule.tiers:
        figures = [EXACT.multiply(price, rule.factor) for _bound, price in rule.tiers]
        per = _("per %(unit)s, step by step") if rule.model == "graduated" else _("per %(unit)s, by volume")
        ends = sorted({figures[0], figures[-1]}, reverse=figures[0] >= figures[-1])
        euro = " – ".join(euro_price(end) for end in ends)
        return Price(" – ".join(number(end) for end in ends), per % {"unit": unit}, euro)
    figure = EXACT.multiply(rule.price, rule.factor)
    if rule.model == "percentage":
        return Price(f"{number(figure)} %", _("of everything else in the report"), sort=f"{figure:f}")
    pers = {"per_unit": _("per %(unit)s"), "flat": _("once a report"), "package": _("per %(size)s %(units)s begun")}
    terms = {"unit": unit, "size": number(rule.package), "units": unit_title(rule.canonical_unit, many=True)}
    return Price(number(figure), pers[rule.model] % terms, euro_price(figure), f"{figure:f}")


def tiers_of(rule: Rule) -> tuple[Tier, ...]:
    """From where to where which price counts."""
    found, lower = [], Decimal(0)
    units = unit_title(rule.canonical_unit, many=True)
    for upper, price in rule.tiers:
        if upper is None:
            span = _("beyond %(from)s %(units)s") if lower else _("any amount")
        else:
            span = _("from %(from)s to %(to)s %(units)s") if lower else _("up to %(to)s %(units)s")
        ends = {"from": number(lower), "to": number(upper or lower), "units": units}
        figure = EXACT.multiply(price, rule.factor)
        shown = Price(number(figure) if figure else _("Free"), "", euro_price(figure) if figure else "", f"{figure:f}")
        found.append(Tier(span % ends, shown))
        lower = upper or lower
    return tuple(found)


def notes_of(rule: Rule, *, factor: bool = True) -> tuple[str, ...]:
    """What else the rule says about the price, a sentence each; with `factor` also what the price is a part of."""
    units = unit_title(rule.canonical_unit, many=True)
    notes = []
    if rule.model == "volume":
        notes.append(_("All of it at the price of the step reached, but never more than the next step would begin at."))
    if rule.free:
        notes.append(
            _("The first %(free)s %(units)s of each report are free.") % {"free": number(rule.free), "units": units}
        )
    if rule.minimum:
        notes.append(_("At least %(credits)s credits a report.") % {"credits": number(_scaled(rule.minimum, rule))})
    if rule.maximum is not None:
        notes.append(_("At most %(credits)s credits a report.") % {"credits": number(_scaled(rule.maximum, rule))})
    if factor and rule.factor != ONE and not is_free(rule):
        percent = number(EXACT.multiply(rule.factor, Decimal(100)))
        notes.append(
            _("%(percent)s %% of the listed price of %(price)s.") % {"percent": percent, "price": _listed_price(rule)}
        )
    return tuple(notes)


def _scaled(figure: Decimal, rule: Rule) -> Decimal:
    return EXACT.multiply(figure, rule.factor)


def _listed_price(rule: Rule) -> str:
    return " – ".join(number(price) for _bound, price in rule.tiers) if rule.tiers else number(rule.price)


def conditions_of(rule: Rule) -> tuple[str, ...]:
    """When it prices, a phrase each."""
    phrases = {
        "state": _("%(values)s jobs only"),
        "kind": _("%(values)s jobs only"),
        "plan": _("on the plan %(values)s"),
        "organisation_class": _("for organisations of the class %(values)s"),
        "process": _("for the service %(values)s"),
        "collection": _("for the collection %(values)s"),
        "unit": _("when reported in %(values)s"),
    }
    found = []
    for name, phrase in phrases.items():
        if values := rule.when.get(name):
            found.append(phrase % {"values": either(_value_title(name, value) for value in sorted(values))})
    return tuple(found)


def _value_title(name: str, value: str) -> str:
    states = {
        "FAILED": pgettext("job state", "failed"),
        "KILLED": pgettext("job state", "stopped"),
        "FINISHED": pgettext("job state", "finished"),
        "RUNNING": pgettext("job state", "running"),
        "ACCEPTED": pgettext("job state", "accepted"),
    }
    kinds = {"batch": pgettext("job kind", "batch"), "sync": pgettext("job kind", "synchronous")}
    titles = {"state": states, "kind": kinds}.get(name, {})
    return titles.get(value, value)


def either(names: Iterable[str]) -> str:
    """a, b or c."""
    *first, last = list(names)
    return _("%(names)s or %(last)s") % {"names": ", ".join(first), "last": last} if first else last


def payee_of(rule: Rule, provider: str) -> str:
    """Who gets what is paid, and what the platform keeps of it."""
    kind, _colon, name = rule.beneficiary.partition(":")
    if kind == "platform":
        return _("Paid to the platform.")
    payee = provider if kind == "provider" else name
    if not rule.fee:
        return _("Paid to %(payee)s.") % {"payee": payee}
    fee = number(EXACT.multiply(rule.fee, Decimal(100)))
    return _("Paid to %(payee)s; the platform keeps %(fee)s %% of it.") % {"payee": payee, "fee": fee}


def rule_text(rule: Rule, provider: str) -> RuleText:
    title = metric_title(rule.metric, rule.canonical_unit)
    return RuleText(
        title=title,
        name="" if title.casefold().startswith(rule.name.casefold()) else rule.name,
        price=price_of(rule),
        tiers=tiers_of(rule),
        notes=notes_of(rule),
        special=conditions_of(rule),
        payee="" if is_free(rule) else payee_of(rule, provider),
    )


def line_of(rule: Rule | None, provider: str = "") -> str:
    """A rule in one line, for comparing it with another; with who gets it when `provider` is given."""
    price = price_of(rule)
    parts = [f"{price.amount} {price.per}".strip()]
    if rule is not None and not is_free(rule):
        parts += [f"{tier.span}: {tier.price.amount}" for tier in tiers_of(rule)]
        parts += [note.rstrip(".") for note in notes_of(rule, factor=False)]
        parts += [payee_of(rule, provider).rstrip(".")] if provider else []
    return "; ".join(parts)


def change_text(change: RuleChange, provider: str) -> ChangeText:
    """What changes for whoever pays; who gets it is told where only that changes."""
    rule = change.rule
    payee = provider if change.terms and {term.name for term in change.terms} <= {"fee", "beneficiary"} else ""
    return ChangeText(
        title=metric_title(rule.metric, rule.canonical_unit),
        special=conditions_of(rule),
        old=line_of(change.old, payee),
        new=line_of(change.new, payee),
        verdict=_verdict(change),
        tone={"dearer": "warn", "cheaper": "good", "mixed": "warn"}.get(change.direction, "plain"),
    )


def _verdict(change: RuleChange) -> str:
    if change.direction == "same":
        return ""
    if change.percent is not None:
        return percent_text(change.percent)
    return _("no longer free") if is_free(change.old) else _("depends on how much")


def percent_text(percent: Decimal) -> str:
    size = abs(percent)
    if size < CENT:
        return _("< %(number)s %%") % {"number": number(CENT)}
    shown = number(size.quantize(Decimal("0.1")) if size >= 1 else size)
    return f"{'+' if percent > 0 else MINUS}{shown} %"


def calculation(formula: str, quantity: Decimal, amount: int) -> str:
    """The formula of a line with its numbers put in (docs/receipts.md has its grammar)."""
    variable = "quantity" if " with q = " in formula else "q"
    filled = re.sub(rf"\b{variable}\b", f"{quantity.normalize():f}" if quantity else "0", formula)
    written = filled.replace(" * ", " × ").replace(" / ", " ÷ ").replace(" - ", f" {MINUS} ")
    return _in_words(f"{written} = {to_text(amount)}")


_NUMBER = re.compile(r"(?<![\w.])[0-9]+(?:\.[0-9]+)?(?![\w.])")


def _in_words(text: str) -> str:
    """With every number as the page's language writes it."""
    return _NUMBER.sub(lambda found: localised(f"{Decimal(found[0]):,f}"), text)
