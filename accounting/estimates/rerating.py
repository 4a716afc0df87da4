"""What a past job would cost by the prices in force, by the code that bills (E2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache

import msgspec

from accounting import tariffs, units
from accounting.rating import SURCHARGE, UsageLine, rate

REMEMBERED = 20_000
"""Jobs whose cost by one tariff is remembered by each process; what it is made of never changes."""


class Line(msgspec.Struct, array_like=True):
    """A usage line as it was reported, and what it was in the canonical unit."""

    metric: str
    reported: str
    unit: str
    canonical_quantity: str
    canonical_unit: str
    process: str = ""
    collection: str = ""


class Charge(msgspec.Struct):
    """One report of a job."""

    facts: dict[str, str]
    lines: list[Line]


_charges = msgspec.json.Decoder(list[Charge])


def write(charges: Iterable[Charge]) -> str:
    """The charges of a job in the one form in which they are stored, compared and remembered.

    Surcharges are left out: the tariff adds them again.
    """
    kept = [Charge(one.facts, [line for line in one.lines if line.metric != SURCHARGE]) for one in charges]
    return msgspec.json.encode([one for one in kept if one.lines]).decode()


def cost(charges: str, tariff: int, facts: Mapping[str, str] | None = None) -> int:
    """Micro-credits that these charges would cost by the tariff.

    :param facts: who would pay (plan, organisation_class); what is not said stays as it was.
    """
    return _cost(charges, tariff, tuple(sorted((facts or {}).items())))


@lru_cache(maxsize=REMEMBERED)
def _cost(charges: str, tariff: int, facts: tuple[tuple[str, str], ...]) -> int:
    rules = tariffs.load(tariff)
    total = 0
    for charge in _charges.decode(charges):
        lines = [_line(line) for line in charge.lines]
        total += sum(rated.amount for rated in rate(lines, rules, {**charge.facts, **dict(facts)}))
    return total


def _line(line: Line) -> UsageLine:
    """As it was reported; in the canonical unit where that cannot be read any more."""
    if units.find(line.metric, line.unit) and _is_plain(line.reported):
        return UsageLine(line.metric, Decimal(line.reported), line.unit, line.reported, line.process, line.collection)
    quantity = Decimal(line.canonical_quantity)
    return UsageLine(line.metric, quantity, line.canonical_unit, line.canonical_quantity, line.process, line.collection)


def _is_plain(text: str) -> bool:
    whole, _, part = text.partition(".")
    return text.isascii() and whole.isdigit() and (not part or part.isdigit())
