"""Buckets of credits: issued, burnt in order, repaying debts, expired (invariants G1 to G6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection

from accounting import grants, queries, usage
from accounting.credits import LARGEST
from accounting.errors import GrantInvalid, NotFound
from accounting.models import Debt, Grant, Spend, Transaction
from accounting.usage import UsageLine
from tests.accounting.books import account, booked, micros, paid_by, posted, prove, rows
from tests.conftest import Federation

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
Clock = Callable[[datetime | None], None]


def spend(federation: Federation, key: str, amount: float, **changes: Any) -> int:
    """A report of Alice's that costs so many credits; its transaction."""
    line = UsageLine("processing", Decimal(str(amount)), "credits", str(amount), process=changes.pop("process", ""))
    return booked(federation, key, lines=(line,), **changes)


def left(grant: int) -> int:
    return int(Grant.objects.get(pk=grant).remaining)


class TestIssuing:
    def test_moves_credits_from_the_funds_issuance_into_the_wallet(self, federation: Federation) -> None:
        """G5: free credits have a payer."""
        grant = federation.grant(federation.lab, micros(10), "welcome", fund="esa", note="first year")
        assert posted(federation.lab) == micros(10)
        assert account("issuance", owner="esa") == -micros(10)
        row = Grant.objects.get(pk=grant)
        assert (row.amount, row.remaining, row.fund, row.label) == (micros(10), micros(10), "esa", "welcome")
        assert row.transaction.note == "first year"
        prove()

    def test_is_idempotent_by_key_whatever_else_is_said(self, federation: Federation) -> None:
        first = federation.grant(federation.lab, micros(10), "welcome")
        before = rows()
        assert federation.grant(federation.lab, micros(99), "welcome", kind="paid") == first
        assert federation.grant(federation.alice.personal_organisation, micros(5), "welcome") == first
        assert rows() == before

    @pytest.mark.parametrize(
        ("terms", "field"),
        [
            ({"amount": 0}, "amount"),
            ({"amount": -1}, "amount"),
            ({"amount": LARGEST + 1}, "amount"),
            ({"kind": "gift"}, "kind"),
            ({"fund": ""}, "fund"),
        ],
    )
    def test_refuses_what_is_no_grant(self, federation: Federation, terms: dict[str, Any], field: str) -> None:
        before = rows()
        wanted: dict[str, Any] = {"amount": 1, "kind": "free", "fund": "esa", "label": "", "key": "k"} | terms
        with pytest.raises(GrantInvalid) as refused:
            grants.issue(federation.lab, wanted.pop("amount"), **wanted)
        assert refused.value.field == field
        assert rows() == before

    def test_refuses_an_organisation_that_does_not_exist(self, federation: Federation) -> None:
        with pytest.raises(NotFound):
            federation.grant(4711, 1, "nobody")

    def test_takes_the_largest_amount_many_times(self, federation: Federation) -> None:
        """L6 of the catalogue: the wallet's bigint has room."""
        for number in range(20):
            federation.grant(federation.lab, LARGEST, f"large-{number}")
        assert posted(federation.lab) == 20 * LARGEST
        prove()

    def test_gives_what_is_bound_to_a_purpose_a_lower_number_than_what_was_paid_for(
        self, federation: Federation
    ) -> None:
        kinds = ["paid", "voucher", "free", "trial", "sponsored"]
        ids = [federation.grant(federation.lab, 1, kind, kind=kind) for kind in kinds]
        assert [grant.id for grant in queries.open_grants(federation.lab)] == ids[::-1]
        own = federation.grant(federation.lab, 1, "first of all", kind="paid", priority=1)
        assert queries.open_grants(federation.lab)[0].id == own


