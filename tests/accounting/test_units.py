"""Units convert exactly to what tariffs price: 1 GB = 1024 MB, an hour is 3600 seconds, a km2 is 100 ha."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from accounting import units


@pytest.mark.parametrize(
    ("unit", "quantity", "canonical", "expected"),
    [
        ("cpu-seconds", "3600", "cpu-hour", "1"),
        ("cpu-milliseconds", "1800000", "cpu-hour", "0.5"),
        ("mb-seconds", "3686400", "gb-hour", "1"),
        ("gb-seconds", "7200", "gb-hour", "2"),
        ("mb-hours", "512", "gb-hour", "0.5"),
        ("square_meter", "40000", "km2", "0.04"),
        ("hectare", "250", "km2", "2.5"),
        ("shpu", "12.5", "shpu", "12.5"),
        ("tb", "2", "gb", "2048"),
        ("b", "1073741824", "gb", "1"),
        ("giga-pixel", "3", "mega-pixel", "3000"),
        ("mb-days", "256", "gb-day", "0.25"),
        ("seconds", "90", "hour", "0.025"),
        ("credits", "2", "credit", "2"),
    ],
)
def test_a_unit_converts_exactly(unit: str, quantity: str, canonical: str, expected: str) -> None:
    found = units.UNITS[unit]
    assert found.canonical == canonical
    assert found.convert(Decimal(quantity)) == Decimal(expected)


@pytest.mark.parametrize("unit", units.UNITS.values(), ids=lambda unit: unit.name)
def test_what_a_receipt_prints_as_conversion_gives_the_canonical_quantity(unit: units.Unit) -> None:
    words = unit.conversion.split()
    result = Fraction(13_400_773)
    for operator, factor in zip(words[::2], words[1::2], strict=False):
        result = result * int(factor) if operator == "*" else result / int(factor)
    exact = unit.convert(Decimal(13_400_773))
    assert abs(Fraction(exact) - result) < Fraction(1, 10**40)


def test_a_metric_comes_only_in_units_that_measure_it() -> None:
    assert units.find("cpu", "cpu-seconds") is units.UNITS["cpu-seconds"]
    assert units.find("processing", "credits") is units.UNITS["credits"]
    assert units.find("cpu", "mb-seconds") is None
    assert units.find("cpu", "fortnights") is None


def test_a_metric_that_is_not_well_known_comes_in_any_known_unit() -> None:
    assert units.find("tiles", "count") is units.UNITS["count"]
    assert units.find("tiles", "crates") is None


def test_the_metrics_are_priced_in_units_that_exist() -> None:
    canonical = {unit.canonical for unit in units.UNITS.values()}
    assert all(allowed <= canonical for allowed in units.METRIC_UNITS.values())
