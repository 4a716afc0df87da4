"""Prices in words: each model, each term, each condition, and what a change says."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from accounting.rate_changes import compare
from accounting.rating import Rule, UsageLine, rate
from portal.contexts import prices
from portal.contexts.prices import calculation, change_text, line_of, price_of, rule_text

CPU = Rule(1, "CPU", "cpu", "cpu-hour", "per_unit", Decimal("1.5"))
TIERS = ((Decimal(2), Decimal("1.6")), (Decimal(20), Decimal("1.2")), (None, Decimal("0.8")))


def rule(**terms: Any) -> Rule:
    return replace(CPU, **terms)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (CPU, ("1.5", "per CPU-hour", "€0.015")),
        (rule(price=Decimal(1250)), ("1,250", "per CPU-hour", "€12.5")),
        (rule(price=Decimal(0)), ("Free", "", "")),
        (rule(factor=Decimal("0.5")), ("0.75", "per CPU-hour", "€0.0075")),
        (rule(factor=Decimal(0)), ("Free", "", "")),
        (rule(model="flat", price=Decimal(4)), ("4", "once a report", "€0.04")),
        (rule(model="package", package=Decimal(10)), ("1.5", "per 10 CPU-hours begun", "€0.015")),
        (rule(model="graduated", tiers=TIERS), ("1.6 – 0.8", "per CPU-hour, step by step", "€0.016 – €0.008")),
        (rule(model="volume", tiers=TIERS), ("1.6 – 0.8", "per CPU-hour, by volume", "€0.016 – €0.008")),
        (rule(model="percentage", metric="surcharge"), ("1.5 %", "of everything else in the report", "")),
        (None, ("Not charged", "", "")),
    ],
)
def test_the_figure_that_a_rule_is_known_by(given: Rule | None, said: tuple[str, str, str]) -> None:
    price = price_of(given)
    assert (price.amount, price.per, price.euro) == said


def test_tiers_say_from_where_to_where() -> None:
    spans = [(tier.span, tier.price.amount) for tier in prices.tiers_of(rule(model="graduated", tiers=TIERS))]
    assert spans == [
        ("up to 2 CPU-hours", "1.6"),
        ("from 2 to 20 CPU-hours", "1.2"),
        ("beyond 20 CPU-hours", "0.8"),
    ]


def test_terms_are_sentences() -> None:
    text = rule_text(
        rule(free=Decimal(2), minimum=Decimal(1), maximum=Decimal(40), factor=Decimal("0.5"), fee=Decimal("0.05")),
        "VITO",
    )
    assert text.notes == (
        "The first 2 CPU-hours of each report are free.",
        "At least 0.5 credits a report.",
        "At most 20 credits a report.",
        "50 % of the listed price of 1.5.",
    )
    assert text.payee == "Paid to VITO; the platform keeps 5 % of it."


def test_a_name_that_says_no_more_than_the_title_is_left_out() -> None:
    assert rule_text(CPU, "VITO").name == ""
    assert rule_text(rule(name="Power"), "VITO").name == "Power"


@pytest.mark.parametrize(
    ("beneficiary", "said"),
    [
        ("provider", "Paid to VITO."),
        ("publisher:field-atlas", "Paid to field-atlas."),
        ("platform", "Paid to the platform."),
    ],
)
def test_who_gets_it(beneficiary: str, said: str) -> None:
    assert rule_text(rule(beneficiary=beneficiary), "VITO").payee == said


def test_conditions_are_phrases() -> None:
    when = {
        "state": frozenset({"FAILED", "KILLED"}), "kind": frozenset({"sync"}), "plan": frozenset({"a", "b", "c"}),
        "organisation_class": frozenset({"research"}), "process": frozenset({"crop"}),
        "collection": frozenset({"S2"}), "unit": frozenset({"cpu-seconds"}),
    }  # fmt: skip
    assert rule_text(rule(when=when), "VITO").special == (
        "failed or stopped jobs only",
        "synchronous jobs only",
        "on the plan a, b or c",
        "for organisations of the class research",
        "for the service crop",
        "for the collection S2",
        "when reported in cpu-seconds",
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (CPU, rule(price=Decimal("1.6")), ("1.5 per CPU-hour", "1.6 per CPU-hour", "+6.7 %", "warn")),
        (CPU, rule(price=Decimal("1.2")), ("1.5 per CPU-hour", "1.2 per CPU-hour", "−20 %", "good")),
        (CPU, rule(price=Decimal(0)), ("1.5 per CPU-hour", "Free", "−100 %", "good")),
        (rule(price=Decimal(0)), CPU, ("Free", "1.5 per CPU-hour", "no longer free", "warn")),
        (CPU, rule(price=Decimal("1.49995")), ("1.5 per CPU-hour", "1.49995 per CPU-hour", "< 0.01 %", "good")),
        (
            CPU,
            rule(free=Decimal(2)),
            (
                "1.5 per CPU-hour",
                "1.5 per CPU-hour; The first 2 CPU-hours of each report are free",
                "depends on how much",
                "good",
            ),
        ),
        (
            CPU,
            rule(fee=Decimal("0.1")),
            (
                "1.5 per CPU-hour; Paid to VITO",
                "1.5 per CPU-hour; Paid to VITO; the platform keeps 10 % of it",
                "",
                "plain",
            ),
        ),
    ],
)
def test_a_change_says_what_was_what_will_be_and_for_whom_it_is_good(
    old: Rule, new: Rule, said: tuple[str, str, str, str]
) -> None:
    (change,) = compare([old], [new])
    text = change_text(change, "VITO")
    assert (text.old, text.new, text.verdict, text.tone) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (CPU, "1,234.5 × 1.5 = 1,851.75"),
        (rule(model="flat"), "1.5 = 1.5"),
        (rule(model="package", package=Decimal(3)), "ceil(1,234.5 ÷ 3) × 1.5 = 618"),
        (rule(model="volume", tiers=TIERS), "1,234.5 × 0.8 = 987.6"),
        (
            rule(free=Decimal(2), minimum=Decimal(90), factor=Decimal("0.5")),
            "(q × 1.5 with q = max(1,234.5 − 2, 0)) × 0.5 = 924.375",
        ),
    ],
)
def test_a_calculation_is_the_formula_with_its_numbers(given: Rule, said: str) -> None:
    quantity = Decimal("1234.5")
    (line,) = rate([UsageLine("cpu", quantity, "cpu-hours", "1234.5")], [given], {})
    assert calculation(line.formula, quantity, line.amount) == said


def test_a_rule_in_one_line_tells_its_tiers() -> None:
    assert line_of(rule(model="graduated", tiers=TIERS[1:])) == (
        "1.2 – 0.8 per CPU-hour, step by step; up to 20 CPU-hours: 1.2; beyond 20 CPU-hours: 0.8"
    )


def test_numbers_are_written_as_the_language_does() -> None:
    from django.utils import translation

    with translation.override("de"):
        price = price_of(rule(price=Decimal("1250.5")))
        assert price.amount == "1.250,5"
        assert calculation("q * 1.5", Decimal(1000), 1_500_000_000) == "1.000 × 1,5 = 1.500"
