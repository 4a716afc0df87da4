"""What a hold pays for: the job's own report, captures before it, and what goes beyond (H3, H4, H5, H8, H9, H13)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounting import captures, grants, holds, ledger, limits, organisations, queries
from accounting.errors import HoldNotOpen, NotFound
from accounting.holds import Reserved
from accounting.models import BackEnd, Grant, HoldEvent, Job, Transaction, UsageReport
from accounting.rating import UsageLine
from accounting.usage import Outcome
from tests.accounting.books import GOLDEN, book, booked, ingest, micros, paid_by, rows
from tests.accounting.hold_books import held, reserve, state, story
from tests.conftest import Federation

MoveClock = Callable[[datetime | None], None]
pytestmark = pytest.mark.usefixtures("sound_books")


def cpu(credits: float) -> tuple[UsageLine, ...]:
    """CPU time that costs so many credits at 1.5 an hour."""
    seconds = Decimal(str(credits)) * 2400
    return (UsageLine("cpu", seconds, "cpu-seconds", f"{seconds:f}"),)


def capture(
    federation: Federation, hold: Reserved, credits: float, key: str, *, final: bool = False, **more: Any
) -> Outcome:
    return captures.capture(
        federation.client, hold.id, cpu(credits), key=key, raw="{}", final=final, **({"state": "RUNNING"} | more)
    )


class TestTheJobsOwnReport:
    def test_is_paid_by_the_hold_and_the_rest_is_free(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        pk = booked(federation)
        assert story(made) == [("captured", -GOLDEN), ("released", GOLDEN - micros(30))]
        assert state(made) == "captured"
        assert held(home) == (0, 0)
        assert queries.balance(home).spendable == micros(100) - GOLDEN
        assert UsageReport.objects.get(pk=pk).hold_id == made.pk

    def test_again_changes_nothing(self, federation: Federation, home: int) -> None:
        reserve(federation, amount=30)
        book(federation)
        before = rows()
        assert ingest(federation.client, federation.report()).status == "replayed"
        assert rows() == before

    def test_finds_its_hold_by_execution_alone(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30, job_id="other-name", execution_id="application_1")
        book(federation)
        assert state(made) == "captured"

    def test_of_another_execution_or_user_is_not_of_this_hold(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30, execution_id="application_2")
        book(federation)
        book(federation, "k-2", user=federation.bob.sub, execution_id="application_2")
        assert state(made) == "open"

    def test_pays_from_the_organisation_of_the_hold(self, federation: Federation, home: int) -> None:
        """Who pays was decided when the job began, whatever the person chose since (H10 of the catalogue)."""
        federation.grant(federation.lab, micros(50), "lab")
        reserve(federation, amount=30, payer={"organisation": federation.lab})
        organisations.switch_organisation(federation.alice.pk, home)
        outcome = book(federation)
        assert outcome.booking is not None
        assert outcome.booking.organisation == federation.lab
        again = book(federation, "k-2", job_id="j-1", state="")  # the second report of the same execution
        assert again.booking is not None
        assert again.booking.organisation == federation.lab

    def test_that_names_another_payer_leaves_the_hold_alone(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        outcome = book(federation, organisation=federation.lab)
        assert outcome.booking is not None
        assert outcome.booking.organisation == federation.lab
        assert state(made) == "open"

    def test_of_a_running_job_leaves_the_rest_held(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        book(federation, state="RUNNING")
        assert (state(made), held(home)) == ("open", (micros(30) - GOLDEN, 1))
        book(federation, "k-2", endpoint="addedvalue", service="ndvi", lines=())
        assert state(made) == "open"
        book(federation, "k-3", state="FINISHED")
        assert state(made) == "captured"

    def test_that_costs_nothing_ends_the_hold_too(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        book(federation, lines=())
        assert story(made) == [("captured", 0), ("released", -micros(30))]

    def test_after_the_expiry_is_charged_in_full(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        made = reserve(federation, amount=30, payer={"organisation": None})
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        database_clock(made.expires_at + timedelta(days=3))
        outcome = book(federation)
        assert (state(made), held(home)) == ("expired", (0, 0))
        assert outcome.booking is not None
        assert outcome.booking.organisation == home
        assert queries.balance(home).posted == micros(100) - GOLDEN

    def test_after_a_release_goes_the_usual_way(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        holds.release(federation.client, made.id)
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        outcome = book(federation)
        assert outcome.booking is not None
        assert outcome.booking.organisation == federation.lab


class TestWhatPays:
    def test_bound_grants_pay_although_they_expired(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        soon = Grant.objects.get().issued_at + timedelta(minutes=10)
        short = federation.grant(home, micros(4), "short", priority=1, expires_at=soon)
        reserve(federation, amount=5)
        database_clock(soon + timedelta(minutes=1))
        grants.expire_due()
        assert paid_by(booked(federation))[0] == (short, micros(2.124583))
        assert sum(
            amount for grant, amount in paid_by(Transaction.objects.latest("pk").pk) if grant == short
        ) == micros(4)

    def test_what_others_bound_is_not_touched(self, federation: Federation, home: int) -> None:
        reserve(federation, amount=98, job_id="another")
        pk = booked(federation)
        assert sum(amount for grant, amount in paid_by(pk) if grant is None) == GOLDEN - micros(2)
        assert held(home) == (micros(98), 1)

    def test_a_grant_for_the_very_process_pays_before_the_hold(self, federation: Federation, home: int) -> None:
        special = federation.grant(home, micros(3), "ndvi only", processes=["ndvi"])
        made = reserve(federation, amount=30)
        line = UsageLine("cpu", Decimal(4800), "cpu-seconds", "4800", process="ndvi")
        assert paid_by(booked(federation, lines=(line,))) == [(special, micros(2))]
        assert story(made)[0] == ("captured", 0)

    def test_the_order_of_the_list_decides_within_the_hold(self, federation: Federation, home: int) -> None:
        paid = federation.grant(home, micros(4), "card", kind="paid")
        free = Grant.objects.exclude(pk=paid).get().pk
        reserve(federation, amount=20, payer={"plans": ("paid", "free")})
        spent: dict[int | None, int] = {}
        for grant, amount in paid_by(booked(federation)):
            spent[grant] = spent.get(grant, 0) + amount
        assert spent == {paid: micros(4), free: GOLDEN - micros(4)}


class TestBeyondTheHold:
    def test_the_wallet_pays_and_it_is_said(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=2)
        book(federation)
        event = HoldEvent.objects.get(hold_id=made.pk, kind="captured")
        assert (event.amount, event.excess) == (-micros(2), GOLDEN - micros(2))
        assert queries.balance(home).spendable == micros(100) - GOLDEN

    def test_what_the_wallet_has_not_is_a_debt(self, federation: Federation, home: int) -> None:
        reserve(federation, amount=97, job_id="another")
        reserve(federation, "h-2", amount=2)
        pk = booked(federation)
        assert sum(amount for grant, amount in paid_by(pk) if grant is None) == GOLDEN - micros(3)

    def test_a_back_end_may_have_agreed_to_bear_it(self, federation: Federation, home: int) -> None:
        BackEnd.objects.filter(pk=federation.backend).update(excess="waive")
        made = reserve(federation, amount=2)
        outcome = book(federation)
        assert outcome.booking is not None
        assert outcome.booking.amount == micros(2)
        assert all(line.formula.startswith("min(") for line in outcome.booking.lines)
        assert story(made) == [("captured", -micros(2))]
        assert queries.balance(home).posted == micros(98)

    def test_an_overdraft_that_was_held_is_a_debt_once_captured(self, federation: Federation) -> None:
        home = federation.alice.personal_organisation
        limits.set_rules(home, overdraft=micros(10))
        made = reserve(federation, amount=10)
        book(federation)
        assert story(made) == [("captured", -GOLDEN), ("released", GOLDEN - micros(10))]
        assert queries.balance(home).debt == GOLDEN


class TestCapturing:
    def test_each_capture_replaces_the_one_before(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        assert capture(federation, made, 10, "c-1").status == "booked"
        assert held(home) == (micros(20), 1)
        capture(federation, made, 12, "c-2")
        assert held(home) == (micros(18), 1)
        assert queries.balance(home).posted == micros(88)
        assert story(made) == [("captured", -micros(10)), ("restored", micros(10)), ("captured", -micros(12))]

    def test_the_jobs_own_report_replaces_them(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        capture(federation, made, 10, "c-1")
        book(federation)
        assert queries.balance(home).spendable == micros(100) - GOLDEN
        assert (state(made), held(home)) == ("captured", (0, 0))
        assert Job.objects.get().cost_compute == GOLDEN

    def test_the_report_of_a_job_replaces_even_the_last_capture(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        capture(federation, made, 10, "c-1", final=True, state="FINISHED", execution_id="application_1")
        assert (state(made), held(home)) == ("captured", (0, 0))
        book(federation)
        assert queries.balance(home).spendable == micros(100) - GOLDEN

    def test_a_late_report_replaces_what_was_captured_before_the_expiry(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        soon = Grant.objects.get().issued_at + timedelta(minutes=10)
        short = federation.grant(home, micros(4), "short", priority=1, expires_at=soon)
        made = reserve(federation, amount=30)
        capture(federation, made, 3, "c-1")
        database_clock(made.expires_at + timedelta(hours=1))
        holds.expire_due()
        grants.expire_due()
        assert queries.balance(home).posted == micros(100)  # 3 of the short grant are spent, 1 went to breakage
        book(federation)
        assert queries.balance(home).posted == micros(103) - GOLDEN
        assert sum(a for g, a in paid_by(Transaction.objects.latest("pk").pk) if g == short) == micros(3)
        assert state(made) == "expired"

    def test_the_same_key_is_the_same_capture(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        first, second = capture(federation, made, 10, "c-1"), capture(federation, made, 10, "c-1")
        assert (second.status, second.answer) == ("replayed", first.answer)
        assert capture(federation, made, 11, "c-1").status == "refused"
        assert held(home) == (micros(20), 1)

    def test_two_holds_may_use_the_same_key(self, federation: Federation, home: int) -> None:
        one, two = reserve(federation, amount=30), reserve(federation, "h-2", amount=30, job_id="j-2")
        assert capture(federation, one, 10, "c").status == capture(federation, two, 10, "c").status == "booked"

    def test_nothing_is_charged_after_the_end(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        holds.release(federation.client, made.id)
        before = rows()
        with pytest.raises(HoldNotOpen):
            capture(federation, made, 10, "c-1")
        assert rows() == before

    def test_a_stranger_finds_no_hold(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        with pytest.raises(NotFound):
            captures.capture(federation.other_client, made.id, cpu(1), key="c", raw="{}", final=False)

    def test_an_operator_may_give_a_capture_back(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        outcome = capture(federation, made, 10, "c-1")
        assert outcome.transaction is not None
        ledger.reverse(outcome.transaction, "goodwill")
        assert queries.balance(home).posted == micros(100)
        book(federation)
        assert queries.balance(home).posted == micros(100) - GOLDEN

    def test_more_than_is_held_comes_from_the_wallet(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=5)
        capture(federation, made, 8, "c-1")
        assert (state(made), held(home)) == ("open", (0, 1))
        capture(federation, made, 4, "c-2")
        assert queries.balance(home).posted == micros(96)


class TestHeartbeats:
    def test_rate_what_the_job_has_used(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        found = captures.heartbeat(federation.client, made.id, cpu(10))
        assert (found.used, found.captured, found.remaining) == (micros(10), 0, micros(30))
        assert (found.verdict.decision, found.verdict.left) == ("continue", micros(90))

    def test_say_stop_at_the_budget_and_warn_before(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=20, budget=micros(20))
        for credits, decision in ((15.9, "continue"), (16, "warn"), (19.999999, "warn"), (20, "stop")):
            found = captures.heartbeat(federation.client, made.id, cpu(credits))
            assert found.verdict.decision == decision
        assert found.verdict.reason == "over_budget"

    def test_say_stop_at_a_limit_that_others_used_up(self, federation: Federation, home: int) -> None:
        federation.grant(federation.lab, micros(100), "lab")
        limits.set_limit(federation.lab, micros(20), period="month", person=federation.alice.pk)
        made = reserve(federation, amount=10, payer={"organisation": federation.lab})
        assert captures.heartbeat(federation.client, made.id, cpu(9)).verdict.decision == "continue"
        book(federation, "k-2", job_id="j-2", execution_id="x", organisation=federation.lab, lines=cpu(12))
        found = captures.heartbeat(federation.client, made.id, cpu(9))
        assert (found.verdict.decision, found.verdict.reason) == ("stop", "over_limit")

    def test_say_stop_when_nothing_can_be_had_any_more(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=10)
        reserve(federation, "h-2", amount=90, job_id="j-2")
        assert captures.heartbeat(federation.client, made.id, cpu(10)).verdict.reason == "no_credit"
