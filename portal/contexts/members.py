"""Members of an organisation and who is invited to it, as pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from accounting import members, roles
from accounting.roles import PERMISSIONS, Action
from portal import invitations
from portal.contexts import people
from portal.contexts.scope import Scope, titles
from portal.contexts.tabs import Tab
from portal.titles import ACTION_TITLES, ROLE_TITLES


@dataclass(frozen=True, slots=True)
class Role:
    value: str
    title: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class MemberRow:
    """`choices` are the roles that the viewer may give, empty when they may not change this one."""

    person: int
    name: str
    you: bool
    role: str
    title: str
    joined_at: datetime
    choices: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """`sent_at` None: the mail server did not take it. `mine_to_change`: the viewer may send it again or revoke it."""

    id: int
    email: str
    title: str
    invited_by: str
    sent_at: datetime | None
    expires_at: datetime
    expired: bool
    mine_to_change: bool


@dataclass(frozen=True, slots=True)
class Permission:
    """What a role may do: a row of the table in accounting.roles."""

    title: str
    allowed: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class MembersPage:
    scope: Scope
    tabs: tuple[Tab, ...]
    rows: tuple[MemberRow, ...]
    invitations: tuple[InvitationRow, ...]
    roles: tuple[str, ...]
    permissions: tuple[Permission, ...]


def page_of(scope: Scope) -> MembersPage:
    team = members.of(scope.id)
    waiting = invitations.open_ones(scope.id) if scope.may[Action.MANAGE_MEMBERS] else []
    named = people.names({one.person for one in team} | {one.invited_by_id for one in waiting}, scope.viewer)
    reach = roles.assignable(scope.role) if scope.may[Action.MANAGE_MEMBERS] else ()
    now = timezone.now()
    return MembersPage(
        scope=scope,
        tabs=scope.tabs("organisation-members"),
        rows=tuple(
            MemberRow(
                person=one.person,
                name=named[one.person],
                you=one.person == scope.viewer.person_id,
                role=one.role,
                title=str(ROLE_TITLES[one.role]),
                joined_at=one.joined_at,
                choices=tuple(Role(role, str(ROLE_TITLES[role]), role == one.role) for role in reach)
                if one.role in reach
                else (),
            )
            for one in team
        ),
        invitations=tuple(
            InvitationRow(
                id=one.pk,
                email=one.email,
                title=str(ROLE_TITLES[one.role]),
                invited_by=named[one.invited_by_id],
                sent_at=one.sent_at,
                expires_at=one.expires_at,
                expired=one.expires_at <= now,
                mine_to_change=one.role in reach,
            )
            for one in waiting
        ),
        roles=titles(roles.ROLES),
        permissions=tuple(
            Permission(str(ACTION_TITLES[action]), tuple(role in PERMISSIONS[action] for role in roles.ROLES))
            for action in Action
        ),
    )


def heirs(scope: Scope) -> tuple[tuple[str, str], ...]:
    """Whom the viewer may hand the organisation over to, as (value, title)."""
    team = [one.person for one in members.of(scope.id) if one.person != scope.viewer.person_id]
    named = people.names(team, scope.viewer)
    return tuple((str(person), named[person]) for person in team)
