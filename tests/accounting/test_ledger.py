"""Corrections: a transaction is given back once, to the grants that paid it (invariants L4, G3, U4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError

from accounting import grants, ledger, queries
from accounting.errors import NotFound, ReversalInvalid
from accounting.models import Account, Debt, Execution, Grant, Job, Posting, Transaction
from accounting.usage import UsageLine
from tests.accounting.books import GOLDEN, account, booked, micros, paid_by, posted, prove, rows
from tests.conftest import Federation

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def spend(federation: Federation, key: str, amount: float, **changes: Any) -> int:
    line = UsageLine("processing", Decimal(str(amount)), "credits", str(amount))
    return booked(federation, key, lines=(line,), **changes)


class TestReversal:
    def test_moves_every_posting_back_and_names_what_it_reverses_and_why(self, federation: Federation) -> None:
        original = booked(federation, finished_at=NOON)
        pk = ledger.reverse(original, "failed_job", note="ticket 12")
        reversal = Transaction.objects.get(pk=pk)
        assert (reversal.kind, reversal.reverses_id, reversal.reason, reversal.note) == (
            "reversal", original, "failed_job", "ticket 12",
        )  # fmt: skip
        assert reversal.occurred_at == NOON
        there, back = (
            Posting.objects.filter(transaction_id=of).values_list("source_account", "destination_account", "amount")
            for of in (original, pk)
        )
        assert [(source, destination, amount) for destination, source, amount in there] == list(back)
        assert posted(federation.alice.personal_organisation) == 0
        assert account("provider_payable", provider=federation.provider) == 0
        prove()

    def test_refills_the_grants_that_paid(self, federation: Federation) -> None:
        """G3: nobody else's."""
        home = federation.alice.personal_organisation
        ids = [federation.grant(home, micros(2), f"g-{n}") for n in range(3)]
        spend(federation, "k-1", 1)
        original = spend(federation, "k-2", 2)
        reversal = ledger.reverse(original, "provider_outage")
        assert [Grant.objects.get(pk=pk).remaining for pk in ids] == [micros(1), micros(2), micros(2)]
        assert sorted(paid_by(original)) == sorted(
            [(ids[0], micros(1)), (ids[1], micros(1)), (ids[0], -micros(1)), (ids[1], -micros(1))]
        )
        causes = set(Transaction.objects.get(pk=original).spends.filter(amount__lt=0).values_list("cause", flat=True))
        assert causes == {reversal}
        prove()

    def test_cancels_what_nothing_had_paid(self, federation: Federation) -> None:
        original = booked(federation)
        ledger.reverse(original, "wrong_usage")
        assert set(Debt.objects.filter(transaction_id=original).values_list("outstanding", flat=True)) == {0}
        balance = queries.balance(federation.alice.personal_organisation)
        assert (balance.posted, balance.debt) == (0, 0)
        prove()

    def test_gives_back_what_a_later_grant_had_repaid(self, federation: Federation) -> None:
        original = spend(federation, "k-1", 5)
        grant = federation.grant(federation.alice.personal_organisation, micros(3), "g")
        ledger.reverse(original, "goodwill")
        assert Grant.objects.get(pk=grant).remaining == micros(3)
        assert posted(federation.alice.personal_organisation) == micros(3)
        prove()

    def test_lets_what_it_gives_back_repay_other_debts(self, federation: Federation) -> None:
        """G4."""
        home = federation.alice.personal_organisation
        grant = federation.grant(home, micros(5), "g")
        first, second = spend(federation, "k-1", 5), spend(federation, "k-2", 4)
        reversal = ledger.reverse(first, "duplicate_report")
        assert paid_by(second) == [(None, micros(4)), (None, -micros(4)), (grant, micros(4))]
        assert Grant.objects.get(pk=grant).remaining == micros(1)
        assert set(Transaction.objects.get(pk=second).spends.values_list("cause", flat=True)) == {second, reversal}
        prove()

    def test_makes_the_job_and_its_execution_cheaper(self, federation: Federation) -> None:
        """U4."""
        compute, added = booked(federation), spend(federation, "k-2", 2, endpoint="addedvalue", service="ndvi")
        ledger.reverse(added, "failed_job")
        job = Job.objects.get()
        assert (job.cost_compute, job.cost_added_value) == (GOLDEN, 0)
        ledger.reverse(compute, "failed_job")
        job.refresh_from_db()
        assert (job.cost_compute, job.cost_added_value, Execution.objects.get().cost) == (0, 0, 0)
        prove()

    def test_happens_once_whatever_reason_is_given_later(self, federation: Federation) -> None:
        """L4."""
        original = booked(federation)
        first = ledger.reverse(original, "failed_job")
        before = rows()
        assert ledger.reverse(original, "goodwill", note="again") == first
        assert rows() == before
        assert posted(federation.alice.personal_organisation) == 0

    def test_of_a_report_that_cost_nothing_is_a_fact_without_postings(self, federation: Federation) -> None:
        pk = ledger.reverse(booked(federation, lines=()), "wrong_usage")
        assert Posting.objects.filter(transaction_id=pk).count() == 0
        prove()

    def test_of_an_old_report_refills_an_expired_grant_that_then_expires_again(
        self, federation: Federation, database_clock: Any
    ) -> None:
        home = federation.alice.personal_organisation
        database_clock(NOON)
        federation.grant(home, micros(10), "g", expires_at=NOON + timedelta(days=1))
        first, second = spend(federation, "k-1", 4), spend(federation, "k-2", 4)
        database_clock(NOON + timedelta(days=2))
        assert grants.expire_due() == 1
        for original in (first, second):
            ledger.reverse(original, "provider_outage")
            assert queries.balance(home).spendable == 0
            assert grants.expire_due() == 1
        assert (posted(home), account("breakage")) == (0, micros(10))
        prove()

    @pytest.mark.parametrize("reason", ["", "because", "FAILED_JOB"])
    def test_needs_a_reason_from_the_list(self, federation: Federation, reason: str) -> None:
        with pytest.raises(ReversalInvalid) as refused:
            ledger.reverse(booked(federation), reason)
        assert refused.value.field == "reason"

    def test_is_for_usage_only(self, federation: Federation) -> None:
        grant = federation.grant(federation.lab, micros(1), "g")
        reversal = ledger.reverse(booked(federation), "goodwill")
        for pk in (Grant.objects.get(pk=grant).transaction_id, reversal, 2**62):
            with pytest.raises(ReversalInvalid) as refused:
                ledger.reverse(pk, "goodwill")
            assert refused.value.field == "transaction"

    def test_does_not_mistake_another_error_for_an_invalid_reversal(self, federation: Federation) -> None:
        original = booked(federation)
        with pytest.raises(DataError):
            ledger.reverse(original, "goodwill", note="x" * 501)
        assert not Transaction.objects.filter(kind="reversal").exists()


def test_an_account_is_opened_once(federation: Federation) -> None:
    first = ledger.open_account(Account.Kind.ISSUANCE, owner="esa")
    assert ledger.open_account(Account.Kind.ISSUANCE, owner="esa") == first
    assert ledger.open_account(Account.Kind.ISSUANCE, owner="eu") != first
    assert str(Account.objects.get(pk=first)) == "issuance:esa"


def test_the_platforms_own_accounts_exist_from_the_start(db: None) -> None:
    own = Account.objects.filter(organisation=None, provider=None, owner="").values_list("kind", flat=True)
    assert set(own) == {"platform_fee", "breakage", "receivable", "clearing"}


def test_an_organisation_has_one_wallet(federation: Federation) -> None:
    assert Account.objects.get(pk=ledger.wallet(federation.lab)).organisation_id == federation.lab
    with pytest.raises(NotFound):
        ledger.wallet(4711)