class TestBurning:
    """G1."""

    @pytest.fixture
    def home(self, federation: Federation) -> int:
        return federation.alice.personal_organisation

    def test_goes_by_priority_then_earliest_expiry_then_age(self, federation: Federation, home: int) -> None:
        soon, later = datetime.now(UTC) + DAY, datetime.now(UTC) + 2 * DAY
        order = [
            federation.grant(home, micros(1), "e", priority=5),
            federation.grant(home, micros(1), "d", priority=5),
            federation.grant(home, micros(1), "c", priority=5, expires_at=later),
            federation.grant(home, micros(1), "b", priority=5, expires_at=soon),
            federation.grant(home, micros(1), "a", priority=1, expires_at=later),
        ]
        never_old, never_new, late, early, first = order
        pk = spend(federation, "k-1", 4.5)
        assert paid_by(pk) == [
            (first, micros(1)),
            (early, micros(1)),
            (late, micros(1)),
            (never_old, micros(1)),
            (never_new, micros(0.5)),
        ]
        assert left(never_new) == micros(0.5)
        prove()

    def test_stops_at_the_instant_of_expiry(self, federation: Federation, home: int, database_clock: Clock) -> None:
        database_clock(NOON - DAY)
        grant = federation.grant(home, micros(5), "g", expires_at=NOON)
        database_clock(NOON - timedelta(microseconds=1))
        assert paid_by(spend(federation, "k-1", 1)) == [(grant, micros(1))]
        database_clock(NOON)
        assert paid_by(spend(federation, "k-2", 1)) == [(None, micros(1))]
        assert queries.open_grants(home) == []
        prove()

    def test_goes_by_the_clock_of_the_database_not_by_that_of_the_server(
        self, federation: Federation, home: int
    ) -> None:
        """L7."""
        grant = federation.grant(home, micros(5), "g", expires_at=datetime.now(UTC) + DAY)
        with time_machine.travel(datetime.now(UTC) + 2 * DAY, tick=False):
            assert paid_by(spend(federation, "k-1", 1)) == [(grant, micros(1))]
            assert grants.expire_due() == 0
            assert [open_one.id for open_one in queries.open_grants(home)] == [grant]
        assert Transaction.objects.get(kind="usage").recorded_at < datetime.now(UTC) + DAY

    def test_keeps_to_the_back_ends_of_the_grant(self, federation: Federation, home: int) -> None:
        here = federation.grant(home, micros(5), "here", backends=[federation.backend])
        federation.grant(home, micros(5), "elsewhere", backends=[federation.backend + 10_000])
        assert paid_by(spend(federation, "k-1", 7)) == [(here, micros(5)), (None, micros(2))]
        prove()

    def test_keeps_to_the_processes_of_the_grant(self, federation: Federation, home: int) -> None:
        ndvi = federation.grant(home, micros(5), "ndvi", processes=["ndvi", "evi"])
        assert paid_by(spend(federation, "k-1", 1)) == [(None, micros(1))]
        assert paid_by(spend(federation, "k-2", 2, process="evi")) == [(ndvi, micros(2))]
        prove()

    def test_goes_on_within_a_batch(self, federation: Federation, home: int) -> None:
        grant = federation.grant(home, micros(5), "g")
        line = (UsageLine("processing", Decimal(2), "credits", "2"),)
        reports = [federation.report(f"k-{n}", lines=line, job_id=f"j-{n}") for n in range(3)]
        outcomes = usage.ingest(federation.client, reports, on_reuse="replay")
        paid = [paid_by(outcome.transaction or 0) for outcome in outcomes]
        assert paid == [[(grant, micros(2))], [(grant, micros(2))], [(grant, micros(1)), (None, micros(1))]]
        prove()


