"""Credits are integers of a millionth: read strictly, printed plainly, rounded once, split exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounting.credits import LARGEST, MICROS, parse, round_credits, split, to_decimal, to_number, to_text
from accounting.models import Grant


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0", 0),
        ("1", 1_000_000),
        ("12.5", 12_500_000),
        ("3.635192", 3_635_192),
        ("0.000001", 1),
        ("-0.5", -500_000),
        ("007", 7_000_000),
    ],
)
def test_credits_are_read_from_plain_decimal_text(text: str, micros: int) -> None:
    assert parse(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1_000", "1,5", "+1", "1e3", "NaN", "Infinity", "0x10", ".5", "5.", "-", "--1", "1\n"),
        *("\u0663", "\uff11", "1\u0660", "\u00b2", "99999999999999", "1.0000000"),
    ],
)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        parse(text)


def test_the_largest_booking_can_be_written_and_one_micro_credit_more_cannot() -> None:
    assert parse(to_text(LARGEST)) == LARGEST
    assert parse(to_text(-LARGEST)) == -LARGEST
    for text in (to_text(LARGEST + 1), to_text(-LARGEST - 1)):
        with pytest.raises(ValueError, match="more credits than one booking may move"):
            parse(text)


@pytest.mark.parametrize(
    ("micros", "text", "number"),
    [
        (0, "0", 0),
        (3_635_192, "3.635192", 3.635192),
        (2_000_000, "2", 2),
        (-500_000, "-0.5", -0.5),
        (-1, "-0.000001", -0.000001),
        (1_200_000, "1.2", 1.2),
        (100 * MICROS, "100", 100),
    ],
)
def test_credits_are_printed_without_trailing_zeros_and_whole_ones_are_integers(
    micros: int, text: str, number: int | float
) -> None:
    assert to_text(micros) == text
    assert to_number(micros) == number
    assert type(to_number(micros)) is type(number)
    assert to_decimal(micros) == Decimal(text)


@pytest.mark.parametrize(
    ("credits", "micros"),
    [
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("0.0000025", 2),
        ("0.00000250000000000000000000000000000001", 3),
        ("2.1245833333333333", 2_124_583),
        ("-0.0000015", -2),
    ],
)
def test_a_charge_is_rounded_once_half_to_even(credits: str, micros: int) -> None:
    assert round_credits(Decimal(credits)) == micros


def test_what_is_left_of_a_split_goes_to_the_largest_remainders_then_to_the_earlier_weight() -> None:
    assert split(100, [1, 1, 1]) == [34, 33, 33]
    assert split(10, [1, 2, 4]) == [1, 3, 6]
    assert split(-10, [1, 1, 1]) == [-3, -3, -4]
    assert split(5, [0, 3]) == [0, 5]


@pytest.mark.parametrize("weights", [[], [0, 0], [2, -1]])
def test_a_split_needs_weights_that_can_carry_it(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights must be non-negative"):
        split(10, weights)


def test_a_float_never_becomes_credits() -> None:
    field = Grant._meta.get_field("amount")
    assert field.get_prep_value(5) == 5
    with pytest.raises(TypeError, match="never floats"):
        field.get_prep_value(5.0)
