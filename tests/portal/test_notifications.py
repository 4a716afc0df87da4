"""The list of notifications, what people choose to hear, and the links of mails: pages as documents."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounting import alerts, notice_queries, notices, organisations
from accounting.alerts import Threshold
from portal import mail
from portal.mail import links
from portal.mail_rows import Mail, MailRefusal
from portal.models import User
from portal.notifications import preferences
from portal.notifications.kinds import KINDS, LISTED
from portal.notifications.preferences import Choice
from tests.accounting.books import micros
from tests.conftest import Federation
from tests.portal.deliveries.test_routing import tell
from tests.portal.mail.conftest import person
from tests.portal.mail.test_queueing import write
from tests.portal.reader import text_of

LIST, MARK, CHOICES = "/notifications/", "/notifications/mark/", "/profile/notifications/"
HOSTILE = ("\x00", "9" * 30, "-1", "\uff11", "\ud800", "1.2.3.4.5", "a", " ")


@pytest.fixture
def user(federation: Federation) -> User:
    return person()


@pytest.fixture
def alice(user: User) -> Client:
    return client_of(user)


def client_of(user: User) -> Client:
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(user)
    return client


def newest(user: User) -> int:
    return int(notice_queries.of_person(user.person_id).latest("pk").pk)


class TestWhoSeesWhat:
    def test_a_notice_of_somebody_else_does_not_exist(self, alice: Client, user: User) -> None:
        bob = person("bob")
        tell(bob, label="Bob's grant")
        tell(user)
        assert "Bob's grant" not in text_of(alice.get(LIST))
        assert alice.get(f"/notifications/{newest(bob)}/").status_code == 404
        for name in ("read", "unread", "until"):
            alice.post(MARK, {name: newest(bob)})
        assert notice_queries.unread(bob.person_id) == 1

    @pytest.mark.parametrize("wrong", HOSTILE)
    def test_nonsense_in_an_address_is_named(self, alice: Client, wrong: str) -> None:
        for name in ("show", "kind", "after", "before"):
            answer = alice.get(LIST, {name: wrong.encode("utf-8", "surrogatepass")})
            assert answer.status_code == 400 or (name in ("after", "before") and wrong == "-1")
        for name in ("read", "unread", "until"):
            body = urlencode({name: wrong.encode("utf-8", "surrogatepass")})
            answer = alice.post(MARK, body, content_type="application/x-www-form-urlencoded")
            assert answer.status_code == 400
        assert alice.get("/notifications/99999999999999999999999/").status_code == 404

    def test_marking_never_leads_elsewhere(self, alice: Client, user: User) -> None:
        tell(user)
        for target in ("https://eve.example.org/notifications/", "//eve.example.org", "/jobs/", "\\\\eve"):
            assert alice.post(MARK, {"read": newest(user), "next": target})["Location"] == LIST
        kept = f"{LIST}?show=unread"
        assert alice.post(MARK, {"read": newest(user), "next": kept})["Location"] == kept


class TestList:
    def test_says_what_was_told_and_leads_to_it(self, alice: Client, user: User) -> None:
        tell(user)
        page = text_of(alice.get(LIST))
        assert "Credits of Lab expire on 1 Dec 2026" in page
        assert "5.00 credits (€0.05) of “Trial” lapse then" in page
        answer = alice.get(f"/notifications/{newest(user)}/")
        assert (answer.status_code, answer["Location"]) == (302, "/dashboard/")
        assert notice_queries.unread(user.person_id) == 0

    def test_filters_by_kind_and_by_unread(self, alice: Client, user: User) -> None:
        tell(user)
        tell(user, "credits_exhausted", job="j-7", source="s", balance=-5)
        notices.mark_read(user.person_id, kind="grant_expiring")
        assert "Credits of Lab expire" not in text_of(alice.get(LIST, {"show": "unread"}))
        assert "are used up" not in text_of(alice.get(LIST, {"kind": "grant_expiring"}))
        assert "Nothing of this kind" in text_of(alice.get(LIST, {"kind": "job_stop"}))
        alice.post(MARK, {"until": newest(user)})
        assert "You have read everything" in text_of(alice.get(LIST, {"show": "unread"}))

    def test_is_a_part_for_htmx(self, alice: Client) -> None:
        part = alice.get(LIST, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in part
        assert "Nothing to tell yet" in part

    def test_goes_on_by_place_with_every_notice_once(self, alice: Client, user: User) -> None:
        for number in range(60):
            tell(user, cause=f"c-{number}", label=f"Grant {number}.")
        seen: list[str] = []
        address = LIST
        while address:
            html = alice.get(address).content.decode()
            seen += re.findall(r"“(Grant \d+\.)”", html)
            older = re.search(r'href="([^"]+)"[^>]*rel="next"', html)
            address = older[1].replace("&amp;", "&") if older else ""
        assert seen == [f"Grant {number}." for number in reversed(range(60))]

    def test_marking_all_leaves_what_came_since(self, alice: Client, user: User) -> None:
        tell(user, cause="c-1")
        shown = newest(user)
        tell(user, cause="c-2")
        assert "1 notification marked as read." in text_of(alice.post(MARK, {"until": shown}, follow=True))
        assert notice_queries.unread(user.person_id) == 1
        alice.post(MARK, {"unread": shown})
        assert notice_queries.unread(user.person_id) == 2

    def test_takes_as_many_queries_for_many_as_for_one(
        self, alice: Client, user: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        """Session, user, memberships, bell, the page of notices, limits and the clock that they count by."""
        for count in (1, 24):
            for number in range(count):
                tell(user, cause=f"{count}-{number}")
                facts = {"limit": 1, "share": 80, "spent": 8, "amount": 10, "period": "month", "action": "block"}
                tell(user, "limit_reached", cause=f"{count}-{number}", **facts)
            with django_assert_num_queries(7):
                assert alice.get(LIST).status_code == 200

    def test_text_of_others_is_only_text(self, alice: Client, user: User) -> None:
        tell(user, label="<script>alert(1)</script>", name="<b>Lab</b>")
        html = alice.get(LIST).content.decode()
        assert "<script>alert" not in html
        assert "&lt;b&gt;Lab&lt;/b&gt;" in html

    def test_says_every_kind_and_one_that_it_does_not_know(self, alice: Client, user: User) -> None:
        notices.tell([user.person_id], None, "of_a_later_version", "c", {})
        assert "This version of the portal cannot say what." in text_of(alice.get(LIST))


class TestBell:
    @pytest.mark.parametrize(("count", "shown"), [(0, ""), (3, "3"), (99, "99"), (100, "99+")])
    def test_counts_what_is_unread_up_to_a_point(self, alice: Client, user: User, count: int, shown: str) -> None:
        for number in range(count):
            tell(user, cause=f"c-{number}")
        html = alice.get("/profile/").content.decode()
        assert re.findall(r'class="bell-count"[^>]*>([^<]*)<', html) == ([shown] * 2 if shown else [])


class TestPreferences:
    def form(self, **changes: str) -> dict[str, str]:
        said = {f"mail_{kind.key}": kind.mail for kind in KINDS.values()}
        return said | {f"portal_{kind.key}": "on" for kind in LISTED if kind.portal and not kind.grave} | changes

    def test_every_kind_can_be_chosen_in_every_way_that_it_offers(self, alice: Client, user: User) -> None:
        for by_mail in ("off", "now", "daily"):
            for portal in ({}, {f"portal_{kind.key}": "on" for kind in LISTED}):
                soon = ("hold_expiring", "invitation")
                said = {f"mail_{key}": "now" if key in soon and by_mail == "daily" else by_mail for key in KINDS}
                assert alice.post(CHOICES, said | portal).status_code == 302
                known = preferences.of_user(user)
                for kind in LISTED:
                    assert known[kind.key].portal == (bool(portal) or kind.grave)
                    assert known[kind.key].mail == said[f"mail_{kind.key}"]

    def test_shows_what_was_chosen(self, alice: Client, user: User) -> None:
        alice.post(CHOICES, self.form(mail_low_balance="daily"))
        html = alice.get(CHOICES).content.decode()
        control = html[html.index('name="mail_low_balance"') :][:400]
        assert re.search(r'value="daily" selected', control)

    @pytest.mark.parametrize("wrong", ["hourly", "", "\x00"])
    def test_what_is_not_offered_is_said_beside_it(self, alice: Client, user: User, wrong: str) -> None:
        answer = alice.post(CHOICES, self.form(mail_low_balance=wrong))
        assert answer.status_code == 422
        assert preferences.of_user(user)["low_balance"].mail == "now"

    def test_says_where_mail_goes_and_when_it_goes_nowhere(self, alice: Client, user: User) -> None:
        assert "Mail goes to alice@example.org." in text_of(alice.get(CHOICES))
        person(email_verified=False)
        assert "No mail reaches you Your identity provider has not verified alice@example.org." in text_of(
            alice.get(CHOICES)
        )

    def test_of_others_are_left_alone(self, alice: Client, user: User) -> None:
        bob = person("bob")
        alice.post(CHOICES, self.form(mail_low_balance="off"))
        assert preferences.of_user(bob)["low_balance"].mail == "now"


class TestThreshold:
    ADDRESS = "/profile/notifications/balance/"

    def of(self, organisation: int, **said: object) -> dict[str, object]:
        return {"organisation": organisation} | said

    def test_is_not_for_members_without_the_role(self, federation: Federation, alice: Client, user: User) -> None:
        organisations.switch_organisation(user.person_id, federation.lab)
        answer = alice.post(self.ADDRESS, self.of(federation.lab, rule="never"))
        assert answer.status_code == 403
        assert "The owners and managers of Geo Lab decide" in text_of(answer)
        assert alerts.threshold(federation.lab) == Threshold()
        assert "Its owners and managers decide" in text_of(alice.get(CHOICES))

    def test_of_another_organisation_is_left_alone(self, federation: Federation, alice: Client) -> None:
        assert alice.post(self.ADDRESS, self.of(federation.lab, rule="never")).status_code == 302
        assert alerts.threshold(federation.lab) == Threshold()

    def test_is_set_by_an_owner(self, federation: Federation, alice: Client, user: User) -> None:
        home = federation.alice.personal_organisation
        alice.post(self.ADDRESS, self.of(home, rule="amount", amount="12.5"))
        assert alerts.threshold(home) == Threshold("amount", 7, micros(12.5))
        alice.post(self.ADDRESS, self.of(home, rule="days", days="3"))
        assert alerts.threshold(home) == Threshold("days", 3, micros(12.5))

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ({"rule": "weeks"}, "Select a valid choice"),
            ({}, "This field is required."),
            ({"rule": "amount"}, "This field is required."),
            ({"rule": "days", "days": "0"}, "greater than or equal to 1"),
            ({"rule": "days", "days": "366"}, "less than or equal to 365"),
            ({"rule": "days", "days": "seven"}, "Enter a whole number."),
            ({"rule": "amount", "amount": "1e99"}, "Ensure that"),
            ({"rule": "amount", "amount": "NaN"}, "Enter a number."),
            ({"rule": "amount", "amount": "0.0000001"}, "no more than 6 decimal places"),
            ({"rule": "amount", "amount": "-1"}, "greater than or equal to 0"),
        ],
    )
    def test_that_makes_no_sense_is_said_beside_it(
        self, federation: Federation, alice: Client, said: dict[str, object], words: str
    ) -> None:
        home = federation.alice.personal_organisation
        answer = alice.post(self.ADDRESS, self.of(home, **said))
        assert answer.status_code == 422
        assert words in text_of(answer)
        assert alerts.threshold(home) == Threshold()


class TestStopping:
    def path(self, kind: str, **whom: Any) -> str:
        return links.stop_link(kind, **whom).removeprefix("http://testserver")

    def test_looking_changes_nothing_and_one_click_does(self, user: User, client: Client) -> None:
        """Scanners of mails follow links; mail readers post without a session or a token (RFC 8058)."""
        path = self.path("low_balance", user=user)
        assert "They are about “Credits run low”." in text_of(client.get(path))
        assert preferences.of_user(user)["low_balance"].mail == "now"
        strict = Client(enforce_csrf_checks=True)
        answer = strict.post(path, {"List-Unsubscribe": "One-Click"})
        assert "We do not mail you about “Credits run low” any more." in text_of(answer)
        assert preferences.of_user(user)["low_balance"] == Choice("low_balance", True, "off")
        assert preferences.of_user(user)["credits_exhausted"].mail == "now"
        assert strict.post(path).status_code == 200

    def test_an_address_without_account_is_remembered_as_a_digest(self, db: None, client: Client) -> None:
        path = self.path("invitation", address="carol@example.org")
        client.post(path)
        assert not mail.queue("carol@example.org", "invitation", "c", {}, template="notice")
        assert "carol" not in str(MailRefusal.objects.values())

    def test_tampered_links_are_not_found_and_stop_nothing(self, user: User, client: Client) -> None:
        path = self.path("low_balance", user=user)
        other = self.path("receipt", user=user)
        body, _, rest = path.rstrip("/").rpartition("/")[2].partition(":")
        mixed = f"/notifications/stop/{other.rstrip('/').rpartition('/')[2].partition(':')[0]}:{rest}/"
        for wrong in (path[:-5] + "/", path.replace(body, body[:-2]), mixed, "/notifications/stop/x/"):
            for answer in (client.get(wrong), client.post(wrong)):
                assert answer.status_code == 404
                assert "This link is not complete" in text_of(answer)
        assert preferences.of_user(user)["low_balance"].mail == "now"
        assert preferences.of_user(user)["receipt"].mail == "off"

    def test_of_somebody_who_is_gone_says_the_same(self, db: None, client: Client) -> None:
        gone = User(pk=987_654)
        assert client.post(self.path("low_balance", user=gone)).status_code == 200


class TestMailbox:
    @pytest.fixture
    def letter(self, user: User) -> Mail:
        write(user, text="<script>alert(1)</script>")
        return Mail.objects.get()

    def test_does_not_exist_outside_a_demonstration(self, alice: Client, letter: Mail) -> None:
        for path in ("/mail/", f"/mail/{letter.pk}/", f"/mail/{letter.pk}/html/"):
            assert alice.get(path).status_code == 404

    def test_shows_both_parts_and_lets_html_do_nothing(self, client: Client, letter: Mail, settings: Any) -> None:
        settings.DEMONSTRATION = True
        assert "Credits of R&amp;D run low" in text_of(client.get("/mail/"))
        page = client.get(f"/mail/{letter.pk}/")
        assert "frame-src 'self'" in page["Content-Security-Policy"]
        assert "sandbox=" in page.content.decode()
        frame = client.get(f"/mail/{letter.pk}/html/")
        policy = frame["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert frame["X-Frame-Options"] == "SAMEORIGIN"
        assert "<script>" not in frame.content.decode()
        for wrong in ("/mail/0/", "/mail/99999999999999999999/", "/mail/1/html/x"):
            assert client.get(wrong).status_code == 404
        assert client.get("/mail/?after=x").status_code == 400
