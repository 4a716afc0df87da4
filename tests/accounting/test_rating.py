"""`rate`: what each model charges (R2), which rule wins (R3), and the golden vectors of the design."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounting.rating import SURCHARGE, RatedLine, Rule, UsageLine, rate

RATES = (
    Rule(1, "CPU", "cpu", "cpu-hour", "per_unit", Decimal("1.5")),
    Rule(2, "Memory", "memory", "gb-hour", "per_unit", Decimal(1)),
    Rule(3, "Sentinel Hub", "processing", "shpu", "per_unit", Decimal("0.15")),
    Rule(4, "Base fee", "processing", "credit", "per_unit", Decimal(1)),
)
CPU = UsageLine("cpu", Decimal(5_099), "cpu-seconds", "5099")
MEMORY = UsageLine("memory", Decimal(13_400_773), "mb-seconds", "13400773")
TIERS = ((Decimal(10), Decimal(5)), (Decimal(100), Decimal(1)), (None, Decimal("0.5")))


def hours(quantity: str, **facts: str) -> UsageLine:
    return UsageLine("cpu", Decimal(quantity), "cpu-hours", quantity, **facts)


def cpu_rule(model: Any = "per_unit", **terms: Any) -> Rule:
    return Rule(1, "CPU", "cpu", "cpu-hour", model, **terms)


def charge(rule: Rule, quantity: str) -> Decimal:
    """Credits of that many CPU-hours."""
    (line,) = rate([hours(quantity)], [rule], {})
    return Decimal(line.amount).scaleb(-6)


def amounts(lines: tuple[RatedLine, ...]) -> list[int]:
    return [line.amount for line in lines]


def test_the_golden_vectors_of_the_design() -> None:
    assert amounts(rate([MEMORY], RATES, {})) == [3_635_192]
    assert amounts(rate([CPU], RATES, {})) == [2_124_583]
    assert sum(amounts(rate([CPU, MEMORY], RATES, {}))) == 5_759_775
    base_fee = UsageLine("processing", Decimal(2), "credits", "2.0")
    assert sum(amounts(rate([CPU, MEMORY, base_fee], RATES, {}))) == 7_759_775
    unit = UsageLine("processing", Decimal(1), "shpu", "1")
    assert amounts(rate([unit], RATES, {})) == [150_000]


def test_a_rated_line_carries_all_that_its_receipt_states() -> None:
    (line,) = rate([CPU], [cpu_rule(price=Decimal("1.5"), fee=Decimal("0.1"), beneficiary="publisher:x")], {})
    assert (line.reported, line.unit, line.quantity, line.canonical_unit) == (
        "5099",
        "cpu-seconds",
        CPU.quantity,
        "cpu-hour",
    )
    assert round(line.canonical_quantity, 12) == Decimal("1.416388888889")
    assert (line.rule, line.rule_name, line.model, line.price) == (1, "CPU", "per_unit", Decimal("1.5"))
    assert (line.formula, line.amount, line.fee, line.beneficiary) == (
        "q * 1.5",
        2_124_583,
        Decimal("0.1"),
        "publisher:x",
    )


def test_a_line_that_no_rule_prices_is_free_and_says_so() -> None:
    (line,) = rate([UsageLine("tiles", Decimal(9), "count", "9")], RATES, {})
    assert (line.amount, line.rule, line.rule_name, line.model, line.price) == (0, None, "", "", None)
    assert line.formula == "no rule prices this: free"


def test_a_rule_prices_only_its_own_canonical_unit() -> None:
    assert amounts(rate([UsageLine("processing", Decimal(3), "credits", "3")], RATES[2:3], {})) == [0]


def test_a_unit_that_is_not_known_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        rate([UsageLine("cpu", Decimal(1), "fortnights", "1")], RATES, {})


@pytest.mark.parametrize(
    ("rule", "charges", "formula"),
    [
        (cpu_rule(price=Decimal(2)), {"0": "0", "3": "6"}, "q * 2"),
        (cpu_rule("flat", price=Decimal(2)), {"0": "2", "3": "2", "99": "2"}, "2"),
        (
            cpu_rule("package", price=Decimal(3), package=Decimal(10)),
            {"0": "0", "0.1": "3", "10": "3", "10.000001": "6", "25": "9"},
            "ceil(q / 10) * 3",
        ),
        (
            cpu_rule("graduated", tiers=TIERS),
            {"0": "0", "4": "20", "10": "50", "11": "51", "100": "140", "102": "141"},
            "max(min(q, 10) - 0, 0) * 5 + max(min(q, 100) - 10, 0) * 1 + max(q - 100, 0) * 0.5",
        ),
        (cpu_rule(price=Decimal(2), free=Decimal(5)), {"0": "0", "5": "0", "5.5": "1"}, None),
        (
            cpu_rule(price=Decimal(2), minimum=Decimal(3)),
            {"0": "0", "1": "3", "2": "4"},
            None,
        ),
        (cpu_rule(price=Decimal(2), maximum=Decimal(3)), {"1": "2", "2": "3", "99": "3"}, None),
        (cpu_rule(price=Decimal(2), factor=Decimal("0.5")), {"1": "1", "3": "3"}, "(q * 2) * 0.5"),
        (cpu_rule(price=Decimal(2), factor=Decimal(0)), {"7": "0"}, "(q * 2) * 0"),
    ],
    ids=["per unit", "flat", "package", "graduated", "free allowance", "minimum", "maximum", "half", "free"],
)
def test_each_model_charges_what_it_says(rule: Rule, charges: dict[str, str], formula: str | None) -> None:
    for quantity, credits in charges.items():
        assert charge(rule, quantity) == Decimal(credits), quantity
    if formula:
        (line,) = rate([hours("7")], [rule], {})
        assert line.formula == formula


@pytest.mark.parametrize(
    ("quantity", "credits", "formula"),
    [
        ("1", "5", "q * 5"),
        ("2", "10", "q * 5"),
        ("3", "10", "10 * 1"),
        ("10", "10", "10 * 1"),
        ("40", "40", "q * 1"),
        ("60", "50", "100 * 0.5"),
        ("100", "50", "100 * 0.5"),
        ("101", "50.5", "q * 0.5"),
    ],
)
def test_volume_prices_every_unit_by_its_tier_but_never_above_the_start_of_a_later_tier(
    quantity: str, credits: str, formula: str
) -> None:
    rule = cpu_rule("volume", tiers=TIERS)
    assert charge(rule, quantity) == Decimal(credits)
    (line,) = rate([hours(quantity)], [rule], {})
    assert line.formula == formula
    assert line.price is None


def test_the_formula_names_allowance_minimum_and_maximum_only_where_they_count() -> None:
    rule = cpu_rule(price=Decimal(2), free=Decimal(1), minimum=Decimal(3), maximum=Decimal(10))
    formulas = [rate([hours(quantity)], [rule], {})[0].formula for quantity in ("1", "2", "4", "9")]
    allowance = "q * 2 with q = max(quantity - 1, 0)"
    assert formulas == [allowance, f"max({allowance}, 3)", allowance, f"min({allowance}, 10)"]


@pytest.mark.parametrize(
    ("facts", "line", "expected"),
    [
        ({"state": "FINISHED"}, hours("1"), 1_000_000),
        ({"state": "FAILED"}, hours("1"), 500_000),
        ({"state": "FAILED", "plan": "partner"}, hours("1"), 0),
        ({"state": "FAILED"}, hours("1", process="ndvi"), 700_000),
        ({"state": "FINISHED"}, hours("1", collection="S2"), 800_000),
        ({"state": "FINISHED"}, UsageLine("cpu", Decimal(60), "cpu-minutes", "60"), 900_000),
    ],
    ids=["general", "failed half", "failed free for partners", "process", "collection", "unit as reported"],
)
def test_the_narrowest_rule_that_fits_wins(facts: dict[str, str], line: UsageLine, expected: int) -> None:
    def rule(number: int, price: str, **when: str) -> Rule:
        return Rule(
            number, str(number), "cpu", "cpu-hour", "per_unit", Decimal(price),
            when={name: frozenset({value}) for name, value in when.items()},
        )  # fmt: skip

    rules = (
        rule(1, "1"),
        rule(2, "0", state="FAILED", plan="partner"),
        rule(3, "0.7", state="FAILED", process="ndvi"),
        rule(4, "0.5", state="FAILED"),
        rule(5, "0.8", collection="S2"),
        rule(6, "0.9", unit="cpu-minutes"),
    )
    assert amounts(rate([line], rules, facts)) == [expected]
    assert amounts(rate([line], rules[::-1], facts)) == [expected]


def test_among_equally_narrow_rules_the_first_wins() -> None:
    first, second = cpu_rule(price=Decimal(1)), cpu_rule(price=Decimal(2))
    assert amounts(rate([hours("1")], [first, second], {})) == [1_000_000]


def test_a_percentage_is_a_line_of_its_own_on_the_sum_of_the_others() -> None:
    surcharge = Rule(9, "Overhead", SURCHARGE, "credit", "percentage", Decimal(10), beneficiary="platform")
    *lines, extra = rate([CPU, MEMORY], (*RATES, surcharge), {})
    assert sum(line.amount for line in lines) == 5_759_775
    assert (extra.metric, extra.amount, extra.beneficiary) == (SURCHARGE, 575_978, "platform")
    assert (extra.reported, extra.canonical_quantity, extra.formula) == (
        "5.759775",
        Decimal("5.759775"),
        "q * 10 / 100",
    )


def test_a_percentage_of_nothing_or_for_others_adds_no_line() -> None:
    surcharge = Rule(9, "Overhead", SURCHARGE, "credit", "percentage", Decimal(10), when={"kind": frozenset({"sync"})})
    assert rate([], (*RATES, surcharge), {"kind": "sync"}) == ()
    assert len(rate([CPU], (*RATES, surcharge), {"kind": "batch"})) == 1
    halved = Rule(9, "Overhead", SURCHARGE, "credit", "percentage", Decimal(10), factor=Decimal("0.5"))
    *_, extra = rate([hours("2")], (cpu_rule(price=Decimal(10)), halved), {})
    assert (extra.amount, extra.formula) == (1_000_000, "q * 10 / 100 * 0.5")


def test_a_reported_surcharge_is_never_priced_by_a_percentage_rule() -> None:
    surcharge = Rule(9, "Overhead", SURCHARGE, "credit", "percentage", Decimal(10))
    reported = UsageLine(SURCHARGE, Decimal(100), "credits", "100")
    assert amounts(rate([reported], [surcharge], {})) == [0]
