"""The organisation that a page is about, and what its viewer may do in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from accounting import members, organisations, roles
from accounting.roles import Action
from portal.contexts.tabs import Tab
from portal.models import User
from portal.titles import ROLE_TITLES

_FOR_TEAMS = frozenset({Action.MANAGE_MEMBERS, Action.RENAME, Action.HAND_OVER, Action.CLOSE})
"""What makes no sense for an organisation of one person."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`may` says by the action's name what the viewer may do here; nothing but look in a closed organisation."""

    id: int
    name: str
    role: str
    personal: bool
    closed: bool
    suspended: bool
    viewer: User
    may: Mapping[str, bool]

    @property
    def role_title(self) -> str:
        return str(ROLE_TITLES[self.role])

    def tabs(self, here: str) -> tuple[Tab, ...]:
        """The pages about it; `here` is the name of the one that is shown."""
        pages = (
            ("organisation", _("Overview")),
            ("organisation-members", _("Members")),
            ("organisation-projects", _("Projects")),
            ("organisation-limits", _("Limits")),
            ("organisation-transfers", _("Transfers")),
            ("organisation-audit", _("Audit log")),
        )
        return tuple(Tab(title, reverse(name), name == here) for name, title in pages)


def scope_of(user: User, organisation: int) -> Scope:
    """:raises NotFound: there is no such organisation, or the user is no member."""
    found = organisations.find_organisation(organisation)
    role = members.require(organisation, user.person_id, Action.SEE)
    closed = found.closed_at is not None
    barred = (_FOR_TEAMS if found.personal else frozenset()) | (set(Action) - {Action.SEE} if closed else set())
    return Scope(
        id=organisation,
        name=found.name,
        role=role,
        personal=found.personal,
        closed=closed,
        suspended=found.suspended_at is not None,
        viewer=user,
        may={action.value: roles.allows(role, action) and action not in barred for action in Action},
    )


def titles(allowed: Sequence[str]) -> tuple[str, ...]:
    """Roles in words, the highest first."""
    return tuple(str(ROLE_TITLES[role]) for role in roles.ROLES if role in allowed)
