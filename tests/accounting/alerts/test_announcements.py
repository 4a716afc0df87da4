"""Who used a back end lately hears of its new prices before they are in force (N5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounting import alerts, notice_queries, notices, tariffs
from accounting.tariffs import RuleSpec
from tests.accounting.books import book
from tests.conftest import SOURCE, Federation

MoveClock = Callable[[datetime | None], None]
RULES = (RuleSpec("CPU", "cpu", "cpu-hour", Decimal(2)),)


def announce() -> int:
    return tariffs.publish(SOURCE, "Rates 2027", RULES, starts_at=datetime.now(UTC) + timedelta(days=30))


def told(person: int) -> list[str]:
    return list(notice_queries.of_person(person, kind="tariff_announced").values_list("cause", flat=True))


def test_members_who_answer_for_an_organisation_that_used_it_hear_once(federation: Federation) -> None:
    book(federation, organisation=federation.lab)
    pk = announce()
    assert [alerts.announce_tariffs(), alerts.announce_tariffs()] == [1, 0]
    assert told(federation.bob.pk) == [f"tariff {pk}"]
    assert told(federation.alice.pk) == told(federation.charlie.pk) == []


def test_free_usage_counts_too_for_it_may_not_stay_free(federation: Federation) -> None:
    book(federation, lines=())
    announce()
    alerts.announce_tariffs()
    assert len(told(federation.alice.pk)) == 1


def test_use_of_ninety_one_days_ago_does_not_count(federation: Federation, database_clock: MoveClock) -> None:
    now = datetime.now(UTC)
    database_clock(now - timedelta(days=91))
    book(federation)
    database_clock(now)
    announce()
    alerts.announce_tariffs()
    assert told(federation.alice.pk) == []


def test_what_is_in_force_is_no_announcement(federation: Federation) -> None:
    book(federation)
    assert alerts.announce_tariffs() == 0


def test_a_run_that_is_broken_off_is_taken_up_and_nobody_hears_twice(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    book(federation)
    book(federation, "k-2", organisation=federation.lab, job_id="j-2")
    announce()
    whole = notices.tell
    calls: list[int] = []

    def fail_at_second(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the worker was killed")
        whole(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr("accounting.alerts.announcements.AT_ONCE", 1)
        broken.setattr(notices, "tell", fail_at_second)
        with pytest.raises(RuntimeError):
            alerts.announce_tariffs()
    assert alerts.announce_tariffs() == 1
    assert [len(told(person.pk)) for person in (federation.alice, federation.bob)] == [1, 1]
