"""What the usage explorer shows: what was spent in a period, on what, beside the period before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from accounting import breakdowns
from accounting.breakdowns import Slice, Value
from portal.contexts import usage_filters as filters
from portal.contexts import usage_periods as periods
from portal.contexts import usage_rows
from portal.contexts.charts import Chart, Series, values_of
from portal.contexts.usage_filters import Chip, Choice, Filter
from portal.contexts.usage_names import COLUMNS, Name, Register, register_of
from portal.contexts.usage_periods import Span
from portal.contexts.usage_query import CREDITS_BY, DIMENSIONS, GROUPINGS, SPLIT_BY, Wanted, is_step
from portal.contexts.usage_rows import Heading, Row
from portal.contexts.usage_table import Key, Rest, Table, table_of
from portal.models import User
from portal.numerals import credits_text


@dataclass(frozen=True, slots=True)
class Usage:
    """A question and its answer, named: what page and files are made of. `step` is the length of time that is shown."""

    organisation: int
    organisation_name: str
    wanted: Wanted
    span: Span
    step: str
    register: Register
    of: Slice
    table: Table
    names: Mapping[Value, Name]
    series_names: tuple[Name, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return usage_rows.rows_of(self.table, self.wanted, self.step, self.span, self.names)

    @property
    def title(self) -> str:
        return str(GROUPINGS[self.step])


@dataclass(frozen=True, slots=True)
class UsagePage:
    """`change` compares with `before`, empty when there is nothing to compare with. `coarser` is told when a long
    period is shown in longer steps than asked for. Addresses: `charges`, `csv`, `json`, `everything` (no filter),
    `ever` (no period).
    """

    subtitle: str
    query: str
    amount: int
    amount_text: str
    before: int
    before_name: str
    difference: int
    change: str
    daily: int
    days: int
    period_name: str
    presets: tuple[Choice, ...]
    custom: bool
    since: str
    last: str
    groupings: tuple[Choice, ...]
    splits: tuple[Choice, ...]
    filters: tuple[Filter, ...]
    chips: tuple[Chip, ...]
    kept: tuple[tuple[str, str], ...]
    coarser: bool
    compares: bool
    chart: Chart
    split_title: str
    rows: tuple[Row, ...]
    headings: tuple[Heading, ...]
    series: tuple[str, ...]
    totals: tuple[int, ...]
    charges: str
    csv: str
    json: str
    charges_csv: str
    everything: str
    ever: str


def answer(viewer: User, organisation: int, name: str, wanted: Wanted, *, for_others: bool = False) -> Usage:
    """Sums for what is wanted. :raises BadRequest: a value that the organisation cannot be asked for."""
    bounds = breakdowns.bounds(organisation)
    span = periods.span_of(wanted.period, wanted.since, wanted.last, bounds)
    if wanted.period == periods.CUSTOM:
        wanted = wanted.during(span.now.since, span.last)
    step = periods.step_for(wanted.by, span.now) if is_step(wanted.by) else wanted.by
    register = register_of(viewer, organisation, for_others=for_others)
    of = register.slice_of(wanted, span.now)
    found = breakdowns.parts(of, span.before, COLUMNS.get(step, step), COLUMNS.get(wanted.split, wanted.split))
    table = table_of(found, step, wanted.split, span)
    return Usage(
        organisation=organisation,
        organisation_name=name,
        wanted=wanted,
        span=span,
        step=step,
        register=register,
        of=of,
        table=table,
        names=_names(register, step, [line.key for line in table.lines]),
        series_names=_series_names(register, wanted.split, table),
    )


def page_of(usage: Usage) -> UsagePage:
    wanted, span, table = usage.wanted, usage.span, usage.table
    rows, query = usage.rows, wanted.query()
    bare = replace(wanted, values={}, sort="").query()
    compares = span.before.days > 0
    charges = wanted.charges_query()
    return UsagePage(
        subtitle=_("What %(name)s spent, less what was given back") % {"name": usage.organisation_name},
        query=query,
        amount=table.amount,
        amount_text=credits_text(table.amount),
        before=table.before,
        difference=table.amount - table.before,
        before_name=periods.period_name(span.before) if compares else "",
        change=usage_rows.change_of(table.amount, table.before) if compares else "",
        daily=table.amount // max(span.now.days, 1),
        days=span.now.days,
        period_name=periods.period_name(span.now),
        presets=filters.choices(periods.PRESETS, wanted.period),
        custom=wanted.period == periods.CUSTOM,
        since=span.now.since.isoformat(),
        last=span.last.isoformat(),
        groupings=filters.choices(GROUPINGS, wanted.by),
        splits=filters.choices({"": _("Nothing"), **DIMENSIONS}, wanted.split, without=wanted.by),
        filters=filters.filters_of(usage.register, wanted, usage.of),
        chips=filters.chips_of(usage.register, wanted, usage.of, reverse("usage")),
        kept=(("sort", wanted.sort),) if wanted.sort else (),
        coarser=usage.step != wanted.by,
        compares=compares and not is_step(usage.step),
        chart=_chart(usage, rows),
        split_title=str(SPLIT_BY[wanted.split]) if wanted.split else "",
        rows=rows,
        headings=usage_rows.headings(wanted, usage.title, compares=compares and not is_step(usage.step)),
        series=tuple(one.title for one in usage.series_names),
        totals=tuple(sum(line.series[place] for line in table.lines) for place in range(len(table.series))),
        charges=f"{reverse('usage-entries')}?{charges}",
        csv=f"{reverse('usage-export', args=['csv'])}?{query}",
        json=f"{reverse('usage-export', args=['json'])}?{query}",
        charges_csv=f"{reverse('usage-entries-export', args=['csv'])}?{charges}",
        everything=f"{reverse('usage')}?{bare}",
        ever=f"{reverse('usage')}?{Wanted(period=periods.EVER, by='month').query()}",
    )


def _names(register: Register, by: str, keys: list[Key]) -> Mapping[Value, Name]:
    if is_step(by):
        return {}
    return register.names(by, [key for key in keys if not isinstance(key, Rest | date)])


def _series_names(register: Register, split: str, table: Table) -> tuple[Name, ...]:
    if not split:
        return ()
    known = register.names(split, [key for key in table.series if not isinstance(key, Rest | date)])
    return tuple(
        Name("", usage_rows.rest_name(key)) if isinstance(key, Rest) else known[key]  # type: ignore[index]
        for key in table.series
    )


def _chart(usage: Usage, rows: tuple[Row, ...]) -> Chart:
    """The rows of the table, in time from left to right, else as they are sorted."""
    shown = sorted(rows, key=lambda row: row.order) if is_step(usage.step) else rows
    columns: list[tuple[str, tuple[int, ...]]] = [
        (one.title, tuple(row.series[place] for row in shown)) for place, one in enumerate(usage.series_names)
    ]
    if not usage.wanted.split:
        columns = [(_("Credits"), tuple(row.amount for row in shown))]
    return Chart(
        id="usage-chart",
        title=str(CREDITS_BY[usage.step]),
        kind="bar",
        labels=tuple(row.label for row in shown),
        series=tuple(Series(name, values_of(values)) for name, values in columns),
        summary=_summary(usage, rows),
        unit=_("credits"),
        label_title=usage.title,
    )


def _summary(usage: Usage, rows: tuple[Row, ...]) -> str:
    facts: dict[str, Any] = {"period": periods.period_name(usage.span.now)}
    most = max(rows, key=lambda row: row.amount, default=None)
    if most is None or not most.amount:
        return _("Nothing was spent from %(period)s.") % facts
    return _("Credits spent from %(period)s; most of it on %(most)s.") % {**facts, "most": most.title}
