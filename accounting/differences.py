"""Why one job cost more than another: the whole difference in micro-credits, shared out over named causes.

Pure, like rating: what a line would have cost with the other job's quantity, price, allowances or factor is asked of
`rating.exact`. Each cause gets what it changes on average over all orders in which one job can be turned into the
other (the Shapley value), so that no order is preferred and swapping the jobs only changes the signs (docs/compare.md,
decision 0015).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import permutations, zip_longest
from typing import Literal

from accounting.credits import EXACT, MICROS, round_credits
from accounting.rating import ZERO, Rule, exact

CauseName = Literal[
    "cpu", "memory", "area", "processing", "other", "fixed_fees", "udp_fee", "rate", "tariff_version", "conditions",
    "failure_policy", "allowances", "surcharge", "borne", "given_back", "unlisted", "rounding",
]  # fmt: skip
CAUSES: tuple[CauseName, ...] = CauseName.__args__  # type: ignore[attr-defined]
"""In the order in which people read them: what the job used, what it was priced by, what happened to it since."""

_OF_METRIC: Mapping[str, CauseName] = {
    "cpu": "cpu",
    "memory": "memory",
    "area": "area",
    "processing": "processing",
    "surcharge": "surcharge",
}
_PARTS: Mapping[str, tuple[str, ...]] = {
    "price": ("model", "price", "tiers", "package"),
    "bounds": ("free", "minimum", "maximum"),
    "factor": ("factor",),
}
"""What of a rule is exchanged together."""


@dataclass(frozen=True, slots=True)
class Item:
    """A charged line. `quantity` is canonical and not rounded, `amount` micro-credits as booked.

    `udp`: what a published algorithm asks for its use. `rule` None: no rule priced it. `tariff` and `state` are those
    of its report.
    """

    metric: str
    unit: str
    quantity: Decimal
    rule: Rule | None
    amount: int
    source: str
    tariff: int | None
    state: str
    process: str = ""
    udp: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """A job as it was charged; micro-credits. `given_back` was refunded, `unlisted` charged by lines not at hand."""

    items: Sequence[Item]
    given_back: int = 0
    unlisted: int = 0

    @property
    def cost(self) -> int:
        return sum(item.amount for item in self.items) - self.given_back + self.unlisted


@dataclass(frozen=True, slots=True)
class Cause:
    """What it adds to the other job's cost (micro-credits, negative: takes away)."""

    name: CauseName
    amount: int


def explain(first: Side, other: Side) -> tuple[Cause, ...]:
    """The causes of `other.cost - first.cost`, to which they sum exactly, in the order of `CAUSES`; none is zero.

    Each is rounded half to even to a micro-credit; `rounding` has what the lines' own rounding and this one leave.
    """
    shares: dict[CauseName, Fraction] = defaultdict(Fraction)
    for one, two in _pairs(_merged(first.items), _merged(other.items)):
        for name, share in _of_pair(one, two):
            shares[name] += share
    shares["borne"] += _borne(other.items) - _borne(first.items)
    shares["given_back"] -= other.given_back - first.given_back
    shares["unlisted"] += other.unlisted - first.unlisted
    amounts = {name: round(share) for name, share in shares.items()}  # Python rounds fractions half to even
    amounts["rounding"] = other.cost - first.cost - sum(amounts.values())
    return tuple(Cause(name, amounts[name]) for name in CAUSES if amounts.get(name))


def _borne(items: Iterable[Item]) -> int:
    """How far the lines were cut down because the back end bears what goes beyond a hold (H9); never positive."""
    return sum(item.amount - round_credits(exact(item.rule, item.quantity)) for item in items if item.rule)


def _merged(items: Iterable[Item]) -> list[Item]:
    """Lines at the same plain price as one: of a job reported in a thousand parts, a few are left."""
    merged: dict[Hashable, Item] = {}
    for number, item in enumerate(items):
        key = _plain_key(item) or number
        known = merged.get(key)
        merged[key] = replace(known, quantity=EXACT.add(known.quantity, item.quantity)) if known else item
    return list(merged.values())


def _plain_key(item: Item) -> tuple[Hashable, ...] | None:
    rule = item.rule
    if rule is None or rule.model != "per_unit" or rule.free or rule.minimum is not None or rule.maximum is not None:
        return None
    return (item.metric, item.unit, item.process, item.udp, rule.id, item.source, item.tariff, item.state)


def _pairs(first: Sequence[Item], other: Sequence[Item]) -> Iterable[tuple[Item | None, Item | None]]:
    """Lines of one metric and unit face each other, of the same process where there is one; else in their order."""
    same, first, other = _matched(first, other, lambda item: (item.metric, item.unit, item.udp, item.process))
    alike, first, other = _matched(first, other, lambda item: (item.metric, item.unit, item.udp))
    return [*same, *alike, *((item, None) for item in first), *((None, item) for item in other)]


