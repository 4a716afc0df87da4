"""Who hears what of holds, limits and running jobs: through the outbox, each thing once (H7, H12, H13)."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from typing import Any

from accounting import callbacks, captures, limits, outbox, queries, tasks
from accounting.models import CallbackDelivery, OpenHold, OutboxEvent
from tests.accounting.books import book, micros
from tests.accounting.hold_books import reserve
from tests.accounting.test_captures import cpu
from tests.conftest import Federation


def told(person: int) -> list[str]:
    return [notice.kind for notice in queries.notices(person)]


def spend(federation: Federation, key: str, credits: float, **changes: Any) -> None:
    book(federation, key, lines=cpu(credits), job_id=f"j-{key}", execution_id=f"e-{key}", **changes)


def test_the_owner_of_a_job_that_outlived_its_hold_is_told_once(
    federation: Federation, home: int, database_clock: Any
) -> None:
    made = reserve(federation)
    database_clock(made.expires_at)
    assert (tasks.expire_holds(), tasks.expire_holds()) == (1, 0)
    assert (outbox.deliver(), outbox.deliver()) == (1, 0)
    (notice,) = queries.notices(federation.alice.pk)
    assert (notice.kind, notice.facts["uuid"], notice.facts["job"]) == ("hold_expired", str(made.id), "j-1")


def test_jobs_hear_when_something_else_empties_the_wallet(federation: Federation, home: int) -> None:
    made = reserve(federation, amount=30)
    captures.heartbeat(federation.client, made.id, cpu(25))
    spend(federation, "k-1", 60)
    assert not OutboxEvent.objects.filter(topic="guard").exists()
    spend(federation, "k-2", 10)
    assert OutboxEvent.objects.filter(topic="guard").count() == 1
    outbox.deliver()
    assert "job_warn" in told(federation.alice.pk)
    assert OpenHold.objects.get().verdict == "warn"
    spend(federation, "k-3", 1)
    outbox.deliver()
    assert told(federation.alice.pk).count("job_warn") == 1


def test_jobs_hear_when_a_limit_is_reached_and_when_it_is_lifted(federation: Federation) -> None:
    federation.grant(federation.lab, micros(100), "lab")
    payer = {"organisation": federation.lab}
    limits.set_limit(federation.lab, micros(40), period="month")
    reserve(federation, amount=10, payer=payer)
    outbox.deliver()
    spend(federation, "k-1", 33, organisation=federation.lab)
    outbox.deliver()
    assert sorted(told(federation.alice.pk)) == ["job_warn"]
    assert told(federation.bob.pk) == ["limit_reached"]
    spend(federation, "k-2", 8, organisation=federation.lab)
    outbox.deliver()
    assert "job_stop" in told(federation.alice.pk)
    assert [notice.facts["share"] for notice in queries.notices(federation.bob.pk)] == [100, 80]
    limits.set_limit(federation.lab, micros(400), period="month")
    outbox.deliver()
    assert OpenHold.objects.get().verdict == "continue"


def test_jobs_hear_of_a_suspension(federation: Federation, home: int) -> None:
    reserve(federation, amount=10)
    limits.suspend(home, "unpaid")
    outbox.deliver()
    (notice,) = queries.notices(federation.alice.pk)
    assert (notice.kind, notice.facts["reason"]) == ("job_stop", "organisation_suspended")


def test_a_second_suspension_is_told_as_well(federation: Federation, home: int) -> None:
    reserve(federation, amount=10)
    for _ in range(2):
        limits.suspend(home, "unpaid")
        outbox.deliver()
        limits.resume(home)
        outbox.deliver()
        assert OpenHold.objects.get().verdict == "continue"
    assert told(federation.alice.pk) == ["job_stop", "job_stop"]


def test_an_overdraft_that_is_agreed_or_ends_changes_what_jobs_may(federation: Federation, home: int) -> None:
    made = reserve(federation, amount=100)
    captures.heartbeat(federation.client, made.id, cpu(105))
    for overdraft, verdict in ((100, "continue"), (0, "stop"), (100, "continue"), (0, "stop")):
        limits.set_rules(home, overdraft=micros(overdraft))
        outbox.deliver()
        assert OpenHold.objects.get().verdict == verdict
    assert told(federation.alice.pk) == ["job_stop", "job_stop"]


def test_what_back_ends_are_told_has_the_names_and_times_of_the_api(
    federation: Federation, home: int, database_clock: Any
) -> None:
    callbacks.register(federation.client.client, "https://93.184.215.14/credits")
    made = reserve(federation, amount=10)
    captures.heartbeat(federation.client, made.id, cpu(5))
    beat_at = OpenHold.objects.get().beat_at
    limits.suspend(home, "unpaid")
    outbox.deliver()
    database_clock(made.expires_at + timedelta(days=1))
    tasks.expire_holds()
    outbox.deliver()
    stop, expired = [json.loads(one.body)["data"] for one in CallbackDelivery.objects.order_by("pk")]
    assert set(stop) == {"hold", "source", "job_id", "organisation", "decision", "reason", "detail"}
    assert (stop["job_id"], expired["job_id"], expired["kept"]) == ("j-1", "j-1", "10")
    assert set(expired) == {
        *("hold", "source", "job_id", "organisation", "kept", "captured", "heartbeat_at", "expired_at"),
    }
    assert beat_at is not None
    assert expired["heartbeat_at"] == beat_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert expired["expired_at"].endswith("Z")


def test_a_limit_that_only_notifies_refuses_nothing(federation: Federation, home: int) -> None:
    limits.set_limit(home, micros(5), period="total", action="notify")
    reserve(federation, amount=50)
    spend(federation, "k-1", 6)
    outbox.deliver()
    assert sorted(notice.facts.get("share", 0) for notice in queries.notices(federation.alice.pk)) == [100]
