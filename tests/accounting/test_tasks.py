"""Work that may wait: due by its rows, so running it twice changes nothing."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.app.task import Context
from django.core.management import CommandError
from django.db import connection
from structlog.testing import capture_logs

from accounting import tasks
from accounting.models import Heartbeat, Notice
from tests.accounting.books import account, book, micros, prove
from tests.conftest import Federation


def test_the_heartbeat_notes_when_its_message_was_sent(db: None) -> None:
    sent = datetime(2026, 6, 1, 12, tzinfo=UTC)
    tasks.heartbeat.request_stack.push(Context({"published_at": sent.isoformat()}))  # as a worker does
    try:
        tasks.heartbeat.run()
    finally:
        tasks.heartbeat.request_stack.pop()
    beat = Heartbeat.objects.get()
    assert beat.sent_at == sent
    assert datetime.now(UTC) - beat.ran_at < timedelta(minutes=1)


def test_a_heartbeat_that_does_not_say_when_it_was_sent_was_sent_now(db: None) -> None:
    tasks.heartbeat.apply().get()
    tasks.heartbeat.apply().get()
    beat = Heartbeat.objects.get()
    assert beat.sent_at == beat.ran_at


def test_delivering_the_outbox_tells_people(federation: Federation) -> None:
    book(federation)
    assert tasks.deliver_outbox() == 1
    assert tasks.deliver_outbox() == 0
    assert Notice.objects.get().person_id == federation.alice.pk


def test_expiry_empties_every_grant_that_is_due_and_says_how_many(federation: Federation) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    for number in range(3):
        federation.grant(federation.lab, micros(1), f"g-{number}", expires_at=yesterday)
    with capture_logs() as logs:
        assert tasks.expire_grants() == 3
        assert tasks.expire_grants() == 0
    assert [(entry["event"], entry["count"]) for entry in logs] == [("grants_expired", 3)]
    assert account("breakage") == micros(3)
    prove()


class TestVerifyingTheBooks:
    def test_is_quiet_when_they_are_right(self, federation: Federation, capsys: pytest.CaptureFixture[str]) -> None:
        book(federation)
        tasks.verify_books()
        assert "invariants hold" in capsys.readouterr().out

    def test_fails_loudly_when_they_are_wrong_and_lets_go_of_its_lock(self, federation: Federation) -> None:
        book(federation)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE accounting_account SET posted = posted + 1 WHERE organisation_id IS NOT NULL")
        for _ in range(2):
            with capture_logs() as logs, pytest.raises(CommandError, match="first wrong row: L6: account"):
                tasks.verify_books()
            assert {entry["rule"] for entry in logs} == {"L6", "G6"}
            assert all(entry["log_level"] == logging.getLevelName(logging.ERROR).lower() for entry in logs)

    def test_runs_once_at_a_time(self, committed_federation: Federation, capsys: pytest.CaptureFixture[str]) -> None:
        other: Any = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(hashtext('verify_books'))")
                tasks.verify_books()
                assert capsys.readouterr().out == ""
                cursor.execute("SELECT pg_advisory_unlock(hashtext('verify_books'))")
        finally:
            other.close()
        tasks.verify_books()
        assert "invariants hold" in capsys.readouterr().out