class TestDebts:
    """L8 and G4."""

    def test_are_what_no_grant_paid(self, federation: Federation) -> None:
        home = federation.alice.personal_organisation
        federation.grant(home, micros(30), "g")
        spend(federation, "k-1", 100)
        balance = queries.balance(home)
        assert (balance.posted, balance.debt, balance.spendable) == (-micros(70), micros(70), -micros(70))
        prove()

    def test_are_repaid_by_the_next_grant_oldest_first(self, federation: Federation) -> None:
        home = federation.alice.personal_organisation
        first, second = spend(federation, "k-1", 3), spend(federation, "k-2", 4)
        grant = federation.grant(home, micros(5), "g")
        assert paid_by(first) == [(None, micros(3)), (None, -micros(3)), (grant, micros(3))]
        assert paid_by(second) == [(None, micros(4)), (None, -micros(2)), (grant, micros(2))]
        assert left(grant) == 0
        assert list(queries.debts(home).values_list("outstanding", flat=True)) == [micros(2)]
        issued = Transaction.objects.get(grant=grant)
        assert set(Spend.objects.filter(grant=grant).values_list("cause", flat=True)) == {issued.pk}
        prove()

    def test_leave_the_rest_of_the_grant_to_be_spent(self, federation: Federation) -> None:
        spend(federation, "k-1", 3)
        grant = federation.grant(federation.alice.personal_organisation, micros(10), "g")
        assert left(grant) == micros(7)
        assert queries.balance(federation.alice.personal_organisation).spendable == micros(7)

    def test_are_repaid_only_within_the_scope_of_the_grant(self, federation: Federation) -> None:
        home = federation.alice.personal_organisation
        ndvi, plain = spend(federation, "k-1", 3, process="ndvi"), spend(federation, "k-2", 4)
        scoped = federation.grant(home, micros(10), "scoped", processes=["ndvi"])
        assert left(scoped) == micros(7)
        balance = queries.balance(home)
        assert (balance.debt, balance.spendable) == (micros(4), micros(3))
        assert Debt.objects.get(transaction_id=ndvi).outstanding == 0
        assert Debt.objects.get(transaction_id=plain).outstanding == micros(4)
        prove()

    def test_are_not_repaid_by_a_grant_that_has_expired(self, federation: Federation) -> None:
        spend(federation, "k-1", 3)
        home = federation.alice.personal_organisation
        grant = federation.grant(home, micros(10), "late", expires_at=datetime.now(UTC) - DAY)
        assert left(grant) == micros(10)
        assert queries.balance(home).spendable == -micros(3)
        prove()


class TestExpiry:
    """G2."""

    def test_moves_what_is_left_to_breakage(self, federation: Federation, database_clock: Clock) -> None:
        home = federation.alice.personal_organisation
        database_clock(NOON - DAY)
        grant = federation.grant(home, micros(10), "g", expires_at=NOON)
        kept = federation.grant(home, micros(1), "kept", expires_at=NOON + DAY)
        spend(federation, "k-1", 4)
        assert grants.expire_due() == 0
        database_clock(NOON + DAY / 2)
        assert grants.expire_due() == 1
        assert (left(grant), left(kept)) == (0, micros(1))
        assert (posted(home), account("breakage")) == (micros(1), micros(6))
        expiry = Transaction.objects.get(kind="expiry")
        assert (expiry.occurred_at, expiry.recorded_at) == (NOON, NOON + DAY / 2)
        assert paid_by(expiry.pk) == [(grant, micros(6))]
        assert grants.expire_due() == 0
        prove()

    def test_takes_the_longest_overdue_first(self, federation: Federation, database_clock: Clock) -> None:
        homes = [federation.alice, federation.bob, federation.charlie]
        database_clock(NOON - 5 * DAY)
        for age, person in enumerate(homes):
            federation.grant(person.personal_organisation, micros(1), f"g{age}", expires_at=NOON - age * DAY)
        database_clock(NOON)
        assert grants.expire_due(limit=1) == 1
        assert [posted(person.personal_organisation) for person in homes] == [micros(1), micros(1), 0]
        assert grants.expire_due(limit=1) + grants.expire_due(limit=1) == 2
        prove()

    def test_leaves_the_debt_of_the_wallet(self, federation: Federation, database_clock: Clock) -> None:
        home = federation.alice.personal_organisation
        database_clock(NOON - DAY)
        federation.grant(home, micros(10), "scoped", expires_at=NOON, processes=["ndvi"])
        spend(federation, "k-1", 4)
        database_clock(NOON)
        assert grants.expire_due() == 1
        assert (posted(home), queries.balance(home).debt) == (-micros(4), micros(4))
        prove()

    def test_leaves_a_wallet_that_is_busy_for_the_next_run(self, committed_federation: Federation) -> None:
        home = committed_federation.alice.personal_organisation
        committed_federation.grant(home, micros(1), "g", expires_at=datetime.now(UTC) - DAY)
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT 1 FROM accounting_account WHERE organisation_id = %s FOR UPDATE", [home])
                assert grants.expire_due() == 0
                cursor.execute("ROLLBACK")
        finally:
            other.close()
        assert grants.expire_due() == 1
        prove()
