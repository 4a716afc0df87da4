"""What can be read of holds: never more than a bounded number of rows, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounting import captures, grants, hold_events, hold_queries, holds, ledger, limit_queries, limits, queries
from accounting.hold_queries import Place
from accounting.models import Job
from tests.accounting.books import GOLDEN, book, booked, micros
from tests.accounting.hold_books import reserve
from tests.accounting.test_captures import cpu
from tests.conftest import Federation

MoveClock = Callable[[datetime | None], None]


def the(organisation: int, hold: holds.Reserved) -> hold_queries.HoldView:
    found = hold_queries.find(hold.id, [organisation])
    assert found is not None
    return found


class TestOneHold:
    def test_as_it_was_opened(self, federation: Federation, home: int) -> None:
        limits.create_project(home, "alps", "Alps")
        made = reserve(federation, amount=30, budget=micros(50), payer={"project": "alps", "plans": ("paid", "free")})
        found = the(home, made)
        assert (found.amount, found.kept, found.charged, found.used) == (micros(30), micros(30), 0, 0)
        assert (found.state, found.keeps, found.ended_at, found.budget) == ("open", True, None, micros(50))
        assert (found.backend, found.project_name, found.job_title) == ("Terrascope", "Alps", None)
        assert (found.plan, found.plans, found.lifetime) == ("free", ("paid", "free"), timedelta(hours=1))
        (part,) = hold_queries.grants_of(found)
        assert (part.label, part.amount) == ("g", micros(30))

    def test_only_who_pays_finds_it(self, federation: Federation, home: int) -> None:
        made = reserve(federation)
        assert hold_queries.find(made.id, [federation.lab]) is None
        assert hold_queries.find(made.id, []) is None
        assert hold_queries.find(uuid4(), [home]) is None

    def test_what_the_job_says_it_used_and_what_was_charged(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        captures.heartbeat(federation.client, made.id, cpu(4))
        captures.capture(federation.client, made.id, cpu(3), key="c", raw="{}", final=False)
        found = the(home, made)
        assert (found.charged, found.used, found.kept) == (micros(3), micros(4), micros(27))
        assert found.beat_at is not None
        assert found.job_title == ""

    def test_what_goes_beyond_it(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=2)
        book(federation, job_title="NDVI")
        found = the(home, made)
        assert (found.state, found.kept, found.charged) == ("captured", 0, GOLDEN)
        assert (found.excess, found.job_title, found.keeps) == (GOLDEN - micros(2), "NDVI", False)

    def test_a_charge_that_was_given_back_counts_no_more(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=2)
        ledger.reverse(booked(federation), "failed_job")
        found = the(home, made)
        assert (found.charged, found.excess, found.used) == (0, 0, 0)

    def test_past_its_expiry_it_is_expired_swept_or_not(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        made = reserve(federation)
        database_clock(made.expires_at)
        found = the(home, made)
        assert (found.state, found.keeps, found.kept) == ("expired", True, micros(10))
        holds.expire_due()
        found = the(home, made)
        assert (found.state, found.keeps, found.kept) == ("expired", False, 0)


class TestLists:
    def test_pages_follow_one_another_without_gap_or_double(self, federation: Federation, home: int) -> None:
        made = [reserve(federation, f"h-{n}", amount=1, job_id=f"j-{n}").pk for n in range(5)][::-1]
        first, older, newer = hold_queries.page(home, Place(), 2)
        assert ([one.pk for one in first], older, newer) == (made[:2], True, False)
        second, older, newer = hold_queries.page(home, Place(after=first[-1].pk), 2)
        assert ([one.pk for one in second], older, newer) == (made[2:4], True, True)
        last, older, newer = hold_queries.page(home, Place(after=second[-1].pk), 2)
        assert ([one.pk for one in last], older, newer) == (made[4:], False, True)
        back, older, newer = hold_queries.page(home, Place(before=last[0].pk), 2)
        assert ([one.pk for one in back], older, newer) == (made[2:4], True, True)

    def test_open_ones_ended_ones_and_those_of_a_back_end(self, federation: Federation, home: int) -> None:
        one, two = reserve(federation, "h-1", 1), reserve(federation, "h-2", 1)
        holds.release(federation.client, one.id)

        def pks(**how: Any) -> list[int]:
            return [found.pk for found in hold_queries.page(home, Place(), 9, **how)[0]]

        assert (pks(), pks(is_open=True), pks(is_open=False)) == ([two.pk, one.pk], [two.pk], [one.pk])
        assert (pks(backend="terrascope"), pks(backend="cdse")) == ([two.pk, one.pk], [])
        assert hold_queries.still_open([str(one.id), str(two.id)]) == {str(two.id)}
        assert hold_queries.still_open([]) == frozenset()

    def test_running_ones_with_children_behind_their_parent(self, federation: Federation, home: int) -> None:
        parent = reserve(federation, "p", 20)
        other = reserve(federation, "o", 5)
        parts = [reserve(federation, f"c-{n}", 5, parent=parent.id) for n in range(2)]
        found = hold_queries.running(home, 9)
        assert [one.pk for one in found] == [other.pk, parent.pk, *(part.pk for part in parts)]
        assert sum(one.kept for one in found) == queries.balance(home).held == micros(25)
        assert (hold_queries.count_running(home), len(hold_queries.running(home, 2))) == (4, 2)

    @pytest.mark.parametrize("count", [1, 6])
    def test_a_list_takes_one_query(
        self, federation: Federation, home: int, count: int, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(count):
            made = reserve(federation, f"h-{number}", 1, job_id=f"j-{number}")
            captures.capture(federation.client, made.id, cpu(0.5), key="c", raw="{}", final=False)
        with django_assert_num_queries(1):
            assert len(hold_queries.running(home, 9)) == count
        with django_assert_num_queries(1):
            assert len(hold_queries.page(home, Place(), 9)[0]) == count


class TestFamily:
    def test_children_and_what_they_cost(self, federation: Federation, home: int) -> None:
        parent = reserve(federation, "p", 60, job_id="whole")
        one = reserve(federation, "c-1", 20, parent=parent.id)
        two = reserve(federation, "c-2", 20, parent=parent.id, job_id="j-2")
        book(federation)
        found = hold_queries.children(parent.pk)
        assert [(child.pk, child.charged) for child in found] == [(one.pk, GOLDEN), (two.pk, 0)]
        assert hold_queries.sums_of_children(parent.pk) == (2, GOLDEN, micros(20))
        assert hold_queries.sums_of_children(one.pk) == (0, 0, 0)
        assert the(home, one).parent == parent.id

    def test_holds_of_a_job_and_those_that_paid_it_under_another_name(self, federation: Federation, home: int) -> None:
        by_run = reserve(federation, "h-1", 5, job_id="before it had a name", execution_id="application_1")
        book(federation)
        of_same_name = reserve(federation, "h-2", 5)
        found = hold_queries.of_job(Job.objects.get())
        assert [one.pk for one in found] == [of_same_name.pk, by_run.pk]


class TestEvents:
    def test_from_the_newest_to_the_opening(self, federation: Federation, home: int) -> None:
        made = reserve(federation, amount=30)
        holds.extend(federation.client, made.id, micros(5), "more")
        first = captures.capture(federation.client, made.id, cpu(2), key="c", raw="{}", final=False)
        report = booked(federation)
        told = hold_events.events([the(home, made)], 20)[made.pk]
        assert [(one.kind, one.kept) for one in told] == [
            ("released", 0),
            ("captured", micros(35) - GOLDEN),
            ("restored", micros(35)),
            ("captured", micros(33)),
            ("extended", micros(35)),
            ("opened", micros(30)),
        ]
        assert (told[1].transaction, told[1].taken_back, told[1].job_id, told[1].ends) == (report, "", "j-1", True)
        assert (told[3].transaction, told[3].taken_back) == (first.transaction, "superseded")

    def test_a_bounded_number_of_each(self, federation: Federation, home: int) -> None:
        one, two = reserve(federation, "h-1", 1), reserve(federation, "h-2", 1, job_id="j-2")
        for number in range(4):
            holds.extend(federation.client, one.id, micros(1), f"e-{number}")
        told = hold_events.events([the(home, one), the(home, two)], 3)
        assert [event.kept for event in told[one.pk]] == [micros(5), micros(4), micros(3)]
        assert [event.kind for event in told[two.pk]] == ["opened"]
        older = hold_events.events([the(home, one)], 3, before=told[one.pk][-1].pk)[one.pk]
        assert [event.kept for event in older] == [micros(2), micros(1)]
        assert hold_events.events([], 3) == {}

    def test_a_child_is_named(self, federation: Federation, home: int) -> None:
        parent = reserve(federation, "p", 20)
        child = reserve(federation, "c", 5, parent=parent.id)
        told = hold_events.events([the(home, parent)], 5)[parent.pk]
        assert (told[0].kind, told[0].other, told[0].other_job) == ("lent", child.id, "j-1")


class TestLimits:
    def test_those_that_count_the_job_with_what_runs(self, federation: Federation, home: int) -> None:
        project = limits.create_project(home, "alps", "Alps")
        limits.create_project(home, "andes", "Andes")
        scopes: list[dict[str, Any]] = [
            {},
            {"project": project},
            {"backend": federation.backend},
            {"person": federation.alice.pk},
        ]
        for scope in [*scopes, {"person": federation.alice.pk}]:
            limits.set_limit(home, micros(50 if scope else 70), period="month", **scope)
        limits.set_limit(home, micros(40), period="total", action="notify")
        other = reserve(federation, "h-2", 5, job_id="j-2")
        captures.heartbeat(federation.client, other.id, cpu(2))
        made = reserve(federation, amount=10, payer={"project": "alps"})
        captures.heartbeat(federation.client, made.id, cpu(3))
        book(federation, job_id="j-3", execution_id="x")
        found = {
            (one.project, one.backend, one.person, one.period): one for one in limit_queries.limits_on(the(home, made))
        }
        assert {place: use.running for place, use in found.items()} == {
            ("", "", None, "month"): micros(5),
            ("Alps", "", None, "month"): micros(3),
            ("", "Terrascope", None, "month"): micros(5),
            ("", "", federation.alice.pk, "month"): micros(5),
            ("", "", None, "total"): micros(5),
        }
        assert found["", "", None, "month"].spent == GOLDEN
        assert found["Alps", "", None, "month"].spent == 0
        assert len(limit_queries.limits_on(the(home, other))) == 4

    def test_a_period_that_is_over_counts_from_zero(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        kept = limits.set_limit(home, micros(50), period="month")
        assert kept is not None
        book(federation)
        assert limit_queries.named([kept])[kept].spent == GOLDEN
        database_clock(hold_queries.now() + timedelta(days=32))
        assert limit_queries.named([kept])[kept].spent == 0
        limits.set_limit(home, None, period="month")
        assert limit_queries.named([kept]) == limit_queries.named([]) == {}


class TestBalance:
    def test_what_a_grant_has_bound_is_said_of_it(self, federation: Federation, home: int) -> None:
        reserve(federation, amount=30)
        (grant,) = queries.open_grants(home)
        assert (grant.remaining, grant.held) == (micros(100), micros(30))

    @pytest.mark.parametrize("swept", [True, False])
    def test_what_is_bound_of_an_expired_grant_is_neither_spendable_nor_lost(
        self, federation: Federation, home: int, database_clock: MoveClock, swept: bool
    ) -> None:
        end = hold_queries.now() + timedelta(hours=3)
        federation.grant(home, micros(20), "short", expires_at=end, priority=1)
        reserve(federation, amount=15, lifetime=timedelta(hours=9))
        database_clock(end)
        if swept:
            grants.expire_due()
        found = queries.open_grants(home)
        assert [(one.label, one.remaining, one.held) for one in found] == [
            ("short", micros(15), micros(15)),
            ("g", micros(100), 0),
        ]
        balance = queries.balance(home)
        assert (balance.held, balance.spendable) == (micros(15), micros(100))
        assert sum(one.remaining for one in found) == balance.spendable + balance.held + balance.debt

    def test_even_when_every_grant_has_expired(self, federation: Federation, database_clock: MoveClock) -> None:
        home = federation.alice.personal_organisation
        end = hold_queries.now() + timedelta(hours=3)
        federation.grant(home, micros(20), "short", expires_at=end)
        reserve(federation, amount=15, lifetime=timedelta(hours=9))
        database_clock(end)
        balance = queries.balance(home)
        assert (balance.held, balance.spendable) == (micros(15), 0)


class TestRunning:
    def test_several_are_judged_in_one_query(self, federation: Federation, home: int) -> None:
        made = [reserve(federation, f"h-{n}", 10, budget=micros(10), job_id=f"j-{n}") for n in range(3)]
        captures.heartbeat(federation.client, made[0].id, cpu(9))
        holds.release(federation.client, made[2].id)
        wallet = the(home, made[0]).wallet
        with CaptureQueriesContext(connection) as asked:
            found = captures.running_of(wallet, [one.pk for one in made])
        assert len(asked) == 1
        assert {pk: job.verdict.decision for pk, job in found.items()} == {
            made[0].pk: "warn",
            made[1].pk: "continue",
        }
        assert {(bound.reason, bound.amount, bound.used) for bound in found[made[0].pk].bounds} == {
            ("over_budget", micros(10), micros(9)),
            ("no_credit", micros(90), micros(9)),
        }
        assert captures.running_of(wallet, []) == {}
