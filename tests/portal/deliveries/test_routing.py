"""What becomes of a notice: decided once, by what the person chose (D3, N3)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from accounting import notice_queries, notices
from accounting.models import Notice
from portal.deliveries import routing
from portal.mail_rows import DigestEntry, Mail
from portal.models import User
from portal.notifications import preferences
from portal.notifications.kinds import KINDS, LISTED
from portal.notifications.preferences import Choice
from tests.portal.mail.conftest import person

FACTS: dict[str, Any] = {"label": "Trial", "left": 5_000_000, "expires_at": "2026-12-01T10:00:00+00:00", "name": "Lab"}


def tell(user: User, kind: str = "grant_expiring", cause: str = "c-1", **facts: Any) -> None:
    notices.tell([user.person_id], None, kind, cause, FACTS | {"organisation": 0, "grant": 1} | facts)


def outcome(user: User) -> tuple[int, int, int]:
    """(unread, mails, entries for the digest)."""
    unread = notice_queries.unread(user.person_id)
    return unread, Mail.objects.filter(user=user).count(), DigestEntry.objects.filter(user=user).count()


class TestChoices:
    @pytest.mark.parametrize(
        ("portal", "mail", "expected"),
        [
            (True, "now", (1, 1, 0)),
            (True, "daily", (1, 0, 1)),
            (True, "off", (1, 0, 0)),
            (False, "now", (0, 1, 0)),
            (False, "daily", (0, 0, 1)),
            (False, "off", (0, 0, 0)),
        ],
    )
    def test_decide(self, alice: User, portal: bool, mail: str, expected: tuple[int, int, int]) -> None:
        preferences.choose(alice, [Choice("grant_expiring", portal, mail)])
        tell(alice)
        assert routing.route() == 1
        assert outcome(alice) == expected
        assert Notice.objects.count() == 1, "the list keeps it in any case"

    def test_are_those_of_each_person(self, alice: User) -> None:
        bob = person("bob")
        preferences.choose(alice, [Choice("grant_expiring", True, "now")])
        preferences.choose(bob, [Choice("grant_expiring", True, "off")])
        for user in (alice, bob):
            tell(user)
        routing.route()
        assert (outcome(alice), outcome(bob)) == ((1, 1, 0), (1, 0, 0))

    def test_without_a_choice_the_defaults_hold(self, alice: User) -> None:
        tell(alice)
        tell(alice, "receipt", job="j-1", title="", source="s", cost=1, backend_name="x")
        routing.route()
        assert outcome(alice) == (1, 0, 1)

    def test_a_grave_kind_cannot_be_hidden(self, alice: User) -> None:
        preferences.choose(alice, [Choice("credits_exhausted", False, "off")])
        tell(alice, "credits_exhausted", job="j-1", source="s", balance=-1)
        routing.route()
        assert outcome(alice) == (1, 0, 0)


class TestOnce:
    def test_a_notice_is_routed_once(self, alice: User) -> None:
        preferences.choose(alice, [Choice("grant_expiring", True, "now")])
        tell(alice)
        assert [routing.route(), routing.route()] == [1, 0]
        Notice.objects.update(routed_at=None)  # a worker that died after the mail and before the mark cannot be:
        assert routing.route() == 1  # both are one transaction; and even then
        assert outcome(alice) == (1, 1, 0)

    def test_when_writing_the_mail_fails_nothing_is_marked(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        preferences.choose(alice, [Choice("grant_expiring", True, "now")])
        tell(alice)

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("the template is broken")

        with monkeypatch.context() as broken:
            broken.setattr("portal.mail.queue", fail)
            with pytest.raises(RuntimeError):
                routing.route()
        assert Notice.objects.get().routed_at is None
        assert routing.route() == 1
        assert outcome(alice) == (1, 1, 0)

    def test_many_workers_share_them(self, committed_db: None) -> None:
        user = person()
        preferences.choose(user, [Choice("grant_expiring", True, "now")])
        for number in range(30):
            tell(user, cause=f"c-{number}")

        def work() -> None:
            try:
                while routing.route(limit=5):
                    pass
            finally:
                connection.close()

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert outcome(user) == (30, 30, 0)
        assert not Notice.objects.filter(routed_at=None).exists()


class TestNobody:
    def test_is_mailed_about_what_was_told_days_ago(self, alice: User) -> None:
        preferences.choose(alice, [Choice("grant_expiring", True, "now")])
        tell(alice)
        Notice.objects.update(created_at=datetime.now(UTC) - timedelta(hours=49))
        routing.route()
        assert outcome(alice) == (1, 0, 0)

    def test_who_never_signed_in_or_has_no_address_is_mailed(self, db: None) -> None:
        dora = person("dora", email_verified=False)
        tell(dora)
        notices.tell([dora.person_id], None, "no_such_kind", "c", {})
        assert routing.route() == 2
        assert outcome(dora) == (2, 0, 0)


def test_it_takes_as_many_queries_for_many_as_for_one(alice: User, django_assert_max_num_queries: Any) -> None:
    preferences.choose(alice, [Choice("grant_expiring", True, "daily")])
    for number in range(50):
        tell(alice, cause=f"c-{number}")
    with django_assert_max_num_queries(9):
        assert routing.route() == 50


def test_preferences_are_complete_and_follow_the_defaults(alice: User) -> None:
    known = preferences.of_user(alice)
    assert known.keys() == KINDS.keys()
    assert {one.kind for one in known.values() if not one.portal} == {"receipt", "invitation"}
    assert all(known[kind.key].portal for kind in LISTED if kind.grave)
    preferences.choose(alice, [Choice("receipt", True, "daily")])
    assert preferences.of_user(alice)["receipt"] == Choice("receipt", True, "daily")
    preferences.stop_mail(alice, "receipt")
    assert preferences.of_user(alice)["receipt"] == Choice("receipt", True, "off")
