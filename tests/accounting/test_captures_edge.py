"""Reports and captures that come twice, together, late, or after somebody has interfered (H4, H5, H8, H9, H10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounting import captures, holds, ledger, limits, queries, usage
from accounting.holds import Reserved
from accounting.models import BackEnd, Grant, QuarantinedReport, UsageReport
from accounting.usage import Outcome, UsageLine
from tests.accounting.books import GOLDEN, book, booked, micros, paid_by, prove
from tests.accounting.hold_books import held, reserve, state, story
from tests.accounting.test_captures import capture, cpu
from tests.conftest import Federation

MoveClock = Callable[[datetime | None], None]
pytestmark = pytest.mark.usefixtures("sound_books")


def batch(federation: Federation, *reports: Any) -> list[Outcome]:
    return usage.ingest(federation.client, reports, on_reuse="replay")


def waive(federation: Federation) -> None:
    """The back end bears what jobs cost beyond their holds."""
    BackEnd.objects.filter(pk=federation.backend).update(excess="waive")


class TestSeveralReportsInOneCall:
    def test_with_one_key_leave_the_captures_of_the_second_job_alone(self, federation: Federation, home: int) -> None:
        """The second is a repetition of the first, whatever it says: it replaces nothing (H8)."""
        two = reserve(federation, "h-2", amount=20, job_id="j-2")
        capture(federation, two, 10, "c-1", final=True, state="FINISHED")
        one = federation.report("k", lines=cpu(1), job_id="j-1", execution_id="x-1")
        other = federation.report("k", lines=cpu(1), job_id="j-2", execution_id=None)
        assert [outcome.status for outcome in batch(federation, one, other)] == ["booked", "replayed"]
        assert queries.balance(home).posted == micros(89)
        assert state(two) == "captured"

    def test_are_all_paid_and_the_first_final_one_frees_the_rest(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        capture(federation, made, 7, "c-1")
        one, fee = federation.report("k-1", lines=cpu(5)), federation.report("k-2", lines=cpu(2), execution_id=None)
        batch(federation, one, fee)
        assert queries.balance(home).posted == micros(93)
        assert (state(made), held(home)) == ("captured", (0, 0))

    def test_cost_together_what_the_hold_keeps_where_the_back_end_bears_the_rest(
        self, federation: Federation, home: int
    ) -> None:
        """H9: as if one had come after the other."""
        waive(federation)
        reserve(federation, amount=10)
        reports = [
            federation.report("k-1", lines=cpu(8), state="RUNNING"),
            federation.report("k-2", lines=cpu(8), state="FINISHED"),
        ]
        assert [outcome.status for outcome in batch(federation, *reports)] == ["booked", "booked"]
        assert queries.balance(home).posted == micros(90)

    def test_are_booked_after_a_capture_that_another_grant_paid(self, federation: Federation, home: int) -> None:
        """What a capture charged and what comes back to the hold are not the same: nothing waits for that for ever."""
        federation.grant(home, micros(3), "ndvi only", processes=["ndvi"])
        made = reserve(federation, amount=10)
        line = UsageLine("cpu", Decimal(4800), "cpu-seconds", "4800", process="ndvi")
        captures.capture(federation.client, made.id, [line], key="c-1", raw="{}", final=False)
        waive(federation)
        reports = [federation.report(f"k-{n}", lines=cpu(2), state="RUNNING") for n in range(2)]
        assert [outcome.status for outcome in batch(federation, *reports)] == ["booked", "booked"]


class TestAnotherRun:
    def test_of_the_job_does_not_replace_what_the_first_was_charged(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=20)
        capture(federation, made, 10, "c-1", final=True, state="FINISHED", execution_id="run-1")
        book(federation, execution_id="run-2", lines=cpu(3))
        assert queries.balance(home).posted == micros(87)


class TestCapturesBeyondTheHold:
    def test_leave_no_more_held_than_was_asked_for(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=5)
        capture(federation, made, 8, "c-1")
        capture(federation, made, 4, "c-2")
        assert held(home) == (micros(1), 1)
        capture(federation, made, 2, "c-3")
        assert held(home) == (micros(3), 1)

    def test_do_not_make_a_parent_larger(self, federation: Federation, home: int) -> None:
        """H10: or its children could spend more than its budget."""
        parent = reserve(federation, "p", amount=20, budget=micros(20), job_id="whole")
        child = reserve(federation, "c", amount=5, job_id="part", parent=parent.id)
        capture(federation, child, 8, "c-1")
        book(federation, job_id="part", execution_id=None, lines=cpu(4))
        assert state(child) == "captured"
        assert held(home) == (micros(16), 1)

    def test_that_a_late_report_replaces_after_the_end(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        parent = reserve(federation, "p", amount=20, job_id="whole", lifetime=timedelta(hours=5))
        child = reserve(federation, "c", amount=5, job_id="part", parent=parent.id)
        capture(federation, child, 8, "c-1")
        database_clock(child.expires_at)
        holds.expire_due()
        book(federation, job_id="part", execution_id=None, lines=cpu(4))
        assert (state(child), held(home)) == ("expired", (micros(16), 1))


class TestKeys:
    def test_an_interim_capture_is_not_the_last_one(self, federation: Federation, home: int) -> None:
        """The same key with another `final` is another request: its hold would never end (U6)."""
        made = reserve(federation, amount=20)
        capture(federation, made, 10, "c-1")
        outcome = capture(federation, made, 10, "c-1", final=True)
        assert outcome.status == "refused"
        assert outcome.error is not None
        assert outcome.error.field == "final"
        assert state(made) == "open"


class TestOperators:
    def test_reverse_the_report_of_a_running_job(self, federation: Federation, home: int) -> None:
        """What comes back is free, not held: the job's hold did not grow."""
        made = reserve(federation, amount=30)
        pk = booked(federation, state="RUNNING")
        ledger.reverse(pk, "goodwill")
        assert held(home) == (micros(30) - GOLDEN, 1)
        assert queries.balance(home).spendable == micros(70) + GOLDEN
        found = captures.running(ledger.wallet(home))[0]
        assert found.captured == 0
        book(federation, "k-2", state="FINISHED", execution_id="x-2")
        assert (state(made), queries.balance(home).posted) == ("captured", micros(100) - GOLDEN)

    def test_reverse_the_last_report_and_it_can_be_reported_anew(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        capture(federation, made, 10, "c-1")
        ledger.reverse(booked(federation), "goodwill")
        assert queries.balance(home).posted == micros(100)
        book(federation, "k-2")
        assert queries.balance(home).posted == micros(100) - GOLDEN
        assert UsageReport.objects.filter(hold_id=made.pk).count() == 3


class TestExpiredGrants:
    def test_that_paid_a_capture_pay_its_replacement(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        """Also those for certain processes, which no hold binds: the work was done in time (H5)."""
        soon = Grant.objects.get().issued_at + timedelta(minutes=10)
        special = federation.grant(home, micros(5), "ndvi only", processes=["ndvi"], expires_at=soon)
        made = reserve(federation, amount=10)
        line = UsageLine("cpu", Decimal(4800), "cpu-seconds", "4800", process="ndvi")
        captures.capture(federation.client, made.id, [line], key="c-1", raw="{}", final=False)
        database_clock(soon + timedelta(minutes=1))
        assert paid_by(booked(federation, lines=(line,))) == [(special, micros(2))]
        assert story(made)[-1] == ("released", -micros(10))


def test_a_parent_that_hears_of_its_parts_does_not_count_them_twice(federation: Federation, home: int) -> None:
    """H13: what a parent says of the whole job contains what its children say."""
    from accounting import limits

    limits.set_limit(home, micros(40), period="month")
    parent = reserve(federation, "p", amount=20, job_id="whole")
    child: Reserved = reserve(federation, "c", amount=10, job_id="part", parent=parent.id)
    captures.heartbeat(federation.client, child.id, cpu(9))
    found = captures.heartbeat(federation.client, parent.id, cpu(12))
    assert {(bound.amount, bound.used) for bound in found.bounds if bound.reason == "over_limit"} == {
        (micros(40), micros(12))
    }


class TestLateAndKeptReports:
    def test_of_a_child_whose_parent_has_ended_are_charged_in_full(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        parent = reserve(federation, "p", amount=20, job_id="whole")
        child = reserve(federation, "c", amount=5, job_id="part", parent=parent.id)
        capture(federation, child, 3, "c-1")
        holds.release(federation.client, parent.id)
        database_clock(child.expires_at)
        holds.expire_due()
        book(federation, job_id="part", execution_id=None, lines=cpu(8))
        assert (state(child), held(home), queries.balance(home).posted) == ("expired", (0, 0), micros(92))

    @pytest.mark.parametrize("over", [False, True])
    def test_from_quarantine_are_paid_like_any(
        self, federation: Federation, home: int, database_clock: MoveClock, over: bool
    ) -> None:
        made = reserve(federation, amount=20)
        capture(federation, made, 3, "c-1")
        line = UsageLine("cpu", Decimal(4800), "bananas", "4800")
        usage.ingest(federation.client, [federation.report(lines=(line,))], on_reuse="replay")
        kept = QuarantinedReport.objects.get()
        kept.body["lines"][0]["unit"] = "cpu-seconds"
        kept.save()
        if over:
            database_clock(made.expires_at)
        assert usage.replay(kept.pk).status == "booked"
        assert (queries.balance(home).posted, held(home)) == (micros(98), (0, 0))
        assert state(made) == ("expired" if over else "captured")


class TestPeriods:
    def test_a_capture_of_last_month_changes_no_limit_of_this_one(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        """H12: the whole charge counts when it is booked; what comes back of a period that is over changes nothing."""
        database_clock(datetime(2090, 1, 31, 23, 59, tzinfo=UTC))
        limits.set_limit(home, micros(50), period="month")
        made = reserve(federation, amount=20, lifetime=timedelta(days=2))
        capture(federation, made, 10, "c-1")
        prove()
        database_clock(datetime(2090, 2, 1, 0, 0, tzinfo=UTC))
        capture(federation, made, 12, "c-2")
        assert limits.limits(home)[0].spent == micros(12)
        prove()
        book(federation, lines=cpu(13), started_at=None, finished_at=None)
        assert limits.limits(home)[0].spent == micros(13)


class TestDebts:
    def test_of_a_capture_that_were_repaid_are_bound_again(self, federation: Federation) -> None:
        """An overdraft that was captured, repaid by new credits and taken back: the new credits pay the report."""
        home = federation.alice.personal_organisation
        limits.set_rules(home, overdraft=micros(10))
        made = reserve(federation, amount=10)
        capture(federation, made, 8, "c-1")
        federation.grant(home, micros(5), "some")
        assert queries.balance(home).debt == micros(3)
        capture(federation, made, 9, "c-2")
        assert (queries.balance(home).debt, held(home)) == (micros(4), (micros(1), 1))
        book(federation, lines=cpu(1))
        assert (queries.balance(home).debt, queries.balance(home).posted) == (0, micros(4))


class TestWaiving:
    def test_bounds_captures_and_the_report_by_what_was_kept(self, federation: Federation, home: int) -> None:
        waive(federation)
        made = reserve(federation, amount=10)
        capture(federation, made, 8, "c-1")
        capture(federation, made, 12, "c-2")
        assert (queries.balance(home).posted, held(home)) == (micros(90), (0, 1))
        holds.extend(federation.client, made.id, micros(2), "e-1")
        book(federation, lines=cpu(15))
        assert queries.balance(home).posted == micros(88)
