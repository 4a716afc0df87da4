"""What people are told leaves through the outbox: written with the money, delivered at least once, told once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from accounting import notices, organisations, outbox, queries
from accounting.models import Notice, OutboxEvent
from accounting.usage import UsageLine
from tests.accounting.books import book, ingest, micros
from tests.conftest import Federation


def spend(federation: Federation, key: str, amount: int, **changes: Any) -> None:
    line = UsageLine("processing", Decimal(amount), "credits", str(amount))
    book(federation, key, lines=(line,), **changes)


def told(person: int) -> list[str]:
    return [notice.kind for notice in queries.notices(person)]


class TestExhaustedCredits:
    def test_are_told_when_the_balance_falls_below_nothing_and_not_again(self, federation: Federation) -> None:
        home = federation.alice.personal_organisation
        federation.grant(home, micros(5), "g")
        spend(federation, "k-1", 5)
        assert not OutboxEvent.objects.exists()
        spend(federation, "k-2", 1)
        spend(federation, "k-3", 1)
        event = OutboxEvent.objects.get()
        assert (event.topic, event.payload["balance"], event.payload["organisation"]) == (
            "credits_exhausted", -micros(1), home,
        )  # fmt: skip
        federation.grant(home, micros(5), "g-2")
        spend(federation, "k-4", 9)
        assert OutboxEvent.objects.count() == 2

    def test_are_told_to_the_person_and_to_those_who_answer_for_the_organisation(self, federation: Federation) -> None:
        manager = organisations.ensure_person("https://x.example.org", "manager")
        viewer = organisations.ensure_person("https://x.example.org", "viewer")
        organisations.add_member(federation.lab, manager.pk, "manager")
        organisations.add_member(federation.lab, viewer.pk, "viewer")
        spend(federation, "k-1", 1, organisation=federation.lab)
        assert outbox.deliver() == 1
        informed = [federation.alice.pk, federation.bob.pk, manager.pk]
        assert [told(person) for person in informed] == [["credits_exhausted"]] * 3
        assert told(viewer.pk) == told(federation.charlie.pk) == []
        notice = queries.notices(federation.bob.pk)[0]
        assert (notice.organisation, notice.facts["job"]) == (federation.lab, "j-1")

    def test_are_told_to_an_owner_who_ran_the_job_once(self, federation: Federation) -> None:
        spend(federation, "k-1", 1)
        outbox.deliver()
        assert told(federation.alice.pk) == ["credits_exhausted"]


class TestDelivery:
    def test_marks_what_was_delivered_and_never_repeats_it(self, federation: Federation) -> None:
        spend(federation, "k-1", 1)
        assert [outbox.deliver(), outbox.deliver()] == [1, 0]
        assert OutboxEvent.objects.get().delivered_at is not None

    def test_of_an_event_a_second_time_tells_nobody_twice(self, federation: Federation) -> None:
        """A worker that dies after the effect and before the mark."""
        spend(federation, "k-1", 1)
        outbox.deliver()
        OutboxEvent.objects.update(delivered_at=None)
        assert outbox.deliver() == 1
        assert Notice.objects.count() == 1

    def test_is_oldest_first_and_so_many_at_once(self, federation: Federation) -> None:
        for number in range(3):
            book(federation, f"k-{number}", organisation=4711, job_id=f"j-{number}", lines=())
        assert outbox.deliver(limit=2) == 2
        waiting = OutboxEvent.objects.get(delivered_at=None)
        assert waiting.payload["job"] == "j-2"

    def test_that_fails_says_why_and_stops_no_other(self, federation: Federation) -> None:
        broken = OutboxEvent.objects.create(topic="no_such_topic", payload={})
        spend(federation, "k-1", 1)
        assert outbox.deliver() == 1
        broken.refresh_from_db()
        assert (broken.attempts, broken.delivered_at, broken.error) == (1, None, "KeyError: 'no_such_topic'")

    def test_gives_up_after_so_many_attempts_and_leaves_the_event_for_an_operator(self, db: None) -> None:
        event = OutboxEvent.objects.create(topic="no_such_topic", payload={}, attempts=outbox.ATTEMPTS - 1)
        outbox.deliver()
        assert not OutboxEvent.objects.filter(attempts__lt=outbox.ATTEMPTS).exists()
        outbox.deliver()
        event.refresh_from_db()
        assert event.attempts == outbox.ATTEMPTS

    def test_leaves_an_event_that_another_worker_has_in_hand(self, committed_federation: Federation) -> None:
        spend(committed_federation, "k-1", 1)
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT 1 FROM accounting_outboxevent FOR UPDATE")
                assert outbox.deliver() == 0
                cursor.execute("ROLLBACK")
        finally:
            other.close()
        assert outbox.deliver() == 1


def test_an_event_exists_only_if_the_money_moved(federation: Federation) -> None:
    """R9 of the catalogue: written in the posting transaction, so it is rolled back with it."""
    with transaction.atomic():
        spend(federation, "k-1", 1)
        assert OutboxEvent.objects.count() == 1
        transaction.set_rollback(True)
    assert not OutboxEvent.objects.exists()
    ingest(federation.client, federation.report("k-2", source="Nowhere"))
    assert not OutboxEvent.objects.exists()


def test_what_a_person_has_seen_is_read_of_that_kind_and_of_nobody_else(federation: Federation) -> None:
    spend(federation, "k-1", 1, organisation=federation.lab)
    book(federation, "k-2", organisation=4711, lines=())
    outbox.deliver()
    notices.mark_read(federation.alice.pk, kind="credits_exhausted")
    unread = [notice.kind for notice in queries.notices(federation.alice.pk, unread_only=True)]
    assert unread == ["organisation_refused"]
    assert len(queries.notices(federation.bob.pk, unread_only=True)) == 1
