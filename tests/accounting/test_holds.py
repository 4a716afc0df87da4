"""Reserving, extending, releasing and expiring credits (H1, H2, H6, H7, H11, H12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from accounting import grants, holds, limits, organisations, queries, registry
from accounting.errors import (
    BillingPlanInvalid,
    HoldNotOpen,
    IdempotencyKeyReused,
    IssuerUnknown,
    NotFound,
    PaymentRequired,
    PermissionsInsufficient,
    ProjectUnknown,
    SourceNotAllowed,
    SourceUnknown,
    TooManyHolds,
)
from accounting.models import Grant, OutboxEvent
from tests.accounting.books import book, micros
from tests.accounting.hold_books import bound, held, request, reserve, state, story
from tests.conftest import ISSUER, SOURCE, Federation

MoveClock = Callable[[datetime | None], None]
pytestmark = pytest.mark.usefixtures("sound_books")


class TestReserving:
    def test_keeps_the_amount_and_moves_no_money(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        assert (made.amount, made.plan, made.organisation, made.replayed) == (micros(30), "free", home, False)
        assert made.expires_at - made.created_at == timedelta(hours=1)
        balance = queries.balance(home)
        assert (balance.posted, balance.held, balance.spendable) == (micros(100), micros(30), micros(70))
        assert held(home) == (micros(30), 1)

    def test_the_same_key_is_the_same_hold(self, federation: Federation, home: int) -> None:
        first, second = reserve(federation), reserve(federation)
        assert second == replace(first, replayed=True)
        assert held(home) == (micros(10), 1)

    def test_the_same_key_for_another_hold_is_refused(self, federation: Federation, home: int) -> None:
        first = reserve(federation)
        with pytest.raises(IdempotencyKeyReused) as caught:
            reserve(federation, amount=11)
        assert caught.value.extra["original"] == {"id": str(first.id)}
        assert held(home) == (micros(10), 1)

    def test_more_than_there_is_is_refused_and_says_how_much_there_is(self, federation: Federation, home: int) -> None:
        reserve(federation, amount=30)
        with pytest.raises(PaymentRequired) as caught:
            reserve(federation, "h-2", amount=70.5)
        assert caught.value.extra["reason"] == "no_credit"
        assert caught.value.extra["may_spend"] == "70"
        assert caught.value.extra["plans"] == {"free": "70"}
        assert "70.5 are needed" in caught.value.detail
        assert held(home) == (micros(30), 1)
        assert reserve(federation, "h-2", amount=70).amount == micros(70)

    def test_somebody_new_has_nothing_to_reserve(self, federation: Federation) -> None:
        new = replace(request(federation), payer=holds.Payer(SOURCE, "newcomer@egi.eu"))
        with pytest.raises(PaymentRequired):
            holds.reserve(federation.client, new)
        assert organisations.find_person(ISSUER, "newcomer@egi.eu") is not None

    def test_debts_and_what_is_held_leave_less(self, federation: Federation, home: int) -> None:
        backend = registry.register_backend("other", "Other", federation.provider)
        federation.grant(home, micros(50), "bound to another", backends=[backend])
        with pytest.raises(PaymentRequired) as caught:
            reserve(federation, amount=101)
        assert caught.value.extra["may_spend"] == "100"

    def test_grants_for_certain_processes_are_not_bound(self, federation: Federation, home: int) -> None:
        federation.grant(home, micros(50), "ndvi only", processes=["ndvi"])
        with pytest.raises(PaymentRequired):
            reserve(federation, amount=101)

    def test_what_burns_first_is_bound_first(self, federation: Federation, home: int) -> None:
        later = Grant.objects.get().pk
        first = federation.grant(home, micros(5), "first", priority=1)
        reserve(federation, amount=12)
        assert bound() == {first: micros(5), later: micros(7)}


class TestWhoMay:
    def test_a_source_that_nobody_registered(self, federation: Federation, home: int) -> None:
        with pytest.raises(SourceUnknown):
            holds.reserve(federation.client, replace(request(federation), payer=holds.Payer("nowhere", "alice@egi.eu")))

    def test_a_source_of_somebody_else(self, federation: Federation, home: int) -> None:
        with pytest.raises(SourceNotAllowed):
            holds.reserve(federation.other_client, request(federation))

    def test_an_issuer_that_nobody_accepts(self, federation: Federation, home: int) -> None:
        with pytest.raises(IssuerUnknown):
            reserve(federation, payer={"issuer": "https://elsewhere.example.org"})

    def test_an_organisation_of_others(self, federation: Federation, home: int) -> None:
        firm = organisations.create_organisation("Firm", federation.charlie.pk)
        for number in (firm, 10**12):
            with pytest.raises(PermissionsInsufficient) as caught:
                reserve(federation, payer={"organisation": number})
            assert caught.value.extra["reason"] == "not_a_member"
            assert caught.value.field == "organisation"

    def test_a_suspended_organisation(self, federation: Federation, home: int) -> None:
        limits.suspend(home, "unpaid invoices")
        with pytest.raises(PermissionsInsufficient) as caught:
            reserve(federation)
        assert caught.value.extra["reason"] == "organisation_suspended"
        limits.resume(home)
        reserve(federation)

    def test_terms_that_were_not_accepted(self, federation: Federation, home: int, settings: object) -> None:
        settings.TERMS_VERSION = "2026-11"  # type: ignore[attr-defined]
        with pytest.raises(PermissionsInsufficient) as caught:
            reserve(federation)
        assert caught.value.extra["reason"] == "terms_not_accepted"

    def test_a_project_that_there_is_not(self, federation: Federation, home: int) -> None:
        with pytest.raises(ProjectUnknown):
            reserve(federation, payer={"project": "alps"})
        limits.create_project(home, "alps", "Alps")
        assert reserve(federation, payer={"project": "alps"}).project == "alps"

    def test_another_client_of_the_source_may_act_for_the_hold_and_strangers_may_not(
        self, federation: Federation, home: int
    ) -> None:
        made = reserve(federation)
        calls: list[Callable[[], object]] = [
            lambda: holds.release(federation.other_client, made.id),
            lambda: holds.beat(federation.other_client, made.id),
            lambda: holds.extend(federation.other_client, made.id, 1, "k"),
            lambda: holds.release(federation.client, uuid4()),
        ]
        for call in calls:
            with pytest.raises(NotFound):
                call()
        assert state(made) == "open"


class TestPlans:
    @pytest.fixture
    def plans(self, federation: Federation, home: int) -> dict[str, int]:
        """Grants by plan: 100 free, 20 sponsored, 200 paid."""
        return {
            "free": Grant.objects.get().pk,
            "sponsored-nor-project-x": federation.grant(home, micros(20), "NoR: project X", kind="sponsored"),
            "paid": federation.grant(home, micros(200), "Card", kind="paid"),
        }

    def test_the_first_with_credit_is_the_plan(self, federation: Federation, plans: dict[str, int]) -> None:
        made = reserve(federation, amount=15, payer={"plans": ("voucher", "paid", "free")})
        assert (made.plan, bound()) == ("paid", {plans["paid"]: micros(15)})

    def test_several_pay_in_the_order_of_the_list(self, federation: Federation, plans: dict[str, int]) -> None:
        made = reserve(federation, amount=30, payer={"plans": ("NoR-project-x", "paid")})
        assert made.plan == "sponsored-nor-project-x"
        assert bound() == {plans["sponsored-nor-project-x"]: micros(20), plans["paid"]: micros(10)}

    def test_what_is_not_listed_is_not_touched(self, federation: Federation, plans: dict[str, int]) -> None:
        with pytest.raises(PaymentRequired) as caught:
            reserve(federation, amount=21, payer={"plans": ("sponsored",)})
        assert caught.value.extra["may_spend"] == "20"
        assert caught.value.extra["plans"] == {"free": "100", "sponsored-nor-project-x": "20", "paid": "200"}

    def test_a_plan_that_there_is_not(self, federation: Federation, plans: dict[str, int]) -> None:
        with pytest.raises(BillingPlanInvalid) as caught:
            reserve(federation, payer={"plans": ("free", "nor-project-y")})
        assert "nor-project-y" in caught.value.detail


class TestRules:
    def test_an_overdraft_goes_as_far_as_the_floor(self, federation: Federation, home: int) -> None:
        limits.set_rules(home, overdraft=micros(50))
        reserve(federation, amount=140)
        with pytest.raises(PaymentRequired):
            reserve(federation, "h-2", amount=10.000001)
        reserve(federation, "h-2", amount=10)
        assert held(home) == (micros(150), 2)

    def test_fail_open_is_for_jobs_that_run_already(self, federation: Federation, home: int) -> None:
        limits.set_rules(home, fail_open=micros(20))
        with pytest.raises(PaymentRequired):
            reserve(federation, amount=120)
        reserve(federation, amount=120, failed_open=True)
        with pytest.raises(PaymentRequired):
            reserve(federation, "h-2", amount=1, failed_open=True)

    def test_there_are_so_many_holds_at_the_most(self, federation: Federation, home: int, settings: object) -> None:
        settings.HOLD_MAX_OPEN = 3  # type: ignore[attr-defined]
        made = [reserve(federation, f"h-{n}", amount=0.000001) for n in range(3)]
        with pytest.raises(TooManyHolds):
            reserve(federation, "h-3", amount=0.000001)
        limits.set_rules(home, most_holds=4)
        reserve(federation, "h-3", amount=0.000001)
        holds.release(federation.client, made[0].id)
        reserve(federation, "h-4", amount=0.000001)

    def test_they_keep_so_much_at_the_most(self, federation: Federation, home: int) -> None:
        limits.set_rules(home, most_held=micros(40))
        reserve(federation, amount=30)
        with pytest.raises(PaymentRequired) as caught:
            reserve(federation, "h-2", amount=11)
        assert caught.value.extra["reason"] == "over_limit"

    def test_a_budget_bounds_the_hold(self, federation: Federation, home: int) -> None:
        with pytest.raises(PaymentRequired) as caught:
            reserve(federation, amount=11, budget=micros(10))
        assert caught.value.extra["reason"] == "over_budget"
        made = reserve(federation, amount=8, budget=micros(10))
        holds.extend(federation.client, made.id, micros(2), "e-1")
        with pytest.raises(PaymentRequired) as caught:
            holds.extend(federation.client, made.id, 1, "e-2")
        assert caught.value.extra["reason"] == "over_budget"


class TestExtending:
    def test_keeps_more_once_a_key(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=10)
        assert not holds.extend(federation.client, made.id, micros(5), "e-1").replayed
        assert holds.extend(federation.client, made.id, micros(5), "e-1").replayed
        assert held(home) == (micros(15), 1)
        assert story(made) == [("extended", micros(5))]

    def test_not_beyond_what_there_is(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=60)
        with pytest.raises(PaymentRequired):
            holds.extend(federation.client, made.id, micros(41), "e-1")
        assert held(home) == (micros(60), 1)


class TestReleasing:
    def test_gives_everything_back_once(self, federation: Federation, home: int) -> None:
        made = reserve(federation)
        assert not holds.release(federation.client, made.id, "canceled by the user").replayed
        assert holds.release(federation.client, made.id).replayed
        assert held(home) == (0, 0)
        assert (state(made), bound()) == ("released", {})

    def test_after_it_nothing_else_can_happen(self, federation: Federation, home: int) -> None:
        made = reserve(federation)
        holds.release(federation.client, made.id)
        calls: list[Callable[[], object]] = [
            lambda: holds.beat(federation.client, made.id),
            lambda: holds.extend(federation.client, made.id, 1, "e"),
        ]
        for call in calls:
            with pytest.raises(HoldNotOpen) as caught:
                call()
            assert caught.value.extra["state"] == "released"

    def test_what_comes_back_repays_debts(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=98)
        book(federation, job_id="another", execution_id="x")  # costs 5.759775 and finds 2 credits
        assert queries.balance(home).debt == micros(3.759775)
        holds.release(federation.client, made.id)
        assert queries.balance(home).debt == 0
        assert queries.balance(home).spendable == micros(100 - 5.759775)


class TestTime:
    def test_a_hold_past_its_expiry_keeps_nothing(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        made = reserve(federation, amount=80)
        database_clock(made.expires_at)
        with pytest.raises(HoldNotOpen) as caught:
            holds.beat(federation.client, made.id)
        assert caught.value.extra["state"] == "expired"
        reserve(federation, "h-2", amount=90)  # nobody has swept, yet it can be had
        assert state(made) == "expired"
        assert held(home) == (micros(90), 1)

    def test_the_sweep_ends_what_is_due_and_tells(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        made, other = reserve(federation), reserve(federation, "h-2", lifetime=timedelta(hours=3))
        database_clock(made.expires_at - timedelta(microseconds=1))
        assert holds.expire_due() == 0
        database_clock(made.expires_at)
        assert holds.expire_due() == 1
        assert holds.expire_due() == 0
        assert (state(made), state(other)) == ("expired", "open")
        event = OutboxEvent.objects.get(topic="hold_expired")
        assert event.payload["uuid"] == str(made.id)
        assert event.payload["kept"] == micros(10)

    def test_a_heartbeat_moves_the_expiry_and_never_back(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        made = reserve(federation)
        database_clock(made.created_at + timedelta(minutes=30))
        holds.beat(federation.client, made.id)
        holds.beat(federation.client, made.id, lifetime=timedelta(minutes=1))
        database_clock(made.expires_at)
        assert holds.expire_due() == 0
        database_clock(made.expires_at + timedelta(minutes=30))
        assert holds.expire_due() == 1

    def test_a_bound_grant_outlives_its_expiry(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        soon = Grant.objects.get().issued_at + timedelta(minutes=30)
        short = federation.grant(home, micros(7), "short", priority=1, expires_at=soon)
        made = reserve(federation, amount=5)
        assert bound() == {short: micros(5)}
        database_clock(soon + timedelta(minutes=1))
        assert grants.expire_due() == 1
        assert Grant.objects.get(pk=short).remaining == micros(5)
        holds.release(federation.client, made.id)
        assert grants.expire_due() == 1
        assert Grant.objects.get(pk=short).remaining == 0
