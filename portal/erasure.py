"""Erasing what is personal (GDPR article 17). The ledger keeps (issuer, sub) and what was booked: decision 0017.

The row of the user stays, emptied, so that what refers to it finds somebody without a name. Everything that belongs to
the user (a foreign key with CASCADE) is deleted without being named here; what has to stay is named in KEPT.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounting import erasure
from accounting.erasure import Outlook
from accounting.errors import ErasureBlocked
from portal import logs
from portal.mail_rows import Mail
from portal.models import Invitation, User

KEPT: dict[str, str] = {
    "admin.LogEntry": "what staff changed is evidence; it names the number of the user and of the row",
}
"""Models with a row a user that erasure does not delete, and why."""

#: Parts of the site that keep something about a person elsewhere: called in the transaction, with the user as it was.
MORE: list[Callable[[User], None]] = []


def outlook(user: User) -> Outlook:
    """What stands in the way and what would be given up."""
    return erasure.outlook(user.person_id)


def erase(user: User, *, given_up: int = 0) -> bool:
    """Erase what is personal, in one transaction; False when that was done before.

    :param given_up: micro-credits that the person agreed to give up; more than these are none of theirs to lose.
    :raises ErasureBlocked: nothing was erased: holds are open, an organisation would be left without an owner, or more
        credits would be given up than the person saw.
    """
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        if row.erased_at is not None:
            return False
        if erasure.outlook(row.person_id).credits > given_up:
            raise ErasureBlocked("there are more credits now than were agreed to be given up")
        erasure.erase(row.person_id)
        for more in MORE:
            more(row)
        _forget_addresses(row)
        for rows in owned(row):
            rows.delete()
        _end_sessions(row)
        User.objects.filter(pk=row.pk).update(
            voperson_id="",
            name="",
            email="",
            email_verified=False,
            entitlements=[],
            is_staff=False,
            language="",
            time_zone="",
            last_login=None,
            erased_at=Now(),
        )
    logs.event("erased", user=user.pk)
    return True


def _forget_addresses(user: User) -> None:
    """Invitations that the person accepted, and what was sent to their address before they had an account."""
    theirs = Q(accepted_by=user.person_id)
    if user.email:
        theirs |= Q(email__iexact=user.email)
    invited = Invitation.objects.filter(theirs)
    for address in {user.email, *invited.values_list("email", flat=True)} - {""}:
        Mail.objects.filter(address__iexact=address).delete()
    invited.delete()


def owned(user: User) -> list[models.QuerySet[Any]]:
    """The rows that go with the user."""
    return [
        relation.related_model._base_manager.filter(**{relation.field.name: user})  # noqa: SLF001  # Django's own
        for relation in relations()
        if relation.on_delete is models.CASCADE and relation.related_model._meta.label not in KEPT  # noqa: SLF001
    ]


def relations() -> list[Any]:
    """Everything that points to a user, also what has no name to be asked by (`related_name="+"`)."""
    fields = User._meta.get_fields(include_hidden=True)  # noqa: SLF001
    return [field for field in fields if field.auto_created and not field.concrete]


def _end_sessions(user: User) -> None:
    """In every browser. Sessions have no index by person; there are as many as people were here lately."""
    mine = [
        session.pk
        for session in Session.objects.iterator(chunk_size=500)
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    Session.objects.filter(pk__in=mine).delete()
