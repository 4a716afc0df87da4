"""Mail reaches a real server once, whatever the server or this process does, and gives up in the end (D2)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.mail.backends.smtp import EmailBackend
from django.db import connection
from structlog.testing import capture_logs

from portal import mail
from portal.mail_rows import Mail
from portal.models import User
from tests.portal.mail.conftest import person
from tests.portal.mail.sink import Sink
from tests.portal.mail.test_queueing import write


def due_again() -> None:
    """As after the wait."""
    Mail.objects.update(next_at=datetime.now(UTC) - timedelta(seconds=1))


class TestAWellServer:
    def test_takes_each_mail_once(self, sink: Sink, alice: User) -> None:
        write(alice)
        write("carol@example.org")
        assert [mail.send(), mail.send()] == [2, 0]
        assert sink.to == ["alice@example.org", "carol@example.org"]
        assert sink.connections == 1
        assert Mail.objects.filter(sent_at=None).count() == 0

    def test_gets_both_parts_and_the_headers_of_an_automatic_mail(self, sink: Sink, alice: User, settings: Any) -> None:
        write(alice)
        mail.send()
        (letter,) = sink.letters
        head, row = letter.message, Mail.objects.get()
        assert head["Subject"] == "Credits of R&D run low"
        assert head["To"] == "alice@example.org"
        assert head["Message-ID"] == f"<{row.uuid}@testserver>"
        assert head["Auto-Submitted"] == "auto-generated"
        assert head["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert head["List-Unsubscribe"].strip().startswith("<http://testserver/notifications/stop/")
        assert "Credits of R&D run low" in letter.part("plain")
        assert "<h1" in letter.part("html")
        assert letter.sender == "no-reply@testserver"

    def test_sees_no_header_that_a_text_smuggled_in(self, sink: Sink, alice: User) -> None:
        write(alice, title="Lab\r\nBcc: eve@example.org\r\n\r\nbody")
        assert mail.send() == 1
        (letter,) = sink.letters
        assert letter.recipients == ["alice@example.org"]
        assert letter.message["Bcc"] is None
        assert letter.message["Subject"] == "Lab Bcc: eve@example.org body"

    def test_an_address_that_changed_since_gets_nothing(self, sink: Sink, alice: User) -> None:
        write(alice)
        person(email="alice@new.example.org")
        assert mail.send() == 1
        assert sink.to == ["alice@new.example.org"]

    @pytest.mark.parametrize("change", [{"is_active": False}, {"email_verified": False}, {"email": ""}])
    def test_who_left_since_gets_nothing(self, sink: Sink, alice: User, change: dict[str, Any]) -> None:
        write(alice)
        User.objects.update(**change)
        assert mail.send() == 0
        assert sink.letters == []
        assert Mail.objects.get().abandoned_at


class TestAServerInTrouble:
    def test_that_is_away_is_tried_again_later(self, sink: Sink, alice: User) -> None:
        sink.stop()
        write(alice)
        write("carol@example.org")
        assert mail.send() == 0
        tried, other = Mail.objects.order_by("pk")
        assert (tried.attempts, other.attempts) == (1, 0), "when the server is away the run ends"
        assert "ConnectionRefusedError" in tried.error
        assert tried.next_at > datetime.now(UTC) + timedelta(seconds=30)

    def test_that_puts_a_mail_off_gets_it_again(self, sink: Sink, alice: User) -> None:
        sink.answers["RCPT"] = "451 greylisted"
        write(alice)
        assert mail.send() == 0
        sink.answers.clear()
        assert mail.send() == 0, "not before its time"
        due_again()
        assert mail.send() == 1
        assert Mail.objects.get().attempts == 2

    @pytest.mark.parametrize(("verb", "answer"), [("RCPT", "550 no such user"), ("DATA", "554 looks like spam")])
    def test_that_refuses_for_ever_is_believed_and_the_others_go_on(
        self, sink: Sink, alice: User, verb: str, answer: str
    ) -> None:
        sink.answers[verb] = answer
        write(alice)
        write("carol@example.org")
        assert mail.send() == 0
        assert Mail.objects.exclude(abandoned_at=None).count() == 2
        assert {row.error for row in Mail.objects.all()} == {f"the server refused it: {answer[:3]}"}

    def test_that_refuses_us_altogether_abandons_nothing(self, sink: Sink, alice: User) -> None:
        sink.answers["MAIL"] = "530 authenticate first"
        write(alice)
        mail.send()
        assert Mail.objects.get().abandoned_at is None

    def test_is_given_up_after_two_days_and_that_is_logged(self, sink: Sink, alice: User) -> None:
        sink.answers["RCPT"] = "451 later"
        write(alice)
        mail.send()
        Mail.objects.update(created_at=datetime.now(UTC) - timedelta(hours=48))
        due_again()
        sink.answers.clear()
        with capture_logs() as logs:
            assert mail.send() == 0
        assert [(line["event"], line["log_level"]) for line in logs] == [("mail_abandoned", "error")]
        assert sink.letters == []
        assert not [line for line in logs if "alice" in str(line)], "no address in a log"

    def test_the_last_try_is_before_the_end(self, sink: Sink, alice: User) -> None:
        sink.answers["RCPT"] = "451 later"
        write(alice)
        Mail.objects.update(created_at=datetime.now(UTC) - timedelta(hours=47, minutes=59, seconds=30), attempts=9)
        mail.send()
        assert Mail.objects.get().next_at < datetime.now(UTC) + timedelta(minutes=1)


class TestAProcessThatDies:
    def die_after_the_yes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = EmailBackend.send_messages

        def send(self: EmailBackend, messages: Any) -> int:
            whole(self, messages)
            raise SystemExit("killed")

        monkeypatch.setattr(EmailBackend, "send_messages", send)

    def test_between_the_yes_and_the_mark_sends_it_again_under_the_same_id(
        self, sink: Sink, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The one case in which a mail comes twice; receivers can tell by its Message-ID."""
        write(alice)
        with monkeypatch.context() as dying:
            self.die_after_the_yes(dying)
            with pytest.raises(SystemExit):
                mail.send()
        assert mail.send() == 0, "another worker waits for the end of the lease"
        due_again()
        assert mail.send() == 1
        first, second = sink.letters
        assert first.message["Message-ID"] == second.message["Message-ID"]

    def test_without_a_yes_it_is_sent_once(self, sink: Sink, alice: User) -> None:
        """Negative control of the one above: a server that hangs up before it took the mail."""
        sink.hang_up_after = "RCPT"
        write(alice)
        mail.send()
        sink.hang_up_after = ""
        due_again()
        assert mail.send() == 1
        assert len(sink.letters) == 1


def test_many_workers_send_each_mail_once(sink: Sink, committed_db: None) -> None:
    for number in range(40):
        write(f"reader-{number}@example.org")

    def work() -> None:
        try:
            mail.send()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(sink.to) == len(set(sink.to)) == 40
    assert Mail.objects.filter(attempts=1).exclude(sent_at=None).count() == 40
