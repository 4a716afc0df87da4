"""What somebody who opens the link of an invitation sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import members, organisations
from accounting.roles import Action, allows
from portal import invitations, people
from portal.models import User
from portal.titles import ACTION_TITLES, ROLE_TITLES

FAULTS = {
    "unknown": (
        404,
        gettext_lazy("No invitation has this link"),
        gettext_lazy(
            "Perhaps a part of it got lost, or a newer mail has another one. Open the link of the latest mail."
        ),
    ),
    "used": (
        410,
        gettext_lazy("This invitation was accepted already"),
        gettext_lazy("A link works once. If it was you, the organisation is in your menu; if not, ask for a new one."),
    ),
    "declined": (
        410,
        gettext_lazy("This invitation was declined"),
        gettext_lazy("Ask whoever invited you for a new one if that was a mistake."),
    ),
    "revoked": (
        410,
        gettext_lazy("This invitation was taken back"),
        gettext_lazy("Ask whoever invited you. They may have sent you another one."),
    ),
    "expired": (
        410,
        gettext_lazy("This invitation has expired"),
        gettext_lazy("Ask whoever invited you to send it again: that takes them one click."),
    ),
}
"""By reason: status, title, and what to do."""


@dataclass(frozen=True, slots=True)
class InvitationPage:
    """`member_as` is the role that the viewer has there already; "" when none. `pays`: the role's jobs are paid."""

    organisation: str
    inviter: str
    role: str
    may: tuple[str, ...]
    pays: bool
    expires_at: datetime
    viewer: str
    email: str
    member_as: str


@dataclass(frozen=True, slots=True)
class Fault:
    status: int
    title: str
    text: str


def page_of(token: str, viewer: User | None) -> InvitationPage:
    """:raises InvitationInvalid: it cannot be answered any more."""
    found = invitations.find(token)
    role = members.role_of(found.organisation_id, viewer.person_id) if viewer else None
    return InvitationPage(
        organisation=organisations.find_organisation(found.organisation_id).name,
        inviter=people.name_of(found.invited_by_id) or _("A member"),
        role=str(ROLE_TITLES[found.role]),
        may=_may(found.role),
        pays=allows(found.role, Action.RUN_JOBS),
        expires_at=found.expires_at,
        viewer=viewer.display_name if viewer else "",
        email=viewer.email if viewer else "",
        member_as=str(ROLE_TITLES[role]) if role else "",
    )


def fault_of(error: invitations.InvitationInvalid) -> Fault:
    status, title, text = FAULTS[error.extra["reason"]]
    return Fault(status, str(title), str(text))


def _may(role: str) -> tuple[str, ...]:
    return tuple(str(ACTION_TITLES[action]) for action in Action if allows(role, action))
