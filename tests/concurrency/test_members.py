"""Owners who leave at once, and people who accept one invitation at once (M2)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounting import audit, members, organisations
from accounting.audit import Change
from accounting.errors import MembershipInvalid
from accounting.models import Member
from portal import invitations
from portal.invitations import InvitationInvalid
from portal.mail_rows import Mail
from portal.models import Invitation
from tests.concurrency.crowd import SIZE, Crowd, broken_rules
from tests.concurrency.hold_races import without_deadlocks
from tests.conftest import ISSUER, Federation

pytestmark = pytest.mark.slow


def people() -> list[int]:
    return [organisations.ensure_person(ISSUER, f"owner-{number}@egi.eu").pk for number in range(SIZE)]


def kinds(outcomes: list[Any]) -> Counter[str]:
    return Counter("done" if not isinstance(one, Exception) else type(one).__name__ for one in outcomes)


def test_one_owner_is_left_when_all_leave_at_once(
    committed_federation: Federation, crowd: Crowd, rounds: range
) -> None:
    owners = people()
    with without_deadlocks():
        for _ in rounds:
            lab = organisations.create_organisation("Lab", owners[0])
            for owner in owners[1:]:
                members.add(lab, owner, "owner")
            outcomes = crowd.rush(lambda number, lab: members.leave(lab, owners[number]), lab)
            assert kinds(outcomes) == {"done": SIZE - 1, "MembershipInvalid": 1}
            assert Member.objects.filter(organisation=lab, role="owner").count() == 1
            assert audit.entries(lab, change=Change.MEMBER_LEFT).count() == SIZE - 1
    assert broken_rules() == []


def test_the_database_keeps_one_though_nobody_asks_before(
    committed_federation: Federation, crowd: Crowd, rounds: range
) -> None:
    """As somebody who writes past the verbs: without their lock, the trigger alone stands."""
    owners = people()

    def delete(number: int, lab: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM accounting_member WHERE organisation_id = %s AND person_id = %s", [lab, owners[number]]
            )

    for _ in rounds:
        lab = organisations.create_organisation("Lab", owners[0])
        for owner in owners[1:]:
            members.add(lab, owner, "owner")
        outcomes = crowd.rush(delete, lab)
        assert kinds(outcomes) == {"done": SIZE - 1, "IntegrityError": 1}
        assert all("no owner left" in str(one) for one in outcomes if isinstance(one, IntegrityError))


def test_one_of_many_accepts_an_invitation(committed_federation: Federation, crowd: Crowd, rounds: range) -> None:
    federation, guests = committed_federation, people()
    with without_deadlocks():
        for n in rounds:
            lab = organisations.create_organisation("Lab", federation.bob.pk)
            made = invitations.invite(lab, f"a{n}@b.org", "developer", actor=federation.bob.pk)
            token = made.link.rstrip("/").rpartition("/")[2]
            outcomes = crowd.rush(lambda number, token: invitations.accept(token, guests[number]), token)
            assert kinds(outcomes) == {"done": 1, "InvitationInvalid": SIZE - 1}
            assert {one.extra["reason"] for one in outcomes if isinstance(one, InvitationInvalid)} == {"used"}
            assert Member.objects.filter(organisation=lab).count() == 2
            assert audit.entries(lab, change=Change.MEMBER_JOINED).count() == 1
            winner = next(guests[number] for number, one in enumerate(outcomes) if not isinstance(one, Exception))
            assert Invitation.objects.get(organisation=lab).accepted_by_id == winner
    assert Mail.objects.filter(kind="invitation").count() == len(rounds)


def test_one_thing_becomes_of_an_invitation(committed_federation: Federation, crowd: Crowd, rounds: range) -> None:
    """It is accepted, declined and revoked at once."""
    federation, guests = committed_federation, people()

    def answer(number: int, made: invitations.Made) -> str:
        token = made.link.rstrip("/").rpartition("/")[2]
        if number % 3 == 0:
            invitations.accept(token, guests[number])
        elif number % 3 == 1:
            invitations.decline(token, guests[number])
        else:
            invitations.revoke(made.invitation.organisation_id, made.invitation.pk, actor=federation.bob.pk)
        return "done"

    with without_deadlocks():
        for n in rounds:
            lab = organisations.create_organisation("Lab", federation.bob.pk)
            made = invitations.invite(lab, f"a{n}@b.org", "developer", actor=federation.bob.pk)
            outcomes = crowd.rush(answer, made)
            assert kinds(outcomes)["done"] == 1
            found = Invitation.objects.get(organisation=lab)
            ends = [found.accepted_at, found.declined_at, found.revoked_at]
            assert sum(end is not None for end in ends) == 1
            assert (found.accepted_at is not None) == (Member.objects.filter(organisation=lab).count() == 2)


def test_handing_over_to_and_fro_never_loses_the_owner(
    committed_federation: Federation, crowd: Crowd, rounds: range
) -> None:
    federation = committed_federation
    pair = (federation.alice.pk, federation.bob.pk)

    def swap(number: int, lab: int) -> None:
        members.hand_over(lab, pair[number % 2], actor=pair[1 - number % 2])

    for _ in rounds:
        lab = organisations.create_organisation("Lab", pair[0])
        members.add(lab, pair[1], "manager")
        outcomes = crowd.rush(swap, lab)
        assert kinds(outcomes)["done"] >= 1
        assert set(kinds(outcomes)) <= {"done", "NotPermitted"}
        assert Member.objects.filter(organisation=lab, role="owner").count() == 1
        assert not any(isinstance(one, MembershipInvalid) for one in outcomes)
