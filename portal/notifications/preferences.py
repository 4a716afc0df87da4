"""What a person wants to hear of, and how: their choice for a kind, else its defaults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction

from accounting.fields import DatabaseNow
from portal.mail_rows import NoticePreference
from portal.models import User
from portal.notifications.kinds import KINDS, OFF, Kind


@dataclass(frozen=True, slots=True)
class Choice:
    """`portal`: new ones count as unread. `mail`: off, now or daily."""

    kind: str
    portal: bool
    mail: str


def default(kind: Kind) -> Choice:
    return Choice(kind.key, kind.portal, kind.mail)


def of_users(users: Collection[int]) -> Mapping[int, Mapping[str, Choice]]:
    """The choices of each of the users (primary keys), complete with defaults; one query."""
    chosen: dict[int, dict[str, Choice]] = defaultdict(dict)
    for row in NoticePreference.objects.filter(user_id__in=users):
        if row.kind in KINDS:
            chosen[row.user_id][row.kind] = _allowed(Choice(row.kind, row.portal, row.mail))
    return {user: {kind.key: chosen[user].get(kind.key, default(kind)) for kind in KINDS.values()} for user in users}


def of_user(user: User) -> Mapping[str, Choice]:
    return of_users([user.pk])[user.pk]


def choose(user: User, choices: Iterable[Choice]) -> None:
    """Idempotent. What equals the default of its kind is kept as a choice all the same: defaults may change."""
    known = of_user(user)
    changed = [one for one in map(_allowed, choices) if one != known[one.kind]]
    with transaction.atomic():
        for one in changed:
            said = {"portal": one.portal, "mail": one.mail}
            if not wants_any(known[one.kind]):
                said["since"] = DatabaseNow()  # receipts begin with the wish for them, not with the last wish
            NoticePreference.objects.update_or_create(user=user, kind=one.kind, defaults=said)


def wants_any(choice: Choice) -> bool:
    return choice.portal or choice.mail != OFF


def stop_mail(user: User, kind: str) -> None:
    """No more mails of this kind to the user; what they see in the portal stays."""
    choose(user, [Choice(kind, of_user(user)[kind].portal, OFF)])


def _allowed(choice: Choice) -> Choice:
    """A grave kind is always shown."""
    return Choice(choice.kind, choice.portal or KINDS[choice.kind].grave, choice.mail)
