"""What ends soon is told once, in time, to whom it concerns; what was told is not told again (N1, N2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounting import alerts, captures, holds, notice_queries, notices
from accounting.alerts import receipts
from accounting.models import Source, StoredEstimate, Told
from tests.accounting.books import book, micros
from tests.accounting.hold_books import reserve
from tests.accounting.test_captures import cpu
from tests.conftest import SOURCE, Federation

MoveClock = Callable[[datetime | None], None]


def told(person: int, kind: str) -> list[str]:
    return list(notice_queries.of_person(person, kind=kind).order_by("pk").values_list("cause", flat=True))


class TestGrants:
    def test_are_spoken_of_fourteen_and_three_days_before(
        self, federation: Federation, database_clock: MoveClock
    ) -> None:
        start = datetime.now(UTC)
        pk = federation.grant(federation.lab, micros(50), "Trial", kind="trial", expires_at=start + timedelta(days=20))
        for day in range(21):
            database_clock(start + timedelta(days=day, minutes=1))
            alerts.warn_of_grants()
            alerts.warn_of_grants()
        assert told(federation.bob.pk, "grant_expiring") == [f"grant {pk} 14", f"grant {pk} 3"]
        assert told(federation.alice.pk, "grant_expiring") == []
        facts = notice_queries.of_person(federation.bob.pk).earliest("pk").facts
        assert (facts["label"], facts["left"], facts["name"]) == ("Trial", micros(50), "Geo Lab")

    def test_of_free_credits_only_the_last_days_count(self, federation: Federation, database_clock: MoveClock) -> None:
        start = datetime.now(UTC)
        pk = federation.grant(federation.lab, micros(50), "Free", expires_at=start + timedelta(days=10))
        assert alerts.warn_of_grants() == 0
        database_clock(start + timedelta(days=8))
        assert alerts.warn_of_grants() == 1
        assert told(federation.bob.pk, "grant_expiring") == [f"grant {pk} 3"]

    def test_issued_for_two_days_is_spoken_of_once(self, federation: Federation) -> None:
        federation.grant(
            federation.lab, micros(5), "g", kind="voucher", expires_at=datetime.now(UTC) + timedelta(days=2)
        )
        assert [alerts.warn_of_grants(), alerts.warn_of_grants()] == [1, 0]
        assert len(told(federation.bob.pk, "grant_expiring")) == 1

    def test_with_nothing_to_lose_is_not_spoken_of(self, federation: Federation) -> None:
        soon = datetime.now(UTC) + timedelta(days=2)
        federation.grant(federation.lab, micros(1) - 1, "crumbs", kind="paid", expires_at=soon)
        federation.grant(federation.lab, micros(500), "for ever", kind="paid")
        assert alerts.warn_of_grants() == 0

    def test_are_taken_in_batches_until_none_is_left(self, federation: Federation) -> None:
        soon = datetime.now(UTC) + timedelta(days=2)
        for number in range(5):
            federation.grant(federation.lab, micros(2), f"g-{number}", expires_at=soon)
        assert [alerts.warn_of_grants(limit=2) for _ in range(4)] == [2, 2, 1, 0]
        assert len(told(federation.bob.pk, "grant_expiring")) == 5


class TestHolds:
    @pytest.fixture
    def home(self, federation: Federation) -> int:
        federation.grant(federation.alice.personal_organisation, micros(100), "g")
        return federation.alice.personal_organisation

    def test_without_a_sign_of_life_are_told_a_quarter_of_an_hour_before(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        made = reserve(federation)
        database_clock(made.expires_at - timedelta(minutes=16))
        assert alerts.warn_of_holds() == 0
        database_clock(made.expires_at - timedelta(minutes=14))
        assert [alerts.warn_of_holds(), alerts.warn_of_holds()] == [1, 0]
        assert told(federation.alice.pk, "hold_expiring") == [f"hold {made.id}"]
        assert told(federation.bob.pk, "hold_expiring") == []

    def test_that_live_from_beat_to_beat_are_told_once(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        made = reserve(federation)
        for hour in range(1, 4):
            database_clock(made.created_at + timedelta(hours=hour * 55 / 60))
            alerts.warn_of_holds()
            captures.heartbeat(federation.client, made.id, cpu(1))
        assert len(told(federation.alice.pk, "hold_expiring")) == 1

    def test_of_a_short_life_are_told_in_its_last_quarter(
        self, federation: Federation, home: int, database_clock: MoveClock
    ) -> None:
        made = reserve(federation, lifetime=timedelta(minutes=10))
        assert alerts.warn_of_holds() == 0
        database_clock(made.expires_at - timedelta(minutes=2))
        assert alerts.warn_of_holds() == 1

    def test_that_ended_are_not_told(self, federation: Federation, home: int, database_clock: MoveClock) -> None:
        made = reserve(federation)
        holds.release(federation.client, made.id)
        database_clock(made.expires_at - timedelta(minutes=5))
        assert alerts.warn_of_holds() == 0


class TestOverruns:
    def estimate(self, **changes: object) -> StoredEstimate:
        now = datetime.now(UTC)
        said: dict[str, object] = {"p10": micros(1), "median": micros(2), "p90": micros(3), "spread": 0.3, "jobs": 9}
        said |= {"level": "workload", "method": "history", "asked": True, "made_at": now, "job_id": "j-1"}
        said |= {
            "actual": micros(6),
            "inside": False,
            "judged_at": now,
            "source": Source.objects.get(source_id=SOURCE),
        }
        return StoredEstimate.objects.create(**(said | {"execution_id": "application_1"} | changes))

    def test_are_told_to_whoever_ran_the_job_once(self, federation: Federation) -> None:
        book(federation)
        row = self.estimate()
        assert [alerts.tell_overruns(), alerts.tell_overruns()] == [1, 0]
        (cause,) = told(federation.alice.pk, "job_over_estimate")
        StoredEstimate.objects.filter(pk=row.pk).delete()
        self.estimate(actual=micros(7))  # judged anew after a late report
        assert alerts.tell_overruns() == 0
        assert cause.startswith(f"{row.source_id} ")

    @pytest.mark.parametrize(
        "changes",
        [
            {"asked": False},
            {"actual": micros(3)},
            {"judged_at": datetime.now(UTC) - timedelta(days=15)},
            {"actual": None, "judged_at": None},
        ],
    )
    def test_are_only_of_estimates_that_somebody_saw_and_of_the_last_weeks(
        self, federation: Federation, changes: dict[str, object]
    ) -> None:
        book(federation)
        self.estimate(**changes)
        assert alerts.tell_overruns() == 0


class TestReceipts:
    def test_come_once_a_job_when_its_reports_are_in(self, federation: Federation, database_clock: MoveClock) -> None:
        start = datetime.now(UTC)
        database_clock(start)
        book(federation, "fee")
        book(federation, "rest")
        mark = alerts.tell_receipts(federation.alice.pk, start - timedelta(days=1))
        assert told(federation.alice.pk, "receipt") == []
        database_clock(start + receipts.SETTLED + timedelta(seconds=1))
        mark = alerts.tell_receipts(federation.alice.pk, mark)
        assert alerts.tell_receipts(federation.alice.pk, mark) == mark == start
        facts = notice_queries.of_person(federation.alice.pk).get().facts
        assert facts["cost"] == 2 * 5_759_775
        assert told(federation.bob.pk, "receipt") == []

    @pytest.mark.parametrize("changes", [{"state": "RUNNING"}, {"kind": "sync"}, {"lines": ()}])
    def test_are_of_batch_jobs_that_ended_and_cost_something(
        self, federation: Federation, database_clock: MoveClock, changes: dict[str, Any]
    ) -> None:
        book(federation, **changes)
        start = datetime.now(UTC)
        database_clock(start + timedelta(hours=1))
        alerts.tell_receipts(federation.alice.pk, start - timedelta(days=1))
        assert told(federation.alice.pk, "receipt") == []


def test_a_scan_that_fails_midway_has_told_nothing(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark and the notices are one transaction: with the mark alone the cause would be lost for ever."""
    federation.grant(federation.lab, micros(5), "g", expires_at=datetime.now(UTC) + timedelta(days=2))

    def fail(*_: object) -> None:
        raise RuntimeError("the database went away")

    with monkeypatch.context() as broken:
        broken.setattr(notices, "tell", fail)
        with pytest.raises(RuntimeError):
            alerts.warn_of_grants()
    assert not Told.objects.exists()
    assert alerts.warn_of_grants() == 1
