"""The causes of a difference in cost sum to it exactly, for any two jobs; and each names what really differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting import differences, units
from accounting.differences import CAUSES, Cause, Item, Side
from accounting.rating import Rule, UsageLine, cap, rate
from tests.properties.test_rating import facts, rules, surcharges, usage_lines

money = st.integers(0, 10**12)


@st.composite
def items(draw: st.DrawFn) -> list[Item]:
    """What a report was rated as, by the code that bills; perhaps cut down to a hold."""
    cards = draw(st.lists(rules(), max_size=4)) + draw(surcharges)
    cards = [replace(rule, id=number) for number, rule in enumerate(cards, start=1)]
    by_id, known = {rule.id: rule for rule in cards}, draw(facts)
    lines = rate(draw(st.lists(usage_lines(), max_size=4)), cards, known)
    most = draw(st.none() | money)
    source, tariff = draw(st.sampled_from(["a", "b"])), draw(st.integers(1, 3))
    return [
        Item(
            metric=line.metric,
            unit=line.canonical_unit,
            quantity=units.UNITS[line.unit].convert(line.quantity),
            rule=by_id[line.rule] if line.rule else None,
            amount=line.amount,
            source=source,
            tariff=tariff,
            state=known["state"],
            process=line.process,
            udp=bool(line.process),
        )
        for line in (lines if most is None else cap(lines, most))
    ]


@st.composite
def sides(draw: st.DrawFn) -> Side:
    """A job of up to three reports, given back in part or charged by lines that are not listed."""
    reports = draw(st.lists(items(), max_size=3))
    return Side([item for report in reports for item in report], draw(st.just(0) | money), draw(st.just(0) | money))


def amounts(causes: tuple[Cause, ...]) -> Mapping[str, int]:
    return {cause.name: cause.amount for cause in causes}


@settings(max_examples=300, deadline=None)
@given(sides(), sides())
def test_the_causes_sum_to_the_whole_difference(first: Side, other: Side) -> None:
    causes = differences.explain(first, other)

    assert sum(cause.amount for cause in causes) == other.cost - first.cost
    assert all(type(cause.amount) is int and cause.amount for cause in causes)
    assert [cause.name for cause in causes] == [name for name in CAUSES if name in amounts(causes)]


@given(sides())
def test_a_job_differs_in_nothing_from_itself(side: Side) -> None:
    assert differences.explain(side, side) == ()


@settings(max_examples=200, deadline=None)
@given(sides(), sides())
def test_the_other_way_round_only_the_signs_change(first: Side, other: Side) -> None:
    there, back = differences.explain(first, other), differences.explain(other, first)

    assert back == tuple(Cause(cause.name, -cause.amount) for cause in there)


@settings(max_examples=200, deadline=None)
@given(sides(), sides())
def test_rounding_is_what_rounding_can_be(first: Side, other: Side) -> None:
    """Were a line priced otherwise here than when it was charged, the difference would land in it."""
    most = (len(first.items) + len(other.items) + len(CAUSES)) / 2

    assert abs(amounts(differences.explain(first, other)).get("rounding", 0)) <= most


def test_a_line_that_is_priced_otherwise_is_noticed() -> None:
    """The control of the test before: an amount that no rule gives is neither rounding nor hidden."""
    wrong = Side([replace(line(), amount=line().amount - 500)])

    assert amounts(differences.explain(Side([line()]), wrong)) == {"borne": -500}


CPU = Rule(1, "CPU", "cpu", "cpu-hour", "per_unit", Decimal("1.5"))
HALF = replace(CPU, id=2, factor=Decimal("0.5"), when={"state": frozenset({"FAILED"})})
AREA = Rule(3, "Service ndvi", "area", "km2", "per_unit", Decimal(2), beneficiary="publisher:atlas")
FEE = Rule(4, "Base fee", "processing", "credit", "per_unit", Decimal(1))


def line(rule: Rule = CPU, quantity: str = "2", **changes: object) -> Item:
    """A line as it would have been charged."""
    (rated,) = rate(
        [UsageLine(rule.metric, Decimal(quantity), _UNIT[rule.metric], quantity)], [replace(rule, when={})], {}
    )
    made = Item(rule.metric, rule.canonical_unit, Decimal(quantity), rule, rated.amount, "mep", 7, "FINISHED")
    return replace(made, **changes)  # type: ignore[arg-type]  # whichever the test is about


_UNIT = {"cpu": "cpu-hours", "area": "km2", "processing": "credits", "memory": "gb-hours", "time": "hours"}


@pytest.mark.parametrize(
    ("first", "other", "expected"),
    [
        ([line()], [line(quantity="3")], {"cpu": 1_500_000}),
        ([line()], [line(replace(CPU, id=9, price=Decimal(2)), source="cdse", tariff=8)], {"rate": 1_000_000}),
        ([line()], [line(replace(CPU, id=9, price=Decimal(2)), tariff=8)], {"tariff_version": 1_000_000}),
        ([line()], [line(replace(CPU, id=9, price=Decimal(2)))], {"conditions": 1_000_000}),
        ([line()], [line(HALF, state="FAILED")], {"failure_policy": -1_500_000}),
        ([line()], [line(replace(CPU, id=9, free=Decimal(1)))], {"allowances": -1_500_000}),
        ([line()], [line(), line(AREA, "3", udp=True, process="ndvi")], {"udp_fee": 6_000_000}),
        ([line(AREA, "1", udp=True)], [line(AREA, "3", udp=True)], {"area": 4_000_000}),
        ([line(AREA, "1", udp=True)], [line(replace(AREA, id=9, price=Decimal(5)), "1", udp=True, source="cdse")],
         {"udp_fee": 3_000_000}),
        ([line()], [line(), line(FEE)], {"fixed_fees": 2_000_000}),
        ([line(FEE)], [line(replace(FEE, id=9, price=Decimal(2)), source="cdse")], {"fixed_fees": 2_000_000}),
        ([line()], [line(), line(replace(CPU, id=9, metric="time", canonical_unit="hour"))], {"other": 3_000_000}),
        ([line()], [replace(line(), rule=None, amount=0, source="cdse")], {"rate": -3_000_000}),
        # Both the time and the price: each gets what it changes alone, and half of what they change together.
        ([line()], [line(replace(CPU, id=9, price=Decimal(2)), "4", source="cdse")],
         {"cpu": 3_500_000, "rate": 1_500_000}),
    ],
)  # fmt: skip
def test_each_cause_is_named(first: list[Item], other: list[Item], expected: dict[str, int]) -> None:
    assert amounts(differences.explain(Side(first), Side(other))) == expected


def test_what_was_given_back_is_a_cause_of_its_own() -> None:
    refunded = Side([line(quantity="3")], given_back=4_500_000)

    assert amounts(differences.explain(Side([line()]), refunded)) == {"cpu": 1_500_000, "given_back": -4_500_000}


def test_a_thousand_parts_are_compared_like_one() -> None:
    parts = [line(quantity="0.002") for _ in range(1000)]

    assert differences.explain(Side([line()]), Side(parts)) == ()
