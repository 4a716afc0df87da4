"""Invitations: single use, expiring, never kept as a link; whoever has the link answers once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from django.utils import timezone

from accounting import audit, members, organisations
from accounting.audit import Change
from accounting.errors import MembershipInvalid, NotFound, NotPermitted
from accounting.models import AuditEntry, Member
from portal import invitations
from portal import mail as portal_mail
from portal.invitations import InvitationInvalid
from portal.mail import addressing
from portal.mail_rows import Mail
from portal.models import Invitation
from tests.portal import scene as scenes
from tests.portal.reader import ISSUER, sign_in, text_of


@pytest.fixture
def lab(scene: scenes.Scene) -> int:
    return scene.lab


@pytest.fixture
def made(lab: int, scene: scenes.Scene) -> invitations.Made:
    return invitations.invite(lab, "Maren@Example.org", "developer", actor=scene.alice)


def token_of(link: str) -> str:
    return link.rstrip("/").rpartition("/")[2]


def path_of(made: invitations.Made) -> str:
    return f"/invitations/{token_of(made.link)}/"


def person(sub: str) -> int:
    return organisations.ensure_person(ISSUER, sub).pk


def stranger() -> Client:
    return Client(headers={"host": "127.0.0.1"})


class TestTheLink:
    def test_is_kept_as_a_digest_and_mailed_as_text_and_html(self, made: invitations.Made, settings: Any) -> None:
        assert portal_mail.send() == 1
        (sent,) = mail.outbox
        assert sent.to == ["Maren@Example.org"]
        assert made.link.startswith(settings.PUBLIC_URL)
        assert isinstance(sent, EmailMultiAlternatives)
        ((html, kind),) = sent.alternatives
        assert kind == "text/html"
        for body in (str(sent.body), str(html)):
            assert made.link in body
            assert "Geo Lab Ghent" in body
        row = Invitation.objects.values().get()
        assert token_of(made.link) not in str(row)
        assert made.sent
        assert row["sent_at"] is not None

    def test_is_no_part_of_the_audit_log_nor_is_the_address(self, made: invitations.Made, lab: int) -> None:
        (entry,) = audit.entries(lab, change=Change.INVITED)
        assert entry.facts == {"invitation": made.invitation.pk, "role": "developer"}

    def test_shows_who_invites_to_what_before_anybody_signs_in(self, made: invitations.Made) -> None:
        answer = stranger().get(path_of(made))
        text = text_of(answer)
        assert answer.status_code == 200
        assert "Join Geo Lab Ghent" in text
        assert "Run jobs on its credits" in text
        assert f"/oidc/authenticate/?next=%2Finvitations%2F{token_of(made.link)}%2F" in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        assert stranger().post(path_of(made), {"answer": "accept"}).status_code == 302
        assert Invitation.objects.get().accepted_at is None

    @pytest.mark.parametrize("token", ["x", "%00", "%ED%A0%80", "9" * 300, "..%2F", "é"])
    def test_that_nobody_sent_opens_nothing(self, db: None, token: str) -> None:
        answer = stranger().get(f"/invitations/{token}/")
        assert answer.status_code == 404

    def test_is_not_kept_by_the_mail_that_was_sent(self, made: invitations.Made) -> None:
        assert token_of(made.link) in Mail.objects.get().text
        portal_mail.send()
        assert token_of(made.link) not in str(Mail.objects.values().get())

    def test_still_works_by_hand_when_the_address_wants_no_invitations(self, lab: int, scene: scenes.Scene) -> None:
        addressing.refuse(addressing.digest("a@b.org"), "invitation")
        made = invitations.invite(lab, "a@b.org", "viewer", actor=scene.alice)
        assert not made.sent
        assert made.invitation.sent_at is None
        assert stranger().get(path_of(made)).status_code == 200


class TestAccepting:
    def test_makes_a_member_once(self, made: invitations.Made, lab: int) -> None:
        maren = sign_in("maren")
        before = AuditEntry.objects.count()
        answer = maren.post(path_of(made), {"answer": "accept"}, follow=True)
        assert "You are a member of Geo Lab Ghent now" in text_of(answer)
        assert members.role_of(lab, person("maren")) == "developer"
        assert AuditEntry.objects.count() == before + 1
        again = sign_in("other").post(path_of(made), {"answer": "accept"})
        assert again.status_code == 410
        assert "accepted already" in text_of(again)
        assert members.role_of(lab, person("other")) is None
        found = Invitation.objects.get()
        assert (found.accepted_by_id, found.declined_at, found.revoked_at) == (person("maren"), None, None)

    def test_may_choose_who_pays(self, made: invitations.Made, lab: int) -> None:
        answer = sign_in("maren").post(path_of(made), {"answer": "accept", "current": "yes"})
        assert answer["Location"] == "/organisation/"
        assert next(one for one in organisations.memberships(person("maren")) if one.current).organisation == lab

    def test_is_not_for_who_is_in_it_already(self, made: invitations.Made, alice: Client) -> None:
        assert "You are in it already, as Manager" in text_of(alice.get(path_of(made)))
        assert alice.post(path_of(made), {"answer": "accept"}).status_code == 409
        assert Invitation.objects.get().accepted_at is None

    def test_comes_back_after_the_real_sign_in(self, made: invitations.Made, visitor: Any) -> None:
        answer = visitor.sign_in("bob", next_path=path_of(made))
        assert answer["Location"] == path_of(made)

    def test_makes_nobody_a_member_of_a_closed_organisation(self, scene: scenes.Scene) -> None:
        made = invitations.invite(
            organisations.create_organisation("New", scene.alice), "a@b.org", "viewer", actor=scene.alice
        )
        organisations.close(made.invitation.organisation_id)
        assert sign_in("maren").post(path_of(made), {"answer": "accept"}).status_code == 409
        assert Member.objects.filter(organisation=made.invitation.organisation_id).count() == 1


class TestAnEnd:
    def test_by_declining(self, made: invitations.Made, lab: int) -> None:
        maren = sign_in("maren")
        assert "You declined" in text_of(maren.post(path_of(made), {"answer": "decline"}, follow=True))
        assert "was declined" in text_of(maren.get(path_of(made)))
        assert [one.actor_id for one in audit.entries(lab, change=Change.INVITATION_DECLINED)] == [person("maren")]

    def test_by_revoking(self, made: invitations.Made, lab: int, alice: Client) -> None:
        address = f"/organisation/invitations/{made.invitation.pk}/revoke/"
        assert "revoked" in text_of(alice.post(address, {"organisation": lab}, follow=True))
        assert "taken back" in text_of(stranger().get(path_of(made)))
        assert alice.post(address, {"organisation": lab}).status_code == 404
        assert audit.entries(lab, change=Change.INVITATION_REVOKED).count() == 1

    def test_by_time(self, made: invitations.Made) -> None:
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        answer = stranger().get(path_of(made))
        assert answer.status_code == 410
        assert "has expired" in text_of(answer)
        assert sign_in("maren").post(path_of(made), {"answer": "accept"}).status_code == 410

    def test_that_sending_it_again_takes_back(self, made: invitations.Made, lab: int, scene: scenes.Scene) -> None:
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        again = invitations.resend(lab, made.invitation.pk, actor=scene.alice)
        assert again.link != made.link
        assert stranger().get(path_of(made)).status_code == 404
        assert stranger().get(path_of(again)).status_code == 200
        assert audit.entries(lab, change=Change.INVITED_AGAIN).count() == 1
        assert portal_mail.send() == 2
        assert len(mail.outbox) == 2


class TestSending:
    def test_shows_the_link_once(self, lab: int, alice: Client) -> None:
        answer = alice.post(
            "/organisation/members/invite/", {"organisation": lab, "email": "a@b.org", "role": "viewer"}
        )
        found = re.search(r'data-copy="([^"]*/invitations/[^"]+)"', answer.content.decode())
        assert found is not None
        assert stranger().get(f"/invitations/{token_of(found[1])}/").status_code == 200
        page = alice.get("/organisation/members/").content.decode()
        assert "/invitations/" in page  # the forms that send again and revoke
        assert token_of(found[1]) not in page

    def test_asks_an_address_once_in_any_case(self, made: invitations.Made, lab: int, alice: Client) -> None:
        data = {"organisation": lab, "email": "maren@example.ORG", "role": "viewer"}
        answer = alice.post("/organisation/members/invite/", data)
        assert answer.status_code == 422
        assert "invited already" in text_of(answer)

    @pytest.mark.parametrize(
        "email", ["", "x", "a@b", "a b@c.org", "a@b.org\x00", "a@b.org\nBcc: c@d.org", "x" * 260 + "@b.org"]
    )
    def test_needs_an_address(self, lab: int, alice: Client, email: str) -> None:
        data = {"organisation": lab, "email": email, "role": "viewer"}
        assert alice.post("/organisation/members/invite/", data).status_code == 422
        assert mail.outbox == []

    def test_has_an_end(self, lab: int, scene: scenes.Scene, monkeypatch: Any) -> None:
        monkeypatch.setattr(invitations, "MOST_OPEN", 2)
        for number in range(2):
            invitations.invite(lab, f"a{number}@b.org", "viewer", actor=scene.alice)
        with pytest.raises(InvitationInvalid) as refused:
            invitations.invite(lab, "a3@b.org", "viewer", actor=scene.alice)
        assert refused.value.extra["reason"] == "too_many"

    def test_is_for_who_may(self, made: invitations.Made, lab: int, scene: scenes.Scene) -> None:
        organisations.add_member(lab, person("dev"), "developer")
        with pytest.raises(NotPermitted):
            invitations.invite(lab, "x@b.org", "viewer", actor=person("dev"))
        with pytest.raises(NotPermitted):
            invitations.invite(lab, "x@b.org", "owner", actor=scene.alice)
        with pytest.raises(NotFound):
            invitations.invite(lab, "x@b.org", "viewer", actor=person("nobody-of-it"))
        for deed in (invitations.resend, invitations.revoke):
            with pytest.raises(NotPermitted):
                deed(lab, made.invitation.pk, actor=person("dev"))
            with pytest.raises(NotFound):
                deed(lab, made.invitation.pk, actor=person("nobody-of-it"))
            with pytest.raises(NotFound):
                deed(scene.home, made.invitation.pk, actor=scene.alice)
        with pytest.raises(MembershipInvalid):
            invitations.invite(scene.home, "x@b.org", "viewer", actor=scene.alice)
        assert Invitation.objects.count() == 1
