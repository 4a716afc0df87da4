"""What people are called on pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.utils.translation import gettext_lazy

from portal.models import User

YOU = gettext_lazy("You")
UNKNOWN = gettext_lazy("Somebody who has not signed in yet")


def names(persons: Collection[int], viewer: User) -> Mapping[int, str]:
    """What the viewer calls each person; one query, none when it is the viewer alone."""
    others = {person for person in persons if person != viewer.person_id}
    users = {user.person_id: user for user in User.objects.filter(person_id__in=others)} if others else {}
    known = {person: users[person].display_name if person in users else str(UNKNOWN) for person in others}
    return {viewer.person_id: str(YOU)} | known
