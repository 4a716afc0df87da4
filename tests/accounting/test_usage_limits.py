"""What cannot be true is answered and kept, and no number is too large for the database (L6 of the catalogue; U5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounting import pricing, usage
from accounting.errors import QuantityImpossible, TimesImpossible, UnitUnknown
from accounting.models import QuarantinedReport
from accounting.pricing import CLOCK_SKEW, DEAREST, EARLIEST, HUGE, LONGEST
from accounting.usage import UsageLine
from tests.accounting.books import book, ingest, posted, prove
from tests.conftest import Federation

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def cpu_hours(quantity: Any) -> tuple[UsageLine]:
    """At 1.5 credits an hour."""
    return (UsageLine("cpu", Decimal(quantity), "cpu-hours", str(quantity)),)


class TestTimes:
    @pytest.fixture(autouse=True)
    def noon(self, database_clock: Any, federation: Federation) -> None:
        database_clock(NOW)

    @pytest.mark.parametrize(
        ("times", "field", "words"),
        [
            ({"started_at": EARLIEST - SECOND}, "started_at", "seconds instead of milliseconds"),
            ({"finished_at": datetime(1970, 1, 21, tzinfo=UTC)}, "finished_at", "seconds instead of milliseconds"),
            ({"started_at": NOW + CLOCK_SKEW + SECOND}, "started_at", "in the future"),
            ({"finished_at": NOW + CLOCK_SKEW + SECOND}, "finished_at", "in the future"),
            ({"started_at": NOW, "finished_at": NOW - SECOND}, "finished_at", "finished before it started"),
            ({"started_at": NOW - LONGEST - SECOND, "finished_at": NOW}, "started_at", "longer than 400 days"),
        ],
    )
    def test_that_are_impossible_are_kept_with_the_field_named(
        self, federation: Federation, times: dict[str, Any], field: str, words: str
    ) -> None:
        outcome = ingest(federation.client, federation.report(**times))
        assert outcome.status == "quarantined"
        assert isinstance(outcome.error, TimesImpossible)
        assert outcome.error.field == field
        assert words in outcome.error.detail

    @pytest.mark.parametrize(
        "times",
        [
            {"started_at": NOW - timedelta(days=3)},
            {"started_at": NOW + CLOCK_SKEW, "finished_at": NOW + CLOCK_SKEW},
            {"started_at": NOW, "finished_at": NOW},
            {"started_at": NOW - timedelta(days=350), "finished_at": NOW},
        ],
    )
    def test_at_the_edge_are_believed(self, federation: Federation, times: dict[str, Any]) -> None:
        book(federation, **times)

    def test_of_a_job_as_long_as_jobs_may_be_are_believed(self) -> None:
        pricing._check_times(_report(started_at=NOW - LONGEST, finished_at=NOW), NOW)
        pricing._check_times(_report(started_at=EARLIEST), NOW)


def _report(**times: Any) -> usage.UsageReport:
    return usage.UsageReport("resources", "s", "u", "j", (), "", **times)


class TestUnits:
    @pytest.mark.parametrize("unit", ["fortnights", "mb-seconds", "", "CPU-SECONDS"])
    def test_that_do_not_measure_the_metric_are_kept_with_the_line_named(
        self, federation: Federation, unit: str
    ) -> None:
        lines = (*cpu_hours(1), UsageLine("cpu", Decimal(1), unit, "1"))
        outcome = ingest(federation.client, federation.report(lines=lines))
        assert isinstance(outcome.error, UnitUnknown)
        assert outcome.error.field == "lines[1].unit"
        assert posted(federation.alice.personal_organisation) == 0


class TestQuantities:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            (UsageLine("tiles", HUGE, "count", ""), "too large"),
            (UsageLine("volume", HUGE / 1024, "tb", ""), "too large"),
            (UsageLine("tiles", Decimal("1e400"), "count", ""), "too large"),
            (UsageLine("tiles", Decimal("-0.1"), "count", ""), "not negative"),
            (UsageLine("tiles", Decimal("NaN"), "count", ""), "a number"),
            (UsageLine("tiles", Decimal("Infinity"), "count", ""), "a number"),
        ],
        ids=["large", "large once converted", "far too large", "negative", "no number", "infinite"],
    )
    def test_that_are_impossible_are_refused_before_the_database(
        self, federation: Federation, line: UsageLine, words: str
    ) -> None:
        outcome = ingest(federation.client, federation.report(lines=(line,)))
        assert isinstance(outcome.error, QuantityImpossible)
        assert outcome.error.field == "lines[0].quantity"
        assert words in outcome.error.detail

    @pytest.mark.parametrize("metric", ["count", "gb", "mega-pixel", "credit"])
    def test_as_large_as_possible_fit_every_column(self, federation: Federation, metric: str) -> None:
        lines = (
            UsageLine("unpriced", HUGE - 1, metric, "x" * 60),
            UsageLine("unpriced", Decimal("99999999999999999.999999999999"), metric, "1"),
            UsageLine("unpriced", Decimal("1e-40"), metric, "1e-40"),
        )
        book(federation, lines=lines)
        prove()


class TestAmounts:
    MOST = Decimal(DEAREST).scaleb(-6) / Decimal("1.5")

    def test_a_report_may_cost_the_most_that_one_may(self, federation: Federation) -> None:
        book(federation, lines=cpu_hours(self.MOST))
        assert posted(federation.alice.personal_organisation) == -DEAREST
        prove()

    def test_a_micro_credit_more_is_kept_in_quarantine(self, federation: Federation) -> None:
        outcome = ingest(federation.client, federation.report(lines=cpu_hours(self.MOST + Decimal("0.000001"))))
        assert isinstance(outcome.error, QuantityImpossible)
        assert (outcome.status, outcome.error.field) == ("quarantined", "lines")
        assert posted(federation.alice.personal_organisation) == 0

    def test_lines_count_together(self, federation: Federation) -> None:
        lines = (*cpu_hours(self.MOST), *cpu_hours("0.000001"))
        assert ingest(federation.client, federation.report(lines=lines)).status == "quarantined"

    def test_a_million_of_the_dearest_reports_fit_a_wallet(self, federation: Federation) -> None:
        assert 1_000_000 * DEAREST < 2**63
        reports = [federation.report(f"k-{n}", lines=cpu_hours(self.MOST)) for n in range(200)]
        usage.ingest(federation.client, reports, on_reuse="replay")
        assert posted(federation.alice.personal_organisation) == -200 * DEAREST
        prove()


class TestTheRight:
    def test_to_report_for_a_source_is_asked_first(self, federation: Federation) -> None:
        outcome = ingest(federation.other_client, federation.report())
        assert outcome.error is not None
        assert (outcome.error.code, outcome.error.status, outcome.error.field) == ("source_not_allowed", 403, "source")

    def test_does_not_reveal_earlier_reports_of_another_client(self, federation: Federation) -> None:
        first = book(federation)
        outcome = ingest(federation.other_client, federation.report())
        assert outcome.status == "quarantined"
        assert outcome.answer == ""
        assert str(first.transaction) not in str(outcome.error)

    def test_to_a_source_that_is_not_registered_is_nobodys(self, federation: Federation) -> None:
        outcome = ingest(federation.client, federation.report(source="Nowhere"))
        assert outcome.error is not None
        assert (outcome.error.code, outcome.error.field) == ("source_unknown", "source")
        assert QuarantinedReport.objects.get().source == "Nowhere"
