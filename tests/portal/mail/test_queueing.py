"""Who is written to and who never is; one mail a cause; nothing of a text gets into a header."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.core import signing
from django.db import IntegrityError, transaction

from portal import mail
from portal.contexts.notice_texts import Said
from portal.deliveries.routing import context_of
from portal.mail import addressing, links
from portal.mail.queueing import one_line
from portal.mail_rows import Mail
from portal.models import User
from tests.portal.mail.conftest import person


def said(**changes: Any) -> Said:
    parts: dict[str, Any] = {"kind": "low_balance", "tone": "warn", "title": "Credits of R&D run low", "text": "3 < 5."}
    parts |= {"href": "/dashboard/", "action": "See what is left", "details": (("Left", "3 credits"),)}
    return Said(**(parts | changes))


def write(to: User | str, cause: str = "c-1", kind: str = "low_balance", **changes: Any) -> bool:
    return mail.queue(to, kind, cause, context_of(said(**changes)), template="notice")


class TestWhoIsNeverWrittenTo:
    @pytest.mark.parametrize(
        "info",
        [
            {"email_verified": False},
            {"email_verified": None},
            {"email": ""},
            {"email": "a@b@example.org"},
            {"email": "Alice <alice@example.org>"},
            {"email": "alice,bob@example.org"},
            {"email": "alice@exämple.org"},
        ],
    )
    def test_whose_address_nobody_vouches_for(self, db: None, info: dict[str, Any]) -> None:
        assert not write(person(**info))
        assert not Mail.objects.exists()

    def test_who_is_gone(self, alice: User) -> None:
        alice.is_active = False
        alice.save()
        assert not write(alice)

    @pytest.mark.parametrize(
        "address", ["", "nobody", "a b@example.org", "a@example.org\nBcc: b@example.org", "<a@x.y>"]
    )
    def test_no_address(self, db: None, address: str) -> None:
        assert not write(address)
        assert not Mail.objects.exists()

    def test_who_has_no_account_and_wanted_no_more(self, db: None) -> None:
        assert write("carol@example.org")
        addressing.refuse(addressing.digest("Carol@Example.org "), "low_balance")
        assert not write("carol@example.org", "c-2")
        assert write("carol@example.org", "c-2", kind="invitation")


class TestOnce:
    def test_a_cause_is_written_once_to_each(self, alice: User) -> None:
        bob = person("bob")
        assert [write(alice), write(alice), write(bob), write("c@example.org"), write("c@example.org")] == [
            True, False, True, True, False,
        ]  # fmt: skip
        assert write(alice, kind="receipt")
        assert Mail.objects.count() == 4

    def test_the_database_refuses_a_second_one(self, alice: User) -> None:
        write(alice)
        row = Mail.objects.get()
        row.pk, row.uuid = None, "00000000-0000-0000-0000-000000000001"
        with pytest.raises(IntegrityError, match="mail_once_a_cause"), transaction.atomic():
            row.save(force_insert=True)

    def test_it_is_gone_with_the_transaction_of_its_cause(self, alice: User) -> None:
        with transaction.atomic():
            write(alice)
            transaction.set_rollback(True)
        assert not Mail.objects.exists()


class TestText:
    @pytest.mark.parametrize(
        ("hostile", "plain"),
        [
            ("Lab\r\nBcc: eve@example.org", "Lab Bcc: eve@example.org"),
            ("Lab\x00\u202e\u200b", "Lab"),
            ("Lab\u2028Subject: x", "Lab Subject: x"),
            ("x" * 400, "x" * 149 + "…"),
        ],
    )
    def test_a_subject_is_one_line(self, alice: User, hostile: str, plain: str) -> None:
        assert one_line(hostile) == plain
        write(alice, title=hostile)
        subject = Mail.objects.get().subject
        assert "\n" not in subject
        assert len(subject) <= 150

    def test_html_and_text_say_the_same(self, alice: User) -> None:
        write(alice)
        row = Mail.objects.get()
        shown = unescape(re.sub(r"<(head|title)\b.*?</\1>|<[^>]*>", " ", row.html, flags=re.DOTALL))
        for words in (
            "Credits of R&D run low",
            "3 < 5.",
            "See what is left",
            "You get this mail because",
            "Stop these",
        ):
            assert words in " ".join(shown.split())
            assert words in row.text
        # HTML has its links as addresses, and a label and its figure in a row of a table.
        links_in = set(re.findall(r'href="([^"]+)"', row.html))
        assert links_in == set(re.findall(r"https?://\S+", row.text))
        assert "Left: 3 credits" in row.text
        wanted = re.sub(r"https?://\S+|[-:·“”]", " ", row.text.replace("\n", " "))
        assert set(wanted.split()) == set(re.sub(r"[-:·“”]", " ", shown).split())

    def test_html_loads_nothing_and_runs_nothing(self, alice: User) -> None:
        write(alice, text='<script>alert(1)</script><img src="https://eve.example.org/x.png">')
        html = Mail.objects.get().html
        assert "<script" not in html
        assert "<img" not in html
        assert not re.search(r"\bsrc=|url\(|@import|<link", html.replace("&lt;img src=", ""))

    def test_is_in_the_language_and_zone_of_the_reader(self, alice: User, settings: Any) -> None:
        assert write(alice)
        assert Mail.objects.get().language == "en"
        alice.language = "xx"
        alice.save()
        assert write(alice, "c-2")
        assert Mail.objects.latest("pk").language == settings.LANGUAGE_CODE


class TestPurge:
    def test_empties_what_is_older_than_thirty_days_and_remembers_that_it_was_told(self, alice: User) -> None:
        write(alice)
        write(alice, "c-2")
        Mail.objects.filter(cause="c-1").update(created_at=datetime.now(UTC) - timedelta(days=31))
        assert [mail.purge(), mail.purge()] == [1, 0]
        old = Mail.objects.get(cause="c-1")
        assert (old.subject, old.text, old.html) == ("", "", "")
        assert Mail.objects.get(cause="c-2").text
        assert not write(alice)

    def test_forgets_everything_of_a_user(self, alice: User) -> None:
        write(alice)
        write("carol@example.org")
        mail.forget(alice)
        assert [row.address for row in Mail.objects.all()] == ["carol@example.org"]


class TestLinks:
    def test_name_the_person_and_the_kind_and_nothing_readable(self, alice: User) -> None:
        link = links.stop_link("receipt", user=alice)
        assert link.startswith("http://testserver/notifications/stop/")
        token = link.rstrip("/").rpartition("/")[2]
        assert links.read(token) == links.Wish("receipt", user=alice.pk)
        other = links.stop_link("invitation", address="carol@example.org")
        assert "carol" not in other

    @pytest.mark.parametrize("change", ["x{}", "{}x", "", "a:b:c", "{0}" + ":{0}" * 9, "\x00", "ключ"])
    def test_that_were_altered_say_nothing(self, alice: User, change: str) -> None:
        token = links.stop_link("receipt", user=alice).rstrip("/").rpartition("/")[2]
        with pytest.raises(links.LinkInvalid):
            links.read(change.format(token))

    def test_of_another_purpose_say_nothing(self, db: None) -> None:
        for said in ({"k": "receipt", "u": 1}, ["k"], "k"):
            with pytest.raises(links.LinkInvalid):
                links.read(signing.dumps(said, salt="something else"))
        with pytest.raises(links.LinkInvalid):
            links.read(signing.dumps(["k"], salt=links.SALT))
