"""Who reports, how often, and when last: counted from the reports, and the same whoever counts, how often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from accounting import activity, usage
from accounting.activity import health
from accounting.models import ReportingHour, Source
from tests.conftest import SOURCE, Federation

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Clock = Callable[[datetime | None], None]
Report = Callable[[datetime], None]


@pytest.fixture
def report(federation: Federation, database_clock: Clock) -> Report:
    """Books one at an instant."""
    numbers = iter(range(10_000))

    def at(moment: datetime) -> None:
        database_clock(moment)
        key = f"k-{next(numbers)}"
        one = federation.report(key=key, execution_id=key)
        (outcome,) = usage.ingest(federation.client, [one], on_reuse="replay")
        assert outcome.status == "booked"

    return at


def of(source: str, now: datetime = NOW) -> activity.Activity | None:
    return activity.of_sources(now).get(Source.objects.get(source_id=source).pk)


class TestCounting:
    def test_nobody_reported(self, federation: Federation) -> None:
        assert activity.count(NOW) == 0
        assert activity.of_sources(NOW) == {}

    def test_by_day_and_month_of_the_source_that_reported(self, report: Report) -> None:
        for before in (40 * DAY, 29 * DAY, 2 * DAY, 23 * HOUR, HOUR, timedelta()):
            report(NOW - before)
        activity.count(NOW)
        found = of(SOURCE)
        assert found is not None
        assert (found.last_at, found.day, found.month) == (NOW, 3, 5)
        assert found.by_day == (
            (date(2026, 5, 3), 1), (date(2026, 5, 30), 1), (date(2026, 5, 31), 1), (date(2026, 6, 1), 2)
        )  # fmt: skip
        assert of("cdse") is None

    def test_counting_again_changes_nothing(self, report: Report) -> None:
        for hours in range(5):
            report(NOW - hours * HOUR)
        activity.count(NOW)
        before = list(ReportingHour.objects.order_by("pk").values())
        activity.count(NOW)
        assert list(ReportingHour.objects.order_by("pk").values()) == before

    def test_what_comes_later_is_added(self, report: Report) -> None:
        report(NOW - HOUR)
        activity.count(NOW)
        report(NOW + timedelta(minutes=1))
        report(NOW + HOUR)
        activity.count(NOW + HOUR)
        found = of(SOURCE, NOW + HOUR)
        assert found is not None
        assert (found.last_at, found.day) == (NOW + HOUR, 3)

    def test_whoever_was_away_for_days_counts_what_came_meanwhile(self, report: Report) -> None:
        report(NOW - 5 * DAY)
        activity.count(NOW - 5 * DAY)
        report(NOW - 3 * DAY)
        report(NOW - 5 * DAY + timedelta(minutes=20))
        activity.count(NOW)
        found = of(SOURCE)
        assert found is not None
        assert found.month == 3

    def test_a_report_whose_number_is_lower_than_that_of_an_earlier_hour_is_counted(self, report: Report) -> None:
        """One waited for a lock while the other, begun later, was written: numbers and instants disagree."""
        report(NOW - 2 * HOUR)
        report(NOW + timedelta(minutes=31))  # takes the lower number
        report(NOW + timedelta(minutes=29))
        activity.count(NOW + timedelta(minutes=32))
        found = of(SOURCE, NOW + HOUR)
        assert found is not None
        assert found.month == 3
        activity.count(NOW + 2 * HOUR)
        again = of(SOURCE, NOW + HOUR)
        assert again is not None
        assert again.month == 3

    def test_old_hours_are_forgotten_but_the_last_one(self, report: Report) -> None:
        report(NOW - 50 * DAY)
        report(NOW - 49 * DAY)
        activity.count(NOW - 49 * DAY)
        activity.count(NOW)
        found = of(SOURCE)
        assert found is not None
        assert (found.last_at, found.month, ReportingHour.objects.count()) == (NOW - 49 * DAY, 0, 1)

    def test_one_query_reads_it(self, report: Report, django_assert_num_queries: Any) -> None:
        report(NOW)
        activity.count(NOW)
        with django_assert_num_queries(1):
            activity.of_sources(NOW)

    def test_counting_looks_at_new_reports_only(self, report: Report) -> None:
        """By the plan: the reports before the last hours are not read, however many they are."""
        for hours in range(30):
            report(NOW - hours * HOUR)
        activity.count(NOW)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("ANALYZE accounting_usagereport")
            newest = ReportingHour.objects.order_by("-newest")[2].newest
            cursor.execute(f"EXPLAIN {activity._COUNT}", {"since": NOW - HOUR, "behind": newest})
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert f"Index Cond: (transaction_id > {newest})" in plan


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (None, "never"),
        (timedelta(0), "healthy"),
        (timedelta(hours=6) - timedelta(seconds=1), "healthy"),
        (timedelta(hours=6), "quiet"),
        (timedelta(days=3) - timedelta(seconds=1), "quiet"),
        (timedelta(days=3), "silent"),
        (timedelta(days=900), "silent"),
    ],
)
def test_health_is_how_long_ago_the_last_report_came(ago: timedelta | None, said: str) -> None:
    assert health(None if ago is None else NOW - ago, NOW) == said
