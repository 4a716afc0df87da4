"""Sums in rows, and in series where they are split: the one table behind chart, page and files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from accounting.breakdowns import Part, Value
from portal.contexts import usage_periods as periods
from portal.contexts.usage_periods import Span
from portal.contexts.usage_query import is_step

MOST_ROWS, MOST_SERIES = 100, 6
"""What lies beyond is summed in one more."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Stands for so many values on which less was spent than on those shown."""

    count: int


Key = Value | date | Rest


@dataclass(frozen=True, slots=True)
class Line:
    """Micro-credits spent on `key`: in all, in the period before, and by series."""

    key: Key
    amount: int
    before: int
    series: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`series` are the values that lines are split by, the dearest first; none when they are not."""

    lines: tuple[Line, ...]
    series: tuple[Key, ...]
    amount: int
    before: int


def table_of(parts: Sequence[Part], by: str, split: str, span: Span) -> Table:
    """Steps in their order with empty ones between, other keys the dearest first."""
    amounts = _sums((part.key, part.amount) for part in parts)
    before = _sums((part.key, part.before) for part in parts)
    series = _leaders(_sums((part.part, part.amount) for part in parts), MOST_SERIES) if split else ()
    cells: Mapping[Key, Counter[Value]] = defaultdict(Counter)
    for part in parts:
        cells[part.key][part.part] += part.amount
    if is_step(by):
        keys: Sequence[Key] = periods.steps(span.now, by)
        before = Counter()
    else:
        spent = {key: (amounts[key], before[key]) for key in amounts if amounts[key] or before[key]}
        keys = _leaders(spent, MOST_ROWS)
    shown = {key for key in keys if not isinstance(key, Rest)}
    rest = [key for key in amounts if key not in shown]
    lines = []
    for key in keys:
        members = rest if isinstance(key, Rest) else [key]
        summed: Counter[Value] = Counter()
        for one in members:
            summed.update(cells.get(one, {}))
        now, then = (sum(of[one] for one in members) for of in (amounts, before))
        lines.append(Line(key, now, then, series=_series(series, summed)))
    return Table(tuple(lines), series, sum(amounts.values()), sum(part.before for part in parts))


def _series(series: Sequence[Key], amounts: Counter[Value]) -> tuple[int, ...]:
    named = {one for one in series if not isinstance(one, Rest)}
    others = sum(amount for value, amount in amounts.items() if value not in named)
    return tuple(others if isinstance(one, Rest) else amounts[one] for one in series)  # type: ignore[index]


def _leaders(amounts: Mapping[Key, object], most: int) -> tuple[Key, ...]:
    """The keys with the largest amounts, and the rest of them as one. Equal ones in a fixed order."""
    ordered = sorted(amounts, key=repr)
    ordered.sort(key=lambda key: amounts[key], reverse=True)  # type: ignore[arg-type,return-value]
    if len(ordered) <= most:
        return tuple(ordered)
    return (*ordered[:most], Rest(len(ordered) - most))


def _sums(pairs: Iterable[tuple[Key, int]]) -> Counter[Key]:
    found: Counter[Key] = Counter()
    for key, amount in pairs:
        found[key] += amount
    return found
