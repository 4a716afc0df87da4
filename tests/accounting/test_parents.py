"""A job split over several back ends: one parent, children that share what it keeps, nothing spent twice (H10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounting import captures, holds, limits, queries, registry
from accounting.errors import HoldNotOpen, ParentInvalid, PaymentRequired, PermissionsInsufficient
from accounting.holds import Payer, Request, Reserved
from accounting.models import OpenHold
from accounting.principals import ServicePrincipal
from tests.accounting.books import GOLDEN, book, ingest, micros
from tests.accounting.hold_books import bound, held, reserve, state, story
from tests.accounting.test_captures import cpu
from tests.conftest import ISSUER, Federation

pytestmark = pytest.mark.usefixtures("sound_books")


@pytest.fixture
def aggregator(federation: Federation) -> ServicePrincipal:
    backend = registry.register_backend("aggregator", "Aggregator", federation.provider)
    registry.register_source("aggregator", backend, ISSUER)
    pk = registry.register_client(ISSUER, "aggregator", "aggregator", ["aggregator"])
    return ServicePrincipal(pk, registry.normalise_issuer(ISSUER), "aggregator", "", "aggregator")


@pytest.fixture
def parent(federation: Federation, home: int, aggregator: ServicePrincipal) -> Reserved:
    """60 credits for the whole job, which may cost no more."""
    terms: dict[str, Any] = {"budget": micros(60), "lifetime": timedelta(hours=2)}
    asked = Request(Payer("aggregator", federation.alice.sub), "agg-1", micros(60), "p-1", **terms)
    return holds.reserve(aggregator, asked)


def child(federation: Federation, parent: Reserved, key: str, amount: float, **changes: Any) -> Reserved:
    """On Terrascope, as its own client asks for it."""
    return reserve(federation, key, amount, **({"parent": parent.id, "job_id": f"j-{key}"} | changes))


def test_a_child_takes_its_part_of_the_parent(federation: Federation, home: int, parent: Reserved) -> None:
    one = child(federation, parent, "c-1", 20)
    assert one.parent == parent.id
    assert held(home) == (micros(60), 2)
    assert (story(parent), sum(bound().values())) == ([("lent", -micros(20))], micros(60))


def test_children_cannot_have_more_than_the_parent_has(federation: Federation, home: int, parent: Reserved) -> None:
    child(federation, parent, "c-1", 40)
    with pytest.raises(PaymentRequired) as caught:
        child(federation, parent, "c-2", 20.000001)
    assert caught.value.extra["reason"] == "over_budget"
    assert caught.value.extra["may_spend"] == "20"
    assert (caught.value.field, "The parent hold has 20 credits left" in caught.value.detail) == ("amount", True)
    with pytest.raises(PaymentRequired, match="budget does not allow it"):
        child(federation, parent, "c-2", 15, budget=micros(10))
    child(federation, parent, "c-2", 20)


def test_the_same_key_is_the_same_child(federation: Federation, home: int, parent: Reserved) -> None:
    first, second = child(federation, parent, "c-1", 40), child(federation, parent, "c-1", 40)
    assert (first.id, second.replayed) == (second.id, True)


def test_what_a_child_leaves_goes_back_to_the_parent(federation: Federation, home: int, parent: Reserved) -> None:
    one = child(federation, parent, "c-1", 40, job_id="j-1")
    book(federation)
    assert (state(one), state(parent)) == ("captured", "open")
    assert held(home) == (micros(60) - GOLDEN, 1)
    two = child(federation, parent, "c-2", 54, job_id="j-2")
    holds.release(federation.client, two.id)
    assert OpenHold.objects.get().remaining == micros(60) - GOLDEN


def test_a_child_grows_from_its_parent_only(federation: Federation, home: int, parent: Reserved) -> None:
    one = child(federation, parent, "c-1", 40)
    holds.extend(federation.client, one.id, micros(20), "e-1")
    with pytest.raises(PaymentRequired):
        holds.extend(federation.client, one.id, 1, "e-2")
    assert held(home) == (micros(60), 2)


def test_children_of_an_ended_parent_keep_what_they_have(
    federation: Federation, home: int, parent: Reserved, aggregator: ServicePrincipal
) -> None:
    one = child(federation, parent, "c-1", 40, job_id="j-1")
    holds.release(aggregator, parent.id)
    assert held(home) == (micros(40), 1)
    with pytest.raises(ParentInvalid):
        child(federation, parent, "c-2", 1)
    book(federation)
    assert (state(one), held(home)) == ("captured", (0, 0))
    assert queries.balance(home).spendable == micros(100) - GOLDEN


def test_a_parent_lives_as_long_as_its_children(
    federation: Federation, home: int, parent: Reserved, database_clock: Any
) -> None:
    one = child(federation, parent, "c-1", 40, lifetime=timedelta(hours=5))
    database_clock(parent.created_at + timedelta(hours=4))
    assert holds.expire_due() == 0
    holds.beat(federation.client, one.id)
    database_clock(parent.created_at + timedelta(hours=8))
    assert holds.expire_due() == 0
    database_clock(parent.created_at + timedelta(hours=10))
    assert holds.expire_due() == 2
    assert held(home) == (0, 0)


def test_the_rest_of_an_expired_child_goes_back(
    federation: Federation, home: int, parent: Reserved, database_clock: Any
) -> None:
    child(federation, parent, "c-1", 40, lifetime=timedelta(hours=1))
    database_clock(parent.created_at + timedelta(hours=1, minutes=1))
    assert holds.expire_due() == 1
    assert story(parent) == [("lent", -micros(40)), ("returned", micros(40))]
    assert held(home) == (micros(60), 1)


class TestWhoMay:
    def test_another_person(self, federation: Federation, home: int, parent: Reserved) -> None:
        federation.grant(federation.bob.personal_organisation, micros(50), "bob")
        of_bob = Payer("TerraScope/MEP", federation.bob.sub)
        with pytest.raises(ParentInvalid) as caught:
            holds.reserve(federation.client, Request(of_bob, "j", micros(1), "k", parent=parent.id))
        assert caught.value.extra["reason"] == "parent_of_another"

    def test_another_organisation(self, federation: Federation, home: int, parent: Reserved) -> None:
        with pytest.raises(ParentInvalid):
            child(federation, parent, "c-1", 1, payer={"organisation": federation.lab})

    def test_a_child_has_no_children(self, federation: Federation, home: int, parent: Reserved) -> None:
        one = child(federation, parent, "c-1", 10)
        with pytest.raises(ParentInvalid) as caught:
            child(federation, one, "c-2", 1)
        assert caught.value.extra["reason"] == "parent_is_a_child"

    def test_a_suspended_organisation_starts_no_more_children(
        self, federation: Federation, home: int, parent: Reserved
    ) -> None:
        limits.suspend(home, "unpaid")
        with pytest.raises(PermissionsInsufficient):
            child(federation, parent, "c-1", 1)


class TestGuard:
    def test_one_budget_for_all_children(
        self, federation: Federation, home: int, parent: Reserved, aggregator: ServicePrincipal
    ) -> None:
        one = child(federation, parent, "c-1", 30)
        two = child(federation, parent, "c-2", 30)
        assert captures.heartbeat(federation.client, one.id, cpu(20)).verdict.decision == "continue"
        found = captures.heartbeat(federation.client, two.id, cpu(28))
        assert (found.verdict.decision, found.verdict.reason) == ("warn", "over_budget")
        found = captures.heartbeat(federation.client, one.id, cpu(32))
        assert (found.verdict.decision, found.verdict.reason) == ("stop", "over_budget")
        whole = captures.heartbeat(aggregator, parent.id, ())
        assert (whole.used, whole.verdict.decision) == (micros(60), "stop")

    def test_what_is_charged_counts_once(
        self, federation: Federation, home: int, parent: Reserved, aggregator: ServicePrincipal
    ) -> None:
        one = child(federation, parent, "c-1", 30, job_id="j-1")
        captures.capture(federation.client, one.id, cpu(5), key="k", raw="{}", final=False)
        assert captures.heartbeat(aggregator, parent.id, ()).used == micros(5)
        assert ingest(federation.client, federation.report()).status == "booked"
        assert captures.heartbeat(aggregator, parent.id, ()).used == GOLDEN

    def test_an_ended_child_hears_nothing(self, federation: Federation, home: int, parent: Reserved) -> None:
        one = child(federation, parent, "c-1", 30)
        holds.release(federation.client, one.id)
        with pytest.raises(HoldNotOpen):
            captures.heartbeat(federation.client, one.id, cpu(1))
