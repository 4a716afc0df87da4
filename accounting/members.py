"""Who belongs to an organisation: adding, changing, removing, leaving, handing over (M1, M2).

Every verb locks the organisation first, so what it checked still holds when it writes, and writes one audit entry.
`actor` None: the operators, who may do everything but break M2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounting import audit, roles
from accounting.audit import Change
from accounting.errors import MembershipInvalid, NotFound, NotPermitted
from accounting.models import Member, Organisation, Person
from accounting.roles import Action


@dataclass(frozen=True, slots=True)
class MemberView:
    """`current`: the organisation pays for jobs of theirs that name none, if their role allows it."""

    person: int
    role: str
    joined_at: datetime
    current: bool


def of(organisation: int) -> Sequence[MemberView]:
    """Owners first, then by role and since when."""
    rows = Member.objects.filter(organisation_id=organisation).select_related("person")
    found = [
        MemberView(one.person_id, one.role, one.joined_at, one.person.current_organisation_id == organisation)
        for one in rows
    ]
    return sorted(found, key=lambda one: (roles.ROLES.index(one.role), one.joined_at, one.person))


def role_of(organisation: int, person: int) -> str | None:
    """None: not a member."""
    return Member.objects.filter(organisation_id=organisation, person_id=person).values_list("role", flat=True).first()


def require(organisation: int, actor: int | None, action: Action) -> str:
    """The actor's role, which allows the action; "" for the operators.

    :raises NotFound: not a member. :raises NotPermitted: the role does not allow it.
    """
    if actor is None:
        return ""
    role = role_of(organisation, actor)
    if role is None:
        raise NotFound(f"there is no organisation {organisation} of which you are a member", field="organisation")
    if not roles.allows(role, action):
        needed = [name for name in roles.ROLES if roles.allows(name, action)]
        raise NotPermitted(f"only {' or '.join(needed)} may do this; you are {role}", role=role, needed=needed)
    return role


def lock(organisation: int) -> Organisation:
    """The organisation, which nobody changes until the end of the transaction. :raises NotFound: there is none."""
    found = Organisation.objects.select_for_update(no_key=True).filter(pk=organisation).first()
    if found is None:
        raise NotFound(f"there is no organisation {organisation}", field="organisation")
    return found


def add(organisation: int, person: int, role: str, *, actor: int | None = None) -> None:
    """Idempotent; a second call changes the role.

    :raises MembershipInvalid: no such role, the last owner, or an organisation that takes no members.
    """
    with transaction.atomic():
        if role_of(organisation, person) is not None:
            change_role(organisation, person, role, actor=actor)
        else:
            _insert(organisation, person, role, actor, Change.MEMBER_ADDED, {})


def join(organisation: int, person: int, role: str, *, invitation: int) -> None:
    """The person accepted an invitation, whose sender was allowed to give the role.

    :raises MembershipInvalid: a member already, or an organisation that takes no members.
    """
    with transaction.atomic():
        lock(organisation)
        if role_of(organisation, person) is not None:
            raise MembershipInvalid("the person is a member already", field="person")
        _insert(organisation, person, role, person, Change.MEMBER_JOINED, {"invitation": invitation})


def _insert(
    organisation: int, person: int, role: str, actor: int | None, change: Change, facts: dict[str, int]
) -> None:
    _check(lock(organisation), role)
    if change is Change.MEMBER_ADDED:
        _check_reach(require(organisation, actor, Action.MANAGE_MEMBERS), role)
    Member.objects.create(organisation_id=organisation, person_id=person, role=role)
    audit.record(organisation, change, actor, {"person": person, "role": role} | facts)


def change_role(organisation: int, person: int, role: str, *, actor: int | None = None) -> None:
    """Nothing is written when it is theirs already.

    :raises MembershipInvalid: no such role, or the last owner. :raises NotFound: not a member.
    :raises NotPermitted: the actor may not give the role, or not change somebody of the one they have.
    """
    with transaction.atomic():
        _check(lock(organisation), role)
        mine = require(organisation, actor, Action.MANAGE_MEMBERS)
        had = _role(organisation, person)
        _check_reach(mine, had, role)
        if had == role:
            return
        if had == "owner":
            _keep_an_owner(organisation, person)
        Member.objects.filter(organisation_id=organisation, person_id=person).update(role=role)
        audit.record(organisation, Change.ROLE_CHANGED, actor, {"person": person, "was": had, "role": role})


def remove(organisation: int, person: int, *, actor: int | None = None) -> None:
    """Their jobs that name no organisation are paid by their personal one from now on; what is held for running jobs
    stays held and pays (U2).

    :raises MembershipInvalid: the last owner. :raises NotFound: not a member.
    :raises NotPermitted: the actor may not remove somebody of that role.
    """
    with transaction.atomic():
        _check_open(lock(organisation))
        mine = require(organisation, actor, Action.MANAGE_MEMBERS)
        had = _role(organisation, person)
        _check_reach(mine, had)
        _delete(organisation, person, had)
        audit.record(organisation, Change.MEMBER_REMOVED, actor, {"person": person, "role": had})


def leave(organisation: int, person: int) -> None:
    """As `remove`, by themselves, which every member may. :raises MembershipInvalid: the last owner."""
    with transaction.atomic():
        if lock(organisation).personal:
            raise MembershipInvalid("nobody leaves their personal organisation")
        had = _role(organisation, person)
        _delete(organisation, person, had)
        audit.record(organisation, Change.MEMBER_LEFT, person, {"person": person, "role": had})


def hand_over(organisation: int, heir: int, *, actor: int) -> None:
    """The heir, a member, becomes an owner and the actor a manager.

    :raises NotPermitted: the actor is no owner. :raises NotFound: the heir is no member.
    :raises MembershipInvalid: to themselves.
    """
    with transaction.atomic():
        _check_open(lock(organisation))
        require(organisation, actor, Action.HAND_OVER)
        if heir == actor:
            raise MembershipInvalid("choose another member to hand over to", field="person")
        had = _role(organisation, heir)
        Member.objects.filter(organisation_id=organisation, person_id=heir).update(role="owner")
        Member.objects.filter(organisation_id=organisation, person_id=actor).update(role="manager")
        audit.record(organisation, Change.HANDED_OVER, actor, {"person": heir, "was": had})


def _role(organisation: int, person: int) -> str:
    role = role_of(organisation, person)
    if role is None:
        raise NotFound("there is no such member", field="person")
    return role


def _delete(organisation: int, person: int, role: str) -> None:
    if role == "owner":
        _keep_an_owner(organisation, person)
    Member.objects.filter(organisation_id=organisation, person_id=person).delete()
    Person.objects.filter(pk=person, current_organisation_id=organisation).update(
        current_organisation=F("personal_organisation")
    )


def _keep_an_owner(organisation: int, person: int) -> None:
    """The database refuses it as well, at the end of the transaction (trigger `owned`)."""
    others = Member.objects.filter(organisation_id=organisation, role="owner").exclude(person_id=person)
    if Organisation.objects.filter(pk=organisation, closed_at=None).exists() and not others.exists():
        raise MembershipInvalid("the last owner stays: hand the organisation over first", field="person")


def _check(organisation: Organisation, role: str) -> None:
    if role not in roles.ROLES:
        raise MembershipInvalid(f"the role must be one of {', '.join(roles.ROLES)}", field="role")
    if organisation.personal:
        raise MembershipInvalid("a personal organisation has one member: create an organisation to share credits")
    _check_open(organisation)


def _check_open(organisation: Organisation) -> None:
    if organisation.closed_at is not None:
        raise MembershipInvalid("the organisation is closed")


def _check_reach(mine: str, *theirs: str) -> None:
    """`mine` is "" for the operators."""
    if mine and not set(theirs) <= set(roles.assignable(mine)):
        raise NotPermitted(f"a {mine} may not give or take the role of an owner", role=mine, needed=["owner"])