def _matched(
    first: Sequence[Item], other: Sequence[Item], key: Callable[[Item], Hashable]
) -> tuple[list[tuple[Item, Item]], list[Item], list[Item]]:
    left, right = _grouped(first, key), _grouped(other, key)
    pairs, rest_left, rest_right = [], [], []
    for name in dict.fromkeys([*left, *right]):
        for one, two in zip_longest(left[name], right[name]):
            if one and two:
                pairs.append((one, two))
            elif one:
                rest_left.append(one)
            else:
                rest_right.append(two)
    return pairs, rest_left, rest_right


def _grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> defaultdict[Hashable, list[Item]]:
    groups: defaultdict[Hashable, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _of_pair(one: Item | None, two: Item | None) -> Iterable[tuple[CauseName, Fraction]]:
    if one is None or two is None:
        yield from _alone(one, two)
        return
    rules = _rules(one, two)
    if rules is None:
        return
    players = [name for name, fields in _PARTS.items() if any(_differ(*rules, field) for field in fields)]
    if one.quantity != two.quantity:
        players.append("quantity")

    def value(changed: frozenset[str]) -> Fraction:
        taken = {f: getattr(rules[1], f) for part in changed - {"quantity"} for f in _PARTS[part]}
        return _micros(replace(rules[0], **taken), (two if "quantity" in changed else one).quantity)

    for player, share in _shapley(players, value).items():
        yield _cause(player, one, two), share


def _alone(one: Item | None, two: Item | None) -> Iterable[tuple[CauseName, Fraction]]:
    """A line that only one of the jobs has: all of it is what it measures."""
    item, sign = (two, 1) if two else (one, -1)
    if item is not None and item.rule:
        yield _quantity_cause(item, alone=True), sign * _micros(item.rule, item.quantity)


def _rules(one: Item, two: Item) -> tuple[Rule, Rule] | None:
    """Their rules; where one has none, one that asks nothing."""
    if one.rule and two.rule:
        return one.rule, two.rule
    if one.rule:
        return one.rule, _free(one.rule)
    return (_free(two.rule), two.rule) if two.rule else None


def _free(rule: Rule) -> Rule:
    return replace(rule, model="per_unit", price=ZERO, tiers=(), free=ZERO, minimum=None, maximum=None)


def _differ(one: Rule, two: Rule, name: str) -> bool:
    return bool(getattr(one, name) != getattr(two, name))


def _micros(rule: Rule, quantity: Decimal) -> Fraction:
    return Fraction(exact(rule, quantity)) * MICROS


def _shapley(players: Sequence[str], value: Callable[[frozenset[str]], Fraction]) -> Mapping[str, Fraction]:
    """What each adds on average over all orders of joining; at most four join, so all orders are gone through."""
    known: dict[frozenset[str], Fraction] = {}
    totals: dict[str, Fraction] = dict.fromkeys(players, Fraction(0))
    orders = list(permutations(players))
    for order in orders:
        for place, player in enumerate(order):
            for joined in (frozenset(order[:place]), frozenset(order[: place + 1])):
                if joined not in known:
                    known[joined] = value(joined)
            totals[player] += known[frozenset(order[: place + 1])] - known[frozenset(order[:place])]
    return {player: total / len(orders) for player, total in totals.items()}


def _cause(player: str, one: Item, two: Item) -> CauseName:
    if player == "quantity":
        return _quantity_cause(one)
    if player == "bounds":
        return "allowances"
    by_state = any(item.rule and "state" in item.rule.when for item in (one, two))
    if player == "factor" and (by_state or one.state != two.state):
        return "failure_policy"
    return _price_cause(one, two, by_state=by_state)


def _price_cause(one: Item, two: Item, *, by_state: bool) -> CauseName:
    """The same source has other prices by another version of its tariff, or by what its rules look at."""
    if one.source != two.source:
        return "udp_fee" if one.udp else "fixed_fees" if _is_fixed(one) and _is_fixed(two) else "rate"
    if one.tariff != two.tariff:
        return "tariff_version"
    if one.udp and one.process != two.process:
        return "udp_fee"
    return "failure_policy" if by_state and one.state != two.state else "conditions"


def _quantity_cause(item: Item, *, alone: bool = False) -> CauseName:
    if alone and item.udp:
        return "udp_fee"
    if (item.unit == "credit" and item.metric != "surcharge") or (alone and _is_fixed(item)):
        return "fixed_fees"
    return _OF_METRIC.get(item.metric, "other")


def _is_fixed(item: Item) -> bool:
    """Whether it asks the same of every job, or was reported in credits."""
    return item.metric != "surcharge" and (item.unit == "credit" or bool(item.rule and item.rule.model == "flat"))
