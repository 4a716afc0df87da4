"""Rating for any lines and any rules (invariants R1 to R5), and a float version of it that must fail."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounting import units
from accounting.rating import SURCHARGE, RatedLine, Rule, UsageLine, rate

METRICS = {
    "cpu": ("cpu-hour", ["cpu-seconds", "cpu-minutes", "cpu-hours", "cpu-milliseconds"]),
    "memory": ("gb-hour", ["mb-seconds", "gb-seconds", "gb-hours"]),
    "area": ("km2", ["square_meter", "hectare", "km2"]),
    "processing": ("shpu", ["shpu"]),
}
CONDITIONS = {"state": ["FINISHED", "FAILED"], "plan": ["free", "partner"], "process": ["ndvi", "evi"]}

money = st.decimals(min_value=0, max_value=1000, places=6, allow_nan=False)
quantities = st.decimals(min_value=0, max_value=10**9, places=6, allow_nan=False) | st.integers(0, 10**12).map(Decimal)


@st.composite
def usage_lines(draw: st.DrawFn) -> UsageLine:
    metric = draw(st.sampled_from(list(METRICS)))
    quantity = draw(quantities)
    unit = draw(st.sampled_from(METRICS[metric][1]))
    return UsageLine(metric, quantity, unit, str(quantity), draw(st.sampled_from(["", "ndvi", "evi"])))


@st.composite
def tiers(draw: st.DrawFn) -> tuple[tuple[Decimal | None, Decimal], ...]:
    bounds = sorted(draw(st.sets(st.integers(1, 10**6), max_size=4)))
    ends: list[Decimal | None] = [Decimal(bound) for bound in bounds]
    return tuple((bound, draw(money)) for bound in [*ends, None])


@st.composite
def rules(draw: st.DrawFn, metric: str | None = None) -> Rule:
    """Any rule that can be published, of any model but percentage."""
    metric = metric or draw(st.sampled_from(list(METRICS)))
    model: Any = draw(st.sampled_from(["per_unit", "flat", "package", "graduated", "volume"]))
    terms: dict[str, Any] = {"tiers": draw(tiers())} if model in ("graduated", "volume") else {"price": draw(money)}
    named = draw(st.lists(st.sampled_from(list(CONDITIONS)), unique=True, max_size=2))
    return Rule(
        id=draw(st.integers(1, 9)),
        name="rule",
        metric=metric,
        canonical_unit=METRICS[metric][0],
        model=model,
        package=draw(st.sampled_from([Decimal(1), Decimal("0.5"), Decimal(100)])),
        free=draw(st.sampled_from([Decimal(0), Decimal(0), Decimal("2.5"), Decimal(1000)])),
        minimum=draw(st.none() | money),
        maximum=draw(st.none() | money),
        factor=draw(st.sampled_from([Decimal(1), Decimal(1), Decimal("0.5"), Decimal(0), Decimal("1.3")])),
        when={name: frozenset({draw(st.sampled_from(CONDITIONS[name]))}) for name in named},
        **terms,
    )


facts = st.fixed_dictionaries({name: st.sampled_from(CONDITIONS[name]) for name in ("state", "plan")})
surcharges = st.lists(money, max_size=2).map(
    lambda prices: [Rule(90 + n, "extra", SURCHARGE, "credit", "percentage", p) for n, p in enumerate(prices)]
)


def total(lines: tuple[RatedLine, ...]) -> int:
    return sum(line.amount for line in lines)


@given(st.lists(usage_lines(), max_size=8), st.lists(rules(), max_size=6), surcharges, facts, st.randoms())
def test_the_order_of_lines_does_not_matter(
    lines: list[UsageLine], cards: list[Rule], extra: list[Rule], known: dict[str, str], random: Any
) -> None:
    """R4."""
    shuffled = random.sample(lines, len(lines))
    first, second = rate(lines, cards + extra, known), rate(shuffled, cards + extra, known)
    assert total(first) == total(second)
    assert sorted(map(repr, first)) == sorted(map(repr, second))


@given(st.lists(usage_lines(), max_size=8), st.lists(rules(), max_size=6), facts)
def test_lines_rated_one_by_one_sum_to_the_whole(
    lines: list[UsageLine], cards: list[Rule], known: dict[str, str]
) -> None:
    apart = [rate([line], cards, known) for line in lines]
    assert total(rate(lines, cards, known)) == sum(total(part) for part in apart)


@given(st.lists(usage_lines(), max_size=8), st.lists(rules(), max_size=6), surcharges, facts)
def test_the_same_input_gives_the_same_output_and_nothing_is_negative(
    lines: list[UsageLine], cards: list[Rule], extra: list[Rule], known: dict[str, str]
) -> None:
    rated = rate(lines, cards + extra, known)
    assert rated == rate(tuple(lines), tuple(cards + extra), dict(known))
    assert all(type(line.amount) is int and line.amount >= 0 for line in rated)


@given(rules("cpu"), quantities, quantities, st.sampled_from(METRICS["cpu"][1]), facts)
@settings(max_examples=400)
@example(
    Rule(1, "v", "cpu", "cpu-hour", "volume", tiers=((Decimal(10), Decimal(5)), (None, Decimal(1)))),
    Decimal(10),
    Decimal(1),
    "cpu-hours",
    {"state": "FINISHED", "plan": "free"},
)
def test_more_usage_never_costs_less(
    rule: Rule, less: Decimal, more: Decimal, unit: str, known: dict[str, str]
) -> None:
    """R5, also for volume and graduated tiers that get cheaper."""

    def cost(quantity: Decimal) -> int:
        return total(rate([UsageLine("cpu", quantity, unit, "", "ndvi")], [rule], known))

    assert cost(less) <= cost(less + more)


@given(st.sampled_from(["per_unit", "graduated", "volume", "package"]), tiers(), money, quantities)
def test_a_charge_is_the_exact_price_rounded_once(
    model: Any, steps: tuple[tuple[Decimal | None, Decimal], ...], price: Decimal, quantity: Decimal
) -> None:
    """The same charge in fractions, which round nothing: within half a micro-credit."""
    rule = Rule(1, "r", "memory", "gb-hour", model, price, tiers=steps)
    (line,) = rate([UsageLine("memory", quantity, "mb-seconds", "")], [rule], {})
    exact = _exact(rule, Fraction(quantity) / (1024 * 3600)) * 1_000_000
    assert abs(line.amount - exact) <= Fraction(1, 2)


def _exact(rule: Rule, q: Fraction) -> Fraction:
    price = Fraction(rule.price)
    if rule.model == "per_unit":
        return q * price
    if rule.model == "package":
        return -(-q // 1) * price
    prices = [Fraction(price) for _, price in rule.tiers]
    bounds = [Fraction(bound) if bound is not None else None for bound, _ in rule.tiers]
    if rule.model == "graduated":
        lower = [Fraction(0), *(bound for bound in bounds if bound is not None)]
        upper = [q if bound is None else min(q, bound) for bound in bounds]
        return sum((max(u - low, Fraction(0)) * p for u, low, p in zip(upper, lower, prices, strict=True)), Fraction(0))
    reached = next(i for i, bound in enumerate(bounds) if bound is None or q <= bound)
    later = [bounds[i - 1] * prices[i] for i in range(reached + 1, len(prices))]  # type: ignore[operator]
    return min([q * prices[reached], *later])


def float_rate(lines: list[UsageLine], cards: list[Rule], _facts: dict[str, str]) -> float:
    """What rating must not be: per-unit prices in binary floating point, summed before it is rounded."""
    prices = {rule.metric: float(rule.price) for rule in cards}
    return sum(float(units.UNITS[line.unit].convert(line.quantity)) * prices.get(line.metric, 0.0) for line in lines)


def test_a_float_version_of_rating_is_found_out() -> None:
    """Negative control: the property that order does not matter sees what floats do."""
    prices = [Rule(1, m, m, METRICS[m][0], "per_unit", Decimal("0.1")) for m in METRICS]

    @given(st.lists(usage_lines(), min_size=3, max_size=8), st.randoms())
    @settings(max_examples=500, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    def order_does_not_matter(lines: list[UsageLine], random: Any) -> None:
        assert float_rate(lines, prices, {}) == float_rate(random.sample(lines, len(lines)), prices, {})

    with pytest.raises(AssertionError):
        order_does_not_matter()
