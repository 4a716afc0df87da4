"""Invitations to an organisation by e-mail: single use, expiring, and kept as a link only until the mail is sent.

Who has the link may accept, whatever address it was sent to: people sign in with another one than they read. What
becomes of an invitation is decided under its row's lock, and written with the audit entry of the organisation.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounting import audit, members, organisations
from accounting.audit import Change
from accounting.errors import DomainError, MembershipInvalid, NotFound, NotPermitted
from accounting.roles import Action, assignable
from portal import logs, mail, people
from portal.models import Invitation

if TYPE_CHECKING:
    from django.db.models import QuerySet

MOST_OPEN = 100
"""That an organisation may have waiting, so that it cannot be used to send mail to the world."""


class InvitationInvalid(DomainError):
    """`extra["reason"]`: `invited` (already), `too_many`, `unknown`, `used`, `expired`, `revoked` or `declined`."""

    code, status, title = "invitation_invalid", 409, "The invitation cannot be used so"


@dataclass(frozen=True, slots=True)
class Made:
    """An invitation and the link to it, which nobody can show again. `sent`: a mail with it is on its way."""

    invitation: Invitation
    link: str
    sent: bool


def open_ones(organisation: int) -> Sequence[Invitation]:
    """Those that nobody answered or revoked, the newest first; expired ones too, which can be sent again."""
    rows = Invitation.objects.filter(organisation_id=organisation, **_UNANSWERED).order_by("-pk")
    return list(rows[:MOST_OPEN])


_UNANSWERED = {"accepted_at": None, "declined_at": None, "revoked_at": None}


def invite(organisation: int, email: str, role: str, *, actor: int) -> Made:
    """Writes the invitation and the mail; the link can also be given by hand.

    :raises NotFound, NotPermitted: the actor may not invite, or not to that role.
    :raises MembershipInvalid: a personal or closed organisation. :raises InvitationInvalid: `invited`, `too_many`.
    """
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        found = members.lock(organisation)
        if found.personal or found.closed_at:
            raise MembershipInvalid("a personal or closed organisation takes no members")
        _check_role(organisation, actor, role)
        waiting = Invitation.objects.filter(organisation_id=organisation, **_UNANSWERED)
        if waiting.filter(email__iexact=email).exists():
            raise InvitationInvalid("this address is invited already", field="email", reason="invited")
        if waiting.count() >= MOST_OPEN:
            raise InvitationInvalid("too many invitations wait", field="email", reason="too_many")
        made = Invitation.objects.create(
            organisation_id=organisation,
            email=email,
            role=role,
            token_hash=_hash(token),
            invited_by_id=actor,
            expires_at=timezone.now() + lifetime(),
        )
        audit.record(organisation, Change.INVITED, actor, {"invitation": made.pk, "role": role})
    return _send(made, token)


def resend(organisation: int, invitation: int, *, actor: int) -> Made:
    """A new link, which lives anew; the one before opens nothing any more.

    :raises NotFound, NotPermitted: no such open invitation, or the actor may not invite to that role.
    """
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        found = _lock(organisation, invitation, actor)
        found.token_hash, found.expires_at, found.sent_at = _hash(token), timezone.now() + lifetime(), None
        found.save(update_fields=["token_hash", "expires_at", "sent_at"])
        audit.record(organisation, Change.INVITED_AGAIN, actor, {"invitation": found.pk, "role": found.role})
    return _send(found, token)


def revoke(organisation: int, invitation: int, *, actor: int) -> None:
    """:raises NotFound, NotPermitted: no such open invitation, or the actor may not invite to that role."""
    with transaction.atomic():
        found = _lock(organisation, invitation, actor)
        Invitation.objects.filter(pk=found.pk).update(revoked_at=Now())
        audit.record(organisation, Change.INVITATION_REVOKED, actor, {"invitation": found.pk, "role": found.role})


def find(token: str) -> Invitation:
    """The invitation that the link opens. :raises InvitationInvalid: why it cannot be answered any more."""
    found = Invitation.objects.filter(token_hash=_hash(token)).first()
    if found is None:
        raise InvitationInvalid("no invitation has this link", reason="unknown")
    _check_open(found)
    return found


def accept(token: str, person: int) -> int:
    """Makes the person a member; of several who accept at once, one. Returns the organisation.

    :raises InvitationInvalid: it cannot be used any more. :raises MembershipInvalid: a member already, or the
        organisation was closed; the invitation stays as it is.
    """
    with transaction.atomic():
        found = _answer(token)
        members.join(found.organisation_id, person, found.role, invitation=found.pk)
        Invitation.objects.filter(pk=found.pk).update(accepted_at=Now(), accepted_by=person)
    return found.organisation_id


def decline(token: str, person: int) -> None:
    """:raises InvitationInvalid: it cannot be used any more."""
    with transaction.atomic():
        found = _answer(token)
        Invitation.objects.filter(pk=found.pk).update(declined_at=Now())
        facts = {"invitation": found.pk, "role": found.role}
        audit.record(found.organisation_id, Change.INVITATION_DECLINED, person, facts)


def lifetime() -> timedelta:
    return timedelta(days=settings.INVITATION_DAYS)


def send_invitation(invitation: Invitation, link: str) -> bool:
    """By e-mail, in the language of whoever invites; False when the address wants no invitations, or is none.

    A worker sends it and tries again when the server is away; once it is sent the mail keeps the link no more.
    """
    organisation = organisations.find_organisation(invitation.organisation_id)
    facts = {
        "organisation": organisation.name,
        "inviter": people.name_of(invitation.invited_by_id) or _("A member"),
        "role": invitation.role,
        "link": link,
        "expires_at": invitation.expires_at,
    }
    cause = f"invitation {invitation.pk} {invitation.token_hash[:16]}"
    return mail.queue(invitation.email, "invitation", cause, facts, language=get_language() or "")


def _send(made: Invitation, token: str) -> Made:
    link = settings.PUBLIC_URL + reverse("invitation", args=[token])
    if not send_invitation(made, link):
        logs.warning("invitation_not_sent", invitation=made.pk)
        return Made(made, link, sent=False)
    Invitation.objects.filter(pk=made.pk).update(sent_at=Now())
    return Made(made, link, sent=True)


def _lock(organisation: int, invitation: int, actor: int) -> Invitation:
    members.lock(organisation)
    rows: QuerySet[Invitation] = Invitation.objects.select_for_update(no_key=True)
    found = rows.filter(pk=invitation, organisation_id=organisation, **_UNANSWERED).first()
    members.require(organisation, actor, Action.MANAGE_MEMBERS)
    if found is None:
        raise NotFound("there is no such open invitation", field="invitation")
    _check_role(organisation, actor, found.role)
    return found


def _answer(token: str) -> Invitation:
    """The invitation, locked after its organisation, as all that changes one does."""
    organisation = find(token).organisation_id
    members.lock(organisation)
    found = Invitation.objects.select_for_update(no_key=True).filter(token_hash=_hash(token)).first()
    if found is None:
        raise InvitationInvalid("another link was sent meanwhile", reason="unknown")
    _check_open(found)
    return found


def _check_role(organisation: int, actor: int, role: str) -> None:
    mine = members.require(organisation, actor, Action.MANAGE_MEMBERS)
    if role not in assignable(mine):
        raise NotPermitted(f"a {mine} may not invite to the role {role}", role=mine, needed=["owner"])


def _check_open(found: Invitation) -> None:
    states = (
        ("used", found.accepted_at is not None),
        ("declined", found.declined_at is not None),
        ("revoked", found.revoked_at is not None),
        ("expired", found.expires_at <= timezone.now()),
    )
    for reason, applies in states:
        if applies:
            raise InvitationInvalid(f"the invitation is {reason}", reason=reason)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
