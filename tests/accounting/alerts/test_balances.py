"""Credits that run low and are enough again: told once each time, however the balance dances (N4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounting import alerts, notice_queries, organisations
from accounting.alerts import Threshold
from accounting.alerts.balances import Wallet, verdict
from accounting.errors import AlertInvalid, NotFound
from accounting.models import BalanceAlert
from accounting.usage import UsageLine
from tests.accounting.books import book, micros
from tests.conftest import Federation

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MoveClock = Callable[[datetime | None], None]


def spend(federation: Federation, key: str, amount: int) -> None:
    line = UsageLine("processing", Decimal(amount), "credits", str(amount))
    book(federation, key, lines=(line,), organisation=federation.lab, job_id=key)


def scan() -> int:
    total = 0
    while found := alerts.compare_balances():
        total += found
    return total


def told(person: int) -> list[str]:
    rows = notice_queries.of_person(person).order_by("pk")
    return [row.kind for row in rows if row.kind in ("low_balance", "balance_recovered")]


def wallet(left: int, spent: int = 300, *, low: bool = False, low_at: datetime | None = None, **rule: object) -> Wallet:
    return Wallet(1, 1, "Lab", left, spent, Threshold(**rule), low, low_at)  # type: ignore[arg-type]


class TestVerdict:
    """300 in 30 days are 10 a day: seven days need 70."""

    @pytest.mark.parametrize(
        ("left", "low", "kind"), [(70, False, ""), (69, True, "low_balance"), (1, True, "low_balance")]
    )
    def test_low_is_less_than_seven_days(self, left: int, low: bool, kind: str) -> None:
        assert verdict(wallet(left), NOW)[:2] == (low, kind)

    @pytest.mark.parametrize("left", [0, -5])
    def test_that_nothing_is_left_is_told_by_another_notice(self, left: int) -> None:
        assert verdict(wallet(left), NOW)[:2] == (True, "")

    @pytest.mark.parametrize(("left", "low", "kind"), [(83, True, ""), (84, False, "balance_recovered")])
    def test_enough_again_is_a_fifth_more(self, left: int, low: bool, kind: str) -> None:
        assert verdict(wallet(left, low=True, low_at=NOW), NOW)[:2] == (low, kind)

    def test_who_spends_nothing_is_never_low(self) -> None:
        assert verdict(wallet(0, spent=0), NOW) == (False, "", None)
        assert verdict(wallet(5, spent=0, low=True, low_at=NOW), NOW) == (False, "", None)

    def test_a_set_amount_asks_for_no_pace(self) -> None:
        assert verdict(wallet(49, 0, rule="amount", amount=50), NOW)[:2] == (True, "low_balance")
        assert verdict(wallet(50, 0, rule="amount", amount=50), NOW)[:2] == (False, "")

    def test_who_wants_to_hear_nothing_hears_nothing(self) -> None:
        assert verdict(wallet(0, rule="never"), NOW) == (False, "", None)

    def test_low_again_within_a_day_is_told_when_the_day_is_over(self) -> None:
        low_at = NOW - timedelta(hours=3)
        assert verdict(wallet(10, low_at=low_at), NOW) == (False, "", low_at + timedelta(days=1))
        assert verdict(wallet(10, low_at=low_at), low_at + timedelta(days=1))[:2] == (True, "low_balance")


class TestScan:
    def test_tells_owners_and_managers_once_and_when_it_is_over(self, federation: Federation) -> None:
        manager = organisations.ensure_person("https://x.example.org", "manager")
        organisations.add_member(federation.lab, manager.pk, "manager")
        federation.grant(federation.lab, micros(100), "g")
        spend(federation, "k-1", 60)
        assert scan() == 1
        assert told(federation.bob.pk) == []
        spend(federation, "k-2", 25)
        for _ in range(3):
            scan()
        spend(federation, "k-3", 1)
        scan()
        assert told(federation.bob.pk) == told(manager.pk) == ["low_balance"]
        assert told(federation.alice.pk) == told(federation.charlie.pk) == []
        notice = notice_queries.view(notice_queries.of_person(federation.bob.pk).get())
        assert (notice.organisation, notice.facts["left"], notice.facts["edge"]) == (
            federation.lab, micros(15), micros(85) * 7 // 30,
        )  # fmt: skip
        federation.grant(federation.lab, micros(50), "g-2")
        scan()
        assert told(federation.bob.pk) == ["low_balance", "balance_recovered"]

    def test_looks_only_at_wallets_that_changed(self, federation: Federation) -> None:
        federation.grant(federation.lab, micros(100), "g")
        assert [scan(), scan()] == [1, 0]
        spend(federation, "k-1", 1)
        assert [scan(), scan()] == [1, 0]

    def test_a_balance_that_dances_at_the_edge_tells_twice_a_day_at_most(
        self, federation: Federation, database_clock: MoveClock
    ) -> None:
        alerts.set_threshold(federation.lab, Threshold("amount", amount=micros(10)))
        federation.grant(federation.lab, micros(11), "g")
        start = datetime.now(UTC)
        for hour in range(22):
            database_clock(start + timedelta(hours=hour))
            spend(federation, f"k-{hour}", 5)
            scan()
            federation.grant(federation.lab, micros(5), f"g-{hour}")
            federation.grant(federation.lab, micros(2), f"h-{hour}")
            spend(federation, f"l-{hour}", 2)
            scan()
        assert told(federation.bob.pk) in (["low_balance"], ["low_balance", "balance_recovered"])

    def test_what_was_put_off_is_told_when_the_day_is_over(
        self, federation: Federation, database_clock: MoveClock
    ) -> None:
        alerts.set_threshold(federation.lab, Threshold("amount", amount=micros(10)))
        start = datetime.now(UTC)
        federation.grant(federation.lab, micros(9), "g")
        scan()
        federation.grant(federation.lab, micros(9), "g-2")
        scan()
        database_clock(start + timedelta(hours=2))
        spend(federation, "k", 12)
        scan()
        assert told(federation.bob.pk) == ["low_balance", "balance_recovered"]
        database_clock(start + timedelta(hours=25))
        scan()
        assert told(federation.bob.pk) == ["low_balance", "balance_recovered", "low_balance"]

    def test_a_new_threshold_counts_at_once(self, federation: Federation) -> None:
        federation.grant(federation.lab, micros(100), "g")
        scan()
        alerts.set_threshold(federation.lab, Threshold("amount", amount=micros(101)))
        scan()
        assert told(federation.bob.pk) == ["low_balance"]

    def test_leaves_a_wallet_that_another_worker_compares(self, committed_federation: Federation) -> None:
        federation = committed_federation
        alerts.set_threshold(federation.lab, Threshold("amount", amount=micros(10)))
        federation.grant(federation.lab, micros(9), "g")
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT 1 FROM accounting_balancealert FOR UPDATE")
                assert alerts.compare_balances() == 0
                cursor.execute("ROLLBACK")
        finally:
            other.close()
        assert alerts.compare_balances() == 1
        assert told(federation.bob.pk) == ["low_balance"]


class TestThreshold:
    def test_is_seven_days_until_somebody_chooses(self, federation: Federation) -> None:
        assert alerts.threshold(federation.lab) == Threshold("days", 7, 0)
        alerts.set_threshold(federation.lab, Threshold("amount", 14, micros(3)))
        assert alerts.threshold(federation.lab) == Threshold("amount", 14, micros(3))

    @pytest.mark.parametrize(
        ("chosen", "field"),
        [
            (Threshold("weeks"), "rule"),
            (Threshold("days", 0), "days"),
            (Threshold("days", 366), "days"),
            (Threshold("amount", amount=-1), "amount"),
            (Threshold("amount", amount=10**18), "amount"),
        ],
    )
    def test_that_makes_no_sense_is_refused(self, federation: Federation, chosen: Threshold, field: str) -> None:
        with pytest.raises(AlertInvalid) as refusal:
            alerts.set_threshold(federation.lab, chosen)
        assert refusal.value.field == field
        assert not BalanceAlert.objects.exists()

    def test_of_no_organisation(self, db: None) -> None:
        with pytest.raises(NotFound):
            alerts.set_threshold(4711, Threshold())
