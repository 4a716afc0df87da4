"""Addresses of usage: read strictly, written in one way only, and periods that mean what they say."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from random import Random

import pytest
from django.core.exceptions import BadRequest
from django.http import QueryDict

from accounting.breakdowns import Bounds, Period
from portal.contexts import usage_periods as periods
from portal.contexts.usage_query import DIMENSIONS, GROUPINGS, KINDS, SORTS, Wanted, canonical, read

TODAY = date(2026, 3, 20)
BOUNDS = Bounds(TODAY, date(2024, 2, 29))


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("period=week", "period"),
        ("by=x", "by"),
        ("split=day", "split"),
        ("sort=price", "sort"),
        ("kind=stream", "kind"),
        ("member=alice", "member"),
        ("member=-1", "member"),
        ("member=%D9%A1", "member"),
        ("member=" + "9" * 19, "member"),
        ("grant=1.5", "grant"),
        ("process=%00", "process"),
        ("process=" + "x" * 256, "process"),
        ("state=" + "x" * 21, "state"),
        ("&".join(f"process={n}" for n in range(51)), "process"),
        ("period=custom&from=2026-03-01", "to"),
        ("period=custom&to=2026-03-01", "from"),
        ("from=20260301", "from"),
        ("from=2026-02-30", "from"),
        ("to=1999-12-31", "to"),
        ("to=9999-12-31", "to"),
        ("from=2026-W01-1", "from"),
        ("from=%00%00%00%00%00%00%00%00%00%00", "from"),
    ],
)
def test_what_is_wrong_is_named(query: str, named: str) -> None:
    with pytest.raises(BadRequest, match=rf"\b{named}\b"):
        read(QueryDict(query))


def test_nothing_asked_for_is_the_usual() -> None:
    assert read(QueryDict("")) == Wanted() == read(QueryDict(Wanted().query()))


def test_what_is_read_is_written_and_read_again() -> None:
    rng = Random(5)
    texts = {"kind": KINDS, "member": ("7", "12"), "grant": ("", "3")}
    for _ in range(300):
        values = {
            name: tuple(rng.sample(texts.get(name, ("", "a b", "x&y=z", "ü")), 2))
            for name in rng.sample(list(DIMENSIONS), rng.randrange(4))
        }
        values.pop("backend", None)
        custom = rng.random() < 0.3
        by = rng.choice(list(GROUPINGS))
        wanted = Wanted(
            period=periods.CUSTOM if custom else rng.choice(["7d", "month", "all"]),
            since=date(2026, 1, 2) if custom else None,
            last=date(2026, 2, 3) if custom else None,
            by=by,
            split=rng.choice([name for name in ("", *DIMENSIONS) if name != by]),
            values=values,
            sort=rng.choice(["", *SORTS]),
        )
        assert read(QueryDict(wanted.query())) == wanted
        assert canonical(wanted.query()) == wanted.query()
        charges = read(QueryDict(wanted.charges_query()))
        assert (charges.values, charges.period, charges.since) == (wanted.values, wanted.period, wanted.since)


def test_a_canonical_query_leads_nowhere_else() -> None:
    assert canonical("next=https://evil.example&period=7d&by=day") == "period=7d"


def test_days_that_are_given_the_wrong_way_round_are_turned() -> None:
    wanted = read(QueryDict("period=custom&from=2026-03-09&to=2026-03-01"))
    assert (wanted.since, wanted.last) == (date(2026, 3, 1), date(2026, 3, 9))


@pytest.mark.parametrize(
    ("preset", "since", "until", "before"),
    [
        ("7d", date(2026, 3, 14), date(2026, 3, 21), (date(2026, 3, 7), date(2026, 3, 14))),
        ("30d", date(2026, 2, 19), date(2026, 3, 21), (date(2026, 1, 20), date(2026, 2, 19))),
        ("month", date(2026, 3, 1), date(2026, 3, 21), (date(2026, 2, 1), date(2026, 2, 21))),
        ("last-month", date(2026, 2, 1), date(2026, 3, 1), (date(2026, 1, 1), date(2026, 2, 1))),
        ("year", date(2026, 1, 1), date(2026, 3, 21), (date(2025, 1, 1), date(2025, 3, 21))),
        ("all", date(2024, 2, 29), date(2026, 3, 21), (date(2024, 2, 29), date(2024, 2, 29))),
    ],
)
def test_presets(preset: str, since: date, until: date, before: tuple[date, date]) -> None:
    span = periods.span_of(preset, None, None, BOUNDS)
    assert span == periods.Span(Period(since, until), Period(*before))


def test_a_long_month_is_compared_with_all_of_a_short_one_and_no_more() -> None:
    span = periods.span_of("month", None, None, Bounds(date(2026, 3, 31), None))
    assert span.before == Period(date(2026, 2, 1), date(2026, 3, 1))


def test_nothing_spent_yet_is_today() -> None:
    assert periods.span_of("all", None, None, Bounds(TODAY, None)).now == Period(TODAY, TODAY + periods.DAY)


@pytest.mark.parametrize("step", ["day", "week", "month"])
def test_every_day_lies_in_one_step(step: str) -> None:
    period = Period(date(2023, 12, 30), date(2025, 3, 2))
    found = periods.steps(period, step)
    days = [period.since + timedelta(days=n) for n in range(period.days)]

    assert {periods.first_of(day, step) for day in days} == set(found)
    assert all(periods.after(one, step) == following for one, following in pairwise(found))


@pytest.mark.parametrize(("days", "step"), [(1100, "day"), (1101, "week"), (7700, "week"), (7701, "month")])
def test_long_periods_are_shown_in_longer_steps(days: int, step: str) -> None:
    assert periods.step_for("day", Period(date(2004, 1, 1), date(2004, 1, 1) + timedelta(days=days))) == step
