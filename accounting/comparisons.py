"""Jobs beside one another: what each used in all, and what made one dearer than another, whatever their back ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounting import differences, tariffs, units
from accounting.credits import EXACT
from accounting.differences import Cause, Item, Side
from accounting.receipts import LineView, Receipt
from accounting.reports import ADDED_VALUE

SUPERSEDED = "superseded"
PUBLISHER = "publisher"


@dataclass(frozen=True, slots=True)
class Used:
    """What a job's charges that stand or were given back measured; `quantities` by (metric, canonical unit).

    `tariffs` are (name, version), in the order in which they were first charged by.
    """

    quantities: Mapping[tuple[str, str], Decimal]
    tariffs: Sequence[tuple[str, int]]


def used(booked: Iterable[Receipt]) -> Used:
    """Summed over the receipts of a job; of captures only those that no later charge replaced."""
    sums: dict[tuple[str, str], Decimal] = {}
    cards: dict[tuple[str, int], None] = {}
    for receipt in _counted(booked):
        if receipt.tariff:
            cards[receipt.tariff.name, receipt.tariff.version] = None
        for line in receipt.lines:
            key = (line.metric, line.canonical_unit)
            sums[key] = EXACT.add(sums.get(key, Decimal(0)), _quantity(line))
    return Used(sums, tuple(cards))


def side_of(booked: Iterable[Receipt], cost: int) -> Side:
    """:param cost: of the whole job in micro-credits; what the receipts do not add up to is `unlisted`."""
    items: list[Item] = []
    given_back = 0
    for receipt in _counted(booked):
        items += [_item(line, receipt) for line in receipt.lines]
        given_back += receipt.cost if receipt.reversal else 0
    listed = Side(items, given_back)
    return Side(items, given_back, cost - listed.cost)


def explain(first: Side, other: Side) -> Sequence[Cause]:
    """`differences.explain`: the causes of what `other` cost more than `first`."""
    return differences.explain(first, other)


def _counted(booked: Iterable[Receipt]) -> Iterable[Receipt]:
    return (one for one in booked if not (one.reversal and one.reversal.reason == SUPERSEDED))


def _item(line: LineView, receipt: Receipt) -> Item:
    rules = {rule.id: rule for rule in tariffs.load(receipt.tariff.id)} if receipt.tariff else {}
    return Item(
        metric=line.metric,
        unit=line.canonical_unit,
        quantity=_quantity(line),
        rule=rules.get(line.rule.id) if line.rule else None,
        amount=line.amount,
        source=receipt.source,
        tariff=receipt.tariff.id if receipt.tariff else None,
        state=receipt.state,
        process=line.process or receipt.service or "" if receipt.endpoint == ADDED_VALUE else line.process or "",
        udp=receipt.endpoint == ADDED_VALUE or line.payee.kind == PUBLISHER,
    )


def _quantity(line: LineView) -> Decimal:
    """As it was rated: of what came over the wire, not of what is printed of it with twelve decimals."""
    return units.UNITS[line.unit].convert(Decimal(line.reported))
