"""Reservations under odd circumstances: overdue siblings, other back ends, suspended payers (H1, H7, H10 to H12)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounting import grants, holds, limits, organisations, prechecks, queries, registry
from accounting.errors import IdempotencyKeyReused, PaymentRequired, PermissionsInsufficient
from accounting.holds import Payer, Request
from accounting.models import Grant, Member, OutboxEvent
from accounting.prechecks import Need, Question
from accounting.principals import ServicePrincipal
from tests.accounting.books import micros
from tests.accounting.hold_books import held, reserve, state
from tests.conftest import ISSUER, SOURCE, Federation

MoveClock = Callable[[datetime | None], None]
pytestmark = pytest.mark.usefixtures("sound_books")


class TestWhatIsOverdue:
    """H7: a hold past its expiry keeps nothing, swept or not."""

    def test_leaves_its_part_to_the_next_child(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        parent = reserve(federation, "p", amount=10, job_id="whole", lifetime=timedelta(hours=5))
        late = reserve(federation, "c-1", amount=10, job_id="j-1", parent=parent.id)
        database_clock(late.expires_at)
        reserve(federation, "c-2", amount=10, job_id="j-2", parent=parent.id)
        assert (state(late), held(home)) == ("expired", (micros(10), 2))

    def test_is_no_child_too_many(
        self, federation: Federation, home: int, database_clock: MoveClock, settings: object
    ) -> None:
        settings.HOLD_MAX_OPEN = 2  # type: ignore[attr-defined]
        parent = reserve(federation, "p", amount=10, job_id="whole", lifetime=timedelta(hours=5))
        late = reserve(federation, "c-1", amount=1, job_id="j-1", parent=parent.id)
        database_clock(late.expires_at)
        reserve(federation, "c-2", amount=1, job_id="j-2", parent=parent.id)

    def test_does_not_keep_others_from_growing(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        late = reserve(federation, "h-1", amount=60)
        other = reserve(federation, "h-2", amount=40, job_id="j-2", lifetime=timedelta(hours=5))
        database_clock(late.expires_at)
        holds.extend(federation.client, other.id, micros(60), "e-1")
        assert held(home) == (micros(100), 1)

    def test_nor_a_brother(self, federation: Federation, home: int, database_clock: MoveClock) -> None:
        parent = reserve(federation, "p", amount=10, job_id="whole", lifetime=timedelta(hours=5))
        late = reserve(federation, "c-1", amount=6, job_id="j-1", parent=parent.id)
        other = reserve(federation, "c-2", amount=4, job_id="j-2", parent=parent.id, lifetime=timedelta(hours=5))
        database_clock(late.expires_at)
        holds.extend(federation.client, other.id, micros(6), "e-1")
        assert held(home) == (micros(10), 2)

    def test_a_check_knows_it_however_much_else_is_overdue(
        self, federation: Federation, home: int, database_clock: MoveClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        federation.grant(federation.lab, micros(10), "lab")
        older = [reserve(federation, f"l-{n}", 1, payer={"organisation": federation.lab}) for n in range(3)]
        late = reserve(federation, amount=100, lifetime=timedelta(hours=2))
        database_clock(late.expires_at)
        whole = holds.expire_due
        monkeypatch.setattr(holds, "expire_due", lambda limit=1: whole(limit))  # a sweep that is far behind
        (advice,) = prechecks.check(
            federation.client, [Question(Payer(SOURCE, federation.alice.sub, organisation=home), Need(1, 1))]
        )
        assert (advice.decision, advice.may_spend) == ("allow", micros(100))
        assert len(older) == 3


class TestSuspended:
    def test_organisations_get_no_more_for_running_jobs(self, federation: Federation, home: int) -> None:
        made = reserve(federation)
        limits.suspend(home, "unpaid invoices")
        with pytest.raises(PermissionsInsufficient) as caught:
            holds.extend(federation.client, made.id, micros(1), "e-1")
        assert caught.value.extra["reason"] == "organisation_suspended"
        limits.resume(home)
        holds.extend(federation.client, made.id, micros(1), "e-1")

    def test_organisations_start_no_part_of_a_job_of_somebody_who_left(self, federation: Federation) -> None:
        federation.grant(federation.lab, micros(50), "lab")
        parent = reserve(federation, "p", amount=10, payer={"organisation": federation.lab})
        Member.objects.filter(organisation_id=federation.lab, person_id=federation.alice.pk).delete()
        reserve(federation, "c-1", amount=1, parent=parent.id, job_id="j-2")
        limits.suspend(federation.lab, "unpaid invoices")
        with pytest.raises(PermissionsInsufficient):
            reserve(federation, "c-2", amount=1, parent=parent.id, job_id="j-3")

    def test_organisations_are_trusted_with_nothing(self, federation: Federation, home: int) -> None:
        limits.set_rules(home, fail_open=micros(5))
        limits.suspend(home, "unpaid invoices")
        (advice,) = prechecks.check(federation.client, [Question(Payer(SOURCE, federation.alice.sub), Need(1, 1))])
        assert (advice.decision, advice.reason, advice.fail_open) == ("deny", "organisation_suspended", 0)


class TestLimits:
    def test_of_a_back_end_count_for_the_children_there(self, federation: Federation, home: int) -> None:
        """H12: a parent on another back end is no way around."""
        backend = registry.register_backend("aggregator", "Aggregator", federation.provider)
        registry.register_source("aggregator", backend, ISSUER)
        pk = registry.register_client(ISSUER, "aggregator", "aggregator", ["aggregator"])
        aggregator = ServicePrincipal(pk, registry.normalise_issuer(ISSUER), "aggregator", "", "aggregator")
        limits.set_limit(home, micros(5), period="month", backend=federation.backend)
        asked = Request(Payer("aggregator", federation.alice.sub), "whole", micros(50), "p")
        parent = holds.reserve(aggregator, asked)
        with pytest.raises(PaymentRequired) as caught:
            reserve(federation, "c-1", amount=6, parent=parent.id)
        assert (caught.value.extra["reason"], caught.value.extra["may_spend"]) == ("over_limit", "5")
        made = reserve(federation, "c-1", amount=5, parent=parent.id)
        with pytest.raises(PaymentRequired) as caught:
            holds.extend(federation.client, made.id, 1, "e-1")
        assert (caught.value.extra["reason"], caught.value.extra["may_spend"]) == ("over_limit", "0")


class TestBudgets:
    def test_of_a_child_are_told_as_what_is_left_of_them(self, federation: Federation, home: int) -> None:
        parent = reserve(federation, "p", amount=50, job_id="whole")
        with pytest.raises(PaymentRequired) as caught:
            reserve(federation, "c-1", amount=6, budget=micros(5), parent=parent.id)
        assert caught.value.extra["may_spend"] == "5"
        made = reserve(federation, "c-1", amount=4, budget=micros(5), parent=parent.id)
        with pytest.raises(PaymentRequired) as caught:
            holds.extend(federation.client, made.id, micros(2), "e-1")
        assert caught.value.extra["may_spend"] == "1"


class TestKeys:
    def test_of_extensions_mean_one_amount(self, federation: Federation, home: int) -> None:
        """Or a back end would believe that it had kept what it has not (U6)."""
        made = reserve(federation, amount=10)
        holds.extend(federation.client, made.id, micros(5), "e-1")
        with pytest.raises(IdempotencyKeyReused) as caught:
            holds.extend(federation.client, made.id, micros(50), "e-1")
        assert caught.value.field == "Idempotency-Key"
        assert held(home) == (micros(15), 1)


class TestRunningJobs:
    def test_are_judged_anew_when_another_hold_takes_the_last_credits(self, federation: Federation, home: int) -> None:
        reserve(federation, amount=10)
        assert not OutboxEvent.objects.filter(topic="guard").exists()
        reserve(federation, "h-2", amount=90, job_id="j-2")
        assert OutboxEvent.objects.filter(topic="guard").count() == 1

    def test_are_judged_anew_when_credits_expire(self, federation: Federation, database_clock: MoveClock) -> None:
        home = federation.alice.personal_organisation
        soon = datetime.fromisoformat("2100-01-01T00:00:00+00:00")
        federation.grant(home, micros(10), "short", expires_at=soon)
        reserve(federation, amount=9, lifetime=timedelta(days=60))
        database_clock(soon - timedelta(days=1))
        made = reserve(federation, "h-2", amount=0.5, job_id="j-2", lifetime=timedelta(days=2))
        database_clock(soon)
        assert grants.expire_due() == 1
        assert OutboxEvent.objects.filter(topic="guard").count() == 1
        assert state(made) == "open"


def test_plans_named_twice_and_in_any_case_are_one(federation: Federation, home: int) -> None:
    paid = federation.grant(home, micros(5), "Card", kind="paid")
    made = reserve(federation, amount=7, payer={"plans": ("PAID", "paid", "Free", "pAid")})
    assert made.plan == "paid"
    assert Grant.objects.get(pk=paid).held == micros(5)
    assert made.plans == ["PAID", "paid", "Free", "pAid"]


def test_many_large_extensions_stay_exact(federation: Federation) -> None:
    home = organisations.create_organisation("Large", federation.alice.pk)
    for n in range(3):
        federation.grant(home, micros(999_999_999), f"large-{n}")
    made = reserve(federation, amount=999_999_999, payer={"organisation": home})
    for n in range(2):
        holds.extend(federation.client, made.id, micros(999_999_999), f"e-{n}")
    assert held(home) == (3 * micros(999_999_999), 1)
    assert queries.balance(home).spendable == 0


def test_numbers_in_metadata_stay_numbers(federation: Federation, home: int) -> None:
    metadata = {"cloud": Decimal("7.0"), "share": Decimal("0.25"), "many": 12345678901234567890}
    first, again = [reserve(federation, metadata=metadata) for _ in range(2)]
    assert first.metadata == {"cloud": 7, "share": 0.25, "many": 12345678901234567890}
    assert again.metadata == first.metadata
