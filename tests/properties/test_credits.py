"""Splitting and printing lose nothing, whatever the numbers."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from accounting.credits import LARGEST, parse, round_credits, split, to_decimal, to_number, to_text

MICROS = st.integers(-LARGEST, LARGEST)


@given(total=MICROS, weights=st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_shares_sum_to_the_whole_and_are_within_one_micro_credit_of_their_part(total: int, weights: list[int]) -> None:
    assume(sum(weights) > 0)
    shares = split(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - total * weight) < sum(weights)


@given(MICROS)
def test_what_is_printed_is_read_back(micros: int) -> None:
    assert parse(to_text(micros)) == micros
    assert to_decimal(micros) == Decimal(to_text(micros))


@given(st.integers(-(10**15), 10**15))
def test_the_json_number_of_the_etl_api_is_exact_below_a_thousand_million_credits(micros: int) -> None:
    assert round_credits(Decimal(repr(to_number(micros)))) == micros


@given(st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False))
def test_rounding_moves_a_charge_by_at_most_half_a_micro_credit(credits: Decimal) -> None:
    assert abs(to_decimal(round_credits(credits)) - credits) <= Decimal("0.0000005")
