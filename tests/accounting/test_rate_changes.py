"""What changes between two rate cards, and that what is said about it is what people would be charged."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from accounting.rate_changes import RuleChange, compare, is_free
from accounting.rating import Rule, UsageLine, rate

CPU = Rule(1, "CPU", "cpu", "cpu-hour", "per_unit", Decimal("1.5"))
FAILED = replace(CPU, name="CPU of a failed job", factor=Decimal("0.5"), when={"state": frozenset({"FAILED"})})
TIERS = ((Decimal(2), Decimal("1.6")), (None, Decimal("0.8")))
GRADUATED = replace(CPU, model="graduated", price=Decimal(0), tiers=TIERS)


def only(old: list[Rule], new: list[Rule]) -> RuleChange:
    (change,) = compare(old, new)
    return change


class TestComparing:
    def test_the_same_card_has_no_changes(self) -> None:
        assert compare([CPU, FAILED], [CPU, FAILED]) == ()

    def test_another_name_or_order_is_no_change(self) -> None:
        assert compare([CPU, FAILED], [replace(FAILED, name="x", id=8), replace(CPU, id=9)]) == ()

    def test_a_higher_price(self) -> None:
        change = only([CPU], [replace(CPU, price=Decimal("1.6"))])
        assert (change.kind, change.percent, change.direction) == ("changed", Decimal("6.67"), "dearer")
        assert [(term.name, term.old, term.new) for term in change.terms] == [("price", Decimal("1.5"), Decimal("1.6"))]

    def test_a_lower_price_by_less_than_a_hundredth_of_a_percent_is_still_cheaper(self) -> None:
        change = only([CPU], [replace(CPU, price=Decimal("1.49999"))])
        assert (change.percent, change.direction) == (Decimal("0.00"), "cheaper")

    def test_price_and_factor_together(self) -> None:
        change = only([CPU], [replace(CPU, price=Decimal(3), factor=Decimal("0.25"))])
        assert (change.percent, change.direction) == (Decimal("-50.00"), "cheaper")

    def test_all_tiers_by_the_same_share(self) -> None:
        dearer = replace(GRADUATED, tiers=tuple((bound, price * 2) for bound, price in TIERS))
        assert only([GRADUATED], [dearer]).percent == Decimal("100.00")

    def test_tiers_that_move_apart_are_mixed_and_have_no_percentage(self) -> None:
        moved = replace(GRADUATED, tiers=((Decimal(2), Decimal(2)), (None, Decimal("0.5"))))
        assert (only([GRADUATED], [moved]).percent, only([GRADUATED], [moved]).direction) == (None, "mixed")

    def test_another_model_is_mixed(self) -> None:
        assert only([CPU], [GRADUATED]).direction == "mixed"

    def test_more_free_units_are_cheaper_without_a_percentage(self) -> None:
        change = only([CPU], [replace(CPU, free=Decimal(2))])
        assert (change.percent, change.direction) == (None, "cheaper")

    def test_a_cap_that_goes_is_dearer(self) -> None:
        change = only([replace(CPU, maximum=Decimal(9))], [CPU])
        assert (change.percent, change.direction) == (None, "dearer")

    def test_the_fee_of_the_platform_is_not_the_payers_business(self) -> None:
        change = only([CPU], [replace(CPU, fee=Decimal("0.1"), beneficiary="platform")])
        assert (change.percent, change.direction) == (Decimal(0), "same")
        assert [term.name for term in change.terms] == ["fee", "beneficiary"]

    def test_a_new_special_case_is_compared_with_the_rule_that_priced_it(self) -> None:
        change = only([CPU], [CPU, FAILED])
        assert (change.kind, change.old, change.new) == ("added", CPU, FAILED)
        assert (change.percent, change.direction) == (Decimal("-50.00"), "cheaper")

    def test_a_special_case_that_goes_is_compared_with_the_rule_that_takes_over(self) -> None:
        change = only([CPU, FAILED], [CPU])
        assert (change.kind, change.rule, change.new) == ("removed", FAILED, CPU)
        assert (change.percent, change.direction) == (Decimal("100.00"), "dearer")

    def test_a_special_case_for_more_than_a_rule_covers_falls_back_to_the_general_one(self) -> None:
        both = replace(FAILED, when={"state": frozenset({"FAILED", "KILLED"})}, factor=Decimal(0))
        added = next(change for change in compare([CPU, FAILED], [CPU, both]) if change.kind == "added")
        assert added.old == CPU

    def test_the_narrowest_rule_of_before_counts(self) -> None:
        sync = replace(FAILED, when={**FAILED.when, "kind": frozenset({"sync"})}, factor=Decimal(0))
        assert only([CPU, FAILED], [CPU, FAILED, sync]).old == FAILED

    def test_a_metric_that_was_free(self) -> None:
        change = only([], [CPU])
        assert (change.old, change.percent, change.direction) == (None, None, "dearer")

    def test_a_metric_that_becomes_free(self) -> None:
        assert (only([CPU], []).percent, only([CPU], []).direction) == (Decimal(-100), "cheaper")

    def test_free_beside_nothing_is_no_change(self) -> None:
        free = replace(CPU, price=Decimal(0))
        assert is_free(free)
        assert compare([], [free]) == compare([free], []) == ()

    def test_of_equals_the_first_one_prices(self) -> None:
        assert compare([CPU, replace(CPU, price=Decimal(9))], [CPU]) == ()


amounts = st.decimals(0, 50, places=3)
prices = st.sampled_from([Decimal(n) for n in ("0", "0.5", "1", "1.5", "3")])
figures: dict[str, Any] = {
    "price": prices,
    "package": st.sampled_from([Decimal(1), Decimal(2), Decimal(5)]),
    "free": st.sampled_from([Decimal(0), Decimal(2)]),
    "minimum": st.none() | prices,
    "maximum": st.none() | st.sampled_from([Decimal(2), Decimal(4), Decimal(20)]),
    "factor": st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(1)]),
}


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    model = draw(st.sampled_from(["per_unit", "flat", "package", "graduated", "volume"]))
    terms = {name: draw(figure) for name, figure in figures.items()}
    tiers = ((Decimal(2), draw(prices)), (Decimal(10), draw(prices)), (None, draw(prices)))
    tiered = model in {"graduated", "volume"}
    return Rule(1, "CPU", "cpu", "cpu-hour", model, **terms, tiers=tiers if tiered else ())  # type: ignore[arg-type]


def cost(rule: Rule, quantity: Decimal) -> int:
    (line,) = rate([UsageLine("cpu", quantity, "cpu-hours", f"{quantity}")], [rule], {})
    return line.amount


@given(rules(), rules(), st.lists(amounts, min_size=1, max_size=8))
def test_what_is_called_dearer_or_cheaper_is_so_for_every_quantity(old: Rule, new: Rule, used: list[Decimal]) -> None:
    changes = compare([old], [new])
    direction = changes[0].direction if changes else "same"
    for quantity in used:
        before, after = cost(old, quantity), cost(new, quantity)
        if direction != "mixed":
            assert after >= before or direction == "cheaper"
            assert after <= before or direction == "dearer"


@given(rules(), st.sampled_from([Decimal("0.5"), Decimal("1.1"), Decimal(3)]), amounts)
def test_the_percentage_is_what_every_charge_changes_by(old: Rule, times: Decimal, quantity: Decimal) -> None:
    new = replace(
        old,
        price=old.price * times,
        tiers=tuple((bound, price * times) for bound, price in old.tiers),
        minimum=None if old.minimum is None else old.minimum * times,
        maximum=None if old.maximum is None else old.maximum * times,
    )
    for change in compare([old], [new]):
        assert change.percent == (0 if is_free(old) else (times - 1) * 100)
        assert abs(cost(new, quantity) - cost(old, quantity) * times) <= 2
