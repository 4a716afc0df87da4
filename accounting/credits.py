"""Credits as integers of a millionth: parse, print, round once, split exactly.

1 credit = 1,000,000 micro-credits (decision 0002). The ledger never sees anything else; `Decimal` appears only
inside rating and at the borders, and `float` only in the ETL answer, whose clients demand JSON numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal

MICROS = 1_000_000
"""Micro-credits in one credit (scale 6)."""

LARGEST = 1_000_000_000 * MICROS
"""The most that one posting may move, in micro-credits: nine thousand of them fit a wallet (PostgreSQL bigint)."""

EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Every computation with credits runs in this context: 60 digits, so that only the one stated rounding rounds."""

_ONE = Decimal(1)
_SCALE = Decimal(MICROS)
_PLAIN = re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,6})?", re.ASCII)


def parse(text: str) -> int:
    """Micro-credits of a plain decimal string such as `12.5`.

    :raises ValueError: anything else: exponents, signs of plus, spaces, other digits, more than six decimals.
    """
    if not _PLAIN.fullmatch(text):
        raise ValueError("write credits as a plain decimal number with at most six decimals, for example 12.5")
    micros = int(Decimal(text).scaleb(6))
    if abs(micros) > LARGEST:
        raise ValueError("that is more credits than one booking may move")
    return micros


def to_decimal(micros: int) -> Decimal:
    return Decimal(micros).scaleb(-6)


def to_text(micros: int) -> str:
    """Plain decimal without exponent or trailing zeros: `3.635192`, `2`, `-0.5`."""
    sign = "-" if micros < 0 else ""
    whole, part = divmod(abs(micros), MICROS)
    if part == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{part:06d}".rstrip("0")


def to_number(micros: int) -> int | float:
    """The JSON number of the ETL API: an integer when whole, else the nearest double.

    Doubles carry 15 digits, so the value is exact to the micro-credit below one thousand million credits.
    """
    if micros % MICROS == 0:
        return micros // MICROS
    return micros / MICROS


def round_credits(credits: Decimal) -> int:
    """Micro-credits, rounded half to even: the only rounding of a charge (design, Money 1)."""
    return int(EXACT.quantize(EXACT.multiply(credits, _SCALE), _ONE))


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Shares of `total` in proportion to `weights` that sum to `total` exactly.

    The units left over by rounding down go to the largest remainders, ties to the earlier weight.

    :raises ValueError: no weight, a negative one, or all zero.
    """
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError("weights must be non-negative and not all zero")
    shares = [total * weight // whole for weight in weights]
    left = total - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[:left]:
        shares[i] += 1
    return shares
