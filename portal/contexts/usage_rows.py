"""The rows of the usage table: named, compared, sorted, and each with the way down to what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounting.breakdowns import Value
from portal.contexts import usage_periods as periods
from portal.contexts.usage_names import Name
from portal.contexts.usage_periods import Span
from portal.contexts.usage_query import Wanted, is_step
from portal.contexts.usage_table import Key, Line, Rest, Table
from portal.numerals import MINUS, localised

DOWN = ("backend", "process", "member", "project", "state", "kind", "collection", "grant")
"""What a row is opened by: the first of these that is not narrowed to one value yet, at last by day."""
MOST_PERCENT = 999
"""Beyond that it is said how many times as much it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """`value` stands for it in addresses, `label` is short for charts, `order` sorts by name. `width` is its share of
    the largest row for the bar, `percent` its share of all. `href` opens it, `charges` lists what it is made of; both
    are empty for the rest.
    """

    value: str
    title: str
    label: str
    note: str
    order: str
    amount: int
    before: int
    change: str
    width: str
    percent: str
    share_label: str
    series: tuple[int, ...]
    href: str
    charges: str


@dataclass(frozen=True, slots=True)
class Heading:
    """`href` sorts by it; `sorted` is "ascending", "descending" or empty."""

    name: str
    title: str
    href: str
    sorted: str
    figure: bool


def rows_of(table: Table, wanted: Wanted, by: str, span: Span, names: Mapping[Value, Name]) -> tuple[Row, ...]:
    """Sorted as wanted: steps the newest first, other rows the dearest first, unless said otherwise. The rest of many
    stands last.
    """
    largest = max((line.amount for line in table.lines), default=0)
    rows = [_row(line, table.amount, largest, wanted, by, span, names) for line in table.lines]
    sort = wanted.sort or ("-name" if is_step(by) else "-amount")
    field = {"name": "order", "amount": "amount", "before": "before"}[sort.removeprefix("-")]
    rows.sort(key=lambda row: getattr(row, field), reverse=sort.startswith("-"))
    return tuple([row for row in rows if row.href] + [row for row in rows if not row.href])


def headings(wanted: Wanted, title: str, *, compares: bool) -> tuple[Heading, ...]:
    """Of the columns that can be sorted by; a second click turns the order round."""
    usual = "-name" if is_step(wanted.by) else "-amount"
    columns = [("name", title, False), ("amount", _("Credits"), True)]
    if compares:
        columns.insert(1, ("before", _("Before"), True))
    return tuple(_heading(wanted, usual, *column) for column in columns)


def _heading(wanted: Wanted, usual: str, name: str, title: str, figure: bool) -> Heading:
    now = wanted.sort or usual
    falls = now == f"-{name}"
    turned = name if falls or (name == "name" and now != "name") else f"-{name}"
    told = {name: "ascending", f"-{name}": "descending"}.get(now, "")
    sort = "" if turned == usual else turned
    return Heading(name, title, f"{reverse('usage')}?{replace(wanted, sort=sort).query()}", told, figure)


def change_of(amount: int, before: int) -> str:
    """How much more or less than before, in percent."""
    if not before:
        return _("new") if amount else ""
    percent = round(Decimal(amount - before) / before * 100)
    if percent > MOST_PERCENT:
        return f"{localised(f'{amount // before:,}')} ×"
    return f"{'+' if percent > 0 else MINUS if percent < 0 else ''}{abs(percent)} %"


def rest_name(rest: Rest) -> str:
    return ngettext("%(count)s other", "%(count)s others", rest.count) % {"count": rest.count}


def _row(line: Line, total: int, largest: int, wanted: Wanted, by: str, span: Span, names: Mapping[Value, Name]) -> Row:
    inner, name = _inside(line, wanted, by, span, names)
    share = Decimal(line.amount * 1000 // total) / 10 if total > 0 and line.amount > 0 else Decimal(0)
    percent = _percent(share, none=not line.amount)
    return Row(
        value=name.value,
        title=name.title,
        label=_label(line.key, by, span) or name.title,
        note=name.note,
        order=name.value if is_step(by) else name.title.casefold(),
        amount=line.amount,
        before=line.before,
        change=change_of(line.amount, line.before),
        width=f"{max(line.amount, 0) * 1000 // largest / 10:.1f}" if largest > 0 else "0",
        percent=percent,
        share_label=_("%(percent)s of all") % {"percent": percent},
        series=line.series,
        href=f"{reverse('usage')}?{_opened(inner, by).query()}" if inner else "",
        charges=f"{reverse('usage-entries')}?{inner.charges_query()}" if inner else "",
    )


def _label(key: Key, by: str, span: Span) -> str:
    """Of days and weeks in one year without the year."""
    if not isinstance(key, date) or by == "month" or span.now.since.year != span.last.year:
        return ""
    return periods.short_day_name(key)


def _percent(share: Decimal, *, none: bool) -> str:
    if none or share >= 10:
        return f"{share:.0f} %"
    return f"{localised(str(share))} %" if share else f"< {localised('0.1')} %"


def _inside(line: Line, wanted: Wanted, by: str, span: Span, names: Mapping[Value, Name]) -> tuple[Wanted | None, Name]:
    """What is wanted of this line alone, and what it is called."""
    key: Any = line.key
    if isinstance(key, Rest):
        return None, Name("", rest_name(key))
    if isinstance(key, date):
        first, last = _clipped(key, by, span)
        return wanted.during(first, last), Name(key.isoformat(), periods.step_name(key, by))
    return wanted.filtered_by(by, names[key].value), names[key]


def _clipped(first: date, step: str, span: Span) -> tuple[date, date]:
    """The days of a step that lie in the period."""
    last = periods.after(first, step) - timedelta(days=1)
    return max(first, span.now.since), min(last, span.last)


def _opened(inner: Wanted, by: str) -> Wanted:
    """The same looked at by what is inside: months and weeks by day, all else by the first thing not yet known."""
    if by in {"week", "month"}:
        down = "day"
    else:
        known = {name for name, values in inner.values.items() if len(values) == 1}
        down = next((name for name in DOWN if name not in known), "day")
    return replace(inner, by=down, split="" if inner.split == down else inner.split, sort="")
