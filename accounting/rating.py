"""What usage costs: `rate(lines, rules, facts)`, and nothing else.

Pure: no clock, no database, no settings. The same input gives the same output for ever, so that a receipt can be
recomputed by anybody (docs/receipts.md). Numbered rules (R1 ...) are in accounting/README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from accounting import units
from accounting.credits import EXACT, round_credits, split, to_decimal

Model = Literal["per_unit", "flat", "package", "graduated", "volume", "percentage"]
Facts = Mapping[str, str]
"""What rules may depend on besides the line: state, kind, plan, organisation_class."""

ZERO = Decimal(0)
ONE = Decimal(1)
CONDITIONS = ("state", "kind", "plan", "organisation_class", "process", "collection", "unit")
SURCHARGE = "surcharge"
"""Metric of the line that a percentage rule adds."""


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One metric of a report. `reported` is the quantity as it came over the wire, kept for the receipt."""

    metric: str
    quantity: Decimal
    unit: str
    reported: str
    process: str = ""
    collection: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A published price. `when` narrows it (each key must hold one of its values); the narrowest rule wins.

    `price` is credits per canonical unit (per_unit), per started package (package), once (flat), or percent of the
    other lines (percentage); graduated and volume take `tiers` of (up to and including, price), the last without end.
    `free` canonical units cost nothing; `minimum` and `maximum` are credits a line; `factor` scales the result
    (0 = free, 0.5 = half). `fee` is the platform's fraction, taken from the beneficiary, never from the payer.
    """

    id: int
    name: str
    metric: str
    canonical_unit: str
    model: Model
    price: Decimal = ZERO
    tiers: tuple[tuple[Decimal | None, Decimal], ...] = ()
    package: Decimal = ONE
    free: Decimal = ZERO
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    factor: Decimal = ONE
    fee: Decimal = ZERO
    beneficiary: str = "provider"
    when: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(slots=True)  # a frozen one takes three times as long to make, which was half of rating
class RatedLine:
    """A line with what it costs and why. `amount` is micro-credits, never negative."""

    metric: str
    reported: str
    unit: str
    quantity: Decimal
    canonical_quantity: Decimal
    canonical_unit: str
    rule: int | None
    rule_name: str
    model: str
    price: Decimal | None
    formula: str
    amount: int
    fee: Decimal
    beneficiary: str
    process: str
    collection: str


def rate(lines: Sequence[UsageLine], rules: Iterable[Rule], facts: Facts) -> tuple[RatedLine, ...]:
    """Each line by the narrowest rule that fits it, then percentage rules on their sum.

    A line that no rule fits costs nothing and says so. Lines do not influence one another, so order does not matter.

    :raises KeyError: a unit that `units.find` does not know for the metric; callers check first.
    """
    cards = tuple(rules)
    rated = [_rate_line(line, cards, facts) for line in lines]
    base = sum([line.amount for line in rated])
    if base:
        rated.extend([_surcharge(rule, base) for rule in cards if rule.metric == SURCHARGE and _fits(rule, facts)])
    return tuple(rated)


def cap(lines: Sequence[RatedLine], most: int) -> tuple[RatedLine, ...]:
    """The lines cut down to `most` micro-credits together, in proportion; each formula says so (H9)."""
    amounts = [line.amount for line in lines]
    if sum(amounts) <= most:
        return tuple(lines)
    return tuple(
        replace(line, amount=share, formula=f"min({line.formula}, {to_decimal(share):f})") if line.amount else line
        for line, share in zip(lines, split(most, amounts), strict=True)
    )


def exact(rule: Rule, quantity: Decimal) -> Decimal:
    """Credits of a canonical quantity by that rule, before they are rounded; of a percentage, of that many credits."""
    if rule.model == "percentage":
        return EXACT.multiply(EXACT.divide(EXACT.multiply(quantity, rule.price), Decimal(100)), rule.factor)
    return _price(rule, quantity)[0]


def _rate_line(line: UsageLine, rules: Iterable[Rule], facts: Facts) -> RatedLine:
    unit = units.UNITS[line.unit]
    quantity = unit.convert(line.quantity)
    rule = _narrowest(line, unit.canonical, rules, facts)
    if rule is None:
        return _rated(line, unit.canonical, quantity, None, ZERO, "no rule prices this: free")
    credits, formula = _price(rule, quantity)
    return _rated(line, unit.canonical, quantity, rule, credits, formula)


def _narrowest(line: UsageLine, canonical: str, rules: Iterable[Rule], facts: Facts) -> Rule | None:
    best: Rule | None = None
    for rule in rules:
        if rule.metric != line.metric or rule.canonical_unit != canonical:
            continue
        if best and len(rule.when) <= len(best.when):
            continue
        if rule.model == "percentage":  # prices the sum of the other lines, never a reported one
            continue
        if not rule.when or _fits(rule, facts, line):
            best = rule
    return best


def _fits(rule: Rule, facts: Facts, line: UsageLine | None = None) -> bool:
    for name, allowed in rule.when.items():
        value = getattr(line, name) if line and name in ("process", "collection", "unit") else facts.get(name, "")
        if value not in allowed:
            return False
    return True


def _price(rule: Rule, quantity: Decimal) -> tuple[Decimal, str]:
    """Exact credits and the formula that gives them; see docs/receipts.md for its grammar."""
    charged = max(EXACT.subtract(quantity, rule.free), ZERO) if rule.free else quantity
    credits, formula = _PRICERS[rule.model](rule, charged)
    if rule.free:
        formula = f"{formula} with q = max(quantity - {rule.free:f}, 0)"
    if charged and rule.minimum is not None and credits < rule.minimum:
        credits, formula = rule.minimum, f"max({formula}, {rule.minimum:f})"
    if rule.maximum is not None and credits > rule.maximum:
        credits, formula = rule.maximum, f"min({formula}, {rule.maximum:f})"
    if rule.factor != ONE:
        credits, formula = EXACT.multiply(credits, rule.factor), f"({formula}) * {rule.factor:f}"
    return credits, formula


def _per_unit(rule: Rule, q: Decimal) -> tuple[Decimal, str]:
    return EXACT.multiply(q, rule.price), f"q * {rule.price:f}"


def _flat(rule: Rule, _q: Decimal) -> tuple[Decimal, str]:
    return rule.price, f"{rule.price:f}"


def _package(rule: Rule, q: Decimal) -> tuple[Decimal, str]:
    started = EXACT.divide(q, rule.package).to_integral_value(rounding="ROUND_CEILING")
    return EXACT.multiply(started, rule.price), f"ceil(q / {rule.package:f}) * {rule.price:f}"


def _graduated(rule: Rule, q: Decimal) -> tuple[Decimal, str]:
    total, lower, parts = ZERO, ZERO, []
    for up_to, price in rule.tiers:
        upper = q if up_to is None else min(q, up_to)
        if upper > lower:
            total = EXACT.add(total, EXACT.multiply(EXACT.subtract(upper, lower), price))
        until = "q" if up_to is None else f"min(q, {up_to:f})"
        parts.append(f"max({until} - {lower:f}, 0) * {price:f}")
        lower = lower if up_to is None else up_to
    return total, " + ".join(parts)


def _volume(rule: Rule, q: Decimal) -> tuple[Decimal, str]:
    """Every unit at the price of the tier reached, but never more than the start of a later tier would cost.

    Without that cap more usage could cost less (R5, monotone in quantity).
    """
    index = next(i for i, (up_to, _) in enumerate(rule.tiers) if up_to is None or q <= up_to)
    credits, formula = EXACT.multiply(q, rule.tiers[index][1]), f"q * {rule.tiers[index][1]:f}"
    for (start, _), (_, price) in zip(rule.tiers[index:], rule.tiers[index + 1 :], strict=False):
        cap = EXACT.multiply(start or ZERO, price)
        if cap < credits:
            credits, formula = cap, f"{start:f} * {price:f}"
    return credits, formula


_PRICERS = {
    "per_unit": _per_unit,
    "flat": _flat,
    "package": _package,
    "graduated": _graduated,
    "volume": _volume,
}


def _surcharge(rule: Rule, base: int) -> RatedLine:
    """A percentage of the other lines' sum, as a line of its own."""
    subtotal = to_decimal(base)
    line = UsageLine(SURCHARGE, subtotal, "credits", f"{subtotal:f}")
    factor = "" if rule.factor == ONE else f" * {rule.factor:f}"
    return _rated(line, "credit", subtotal, rule, exact(rule, subtotal), f"q * {rule.price:f} / 100{factor}")


def _rated(
    line: UsageLine, canonical: str, quantity: Decimal, rule: Rule | None, credits: Decimal, formula: str
) -> RatedLine:
    return RatedLine(
        metric=line.metric,
        reported=line.reported,
        unit=line.unit,
        quantity=line.quantity,
        canonical_quantity=quantity,
        canonical_unit=canonical,
        rule=rule.id if rule else None,
        rule_name=rule.name if rule else "",
        model=rule.model if rule else "",
        price=rule.price if rule and not rule.tiers else None,
        formula=formula,
        amount=round_credits(credits),
        fee=rule.fee if rule else ZERO,
        beneficiary=rule.beneficiary if rule else "provider",
        process=line.process,
        collection=line.collection,
    )
