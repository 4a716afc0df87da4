"""What a link of a mail stops."""

from __future__ import annotations

from portal.mail import addressing
from portal.mail.links import LinkInvalid, Wish
from portal.mail.links import read as read_link
from portal.models import User
from portal.notifications import preferences
from portal.notifications.kinds import DAILY, KINDS

DIGEST = "digest"
"""The kind of the daily mail itself: stopping it stops every kind that comes daily."""


def read(token: str) -> Wish:
    """:raises LinkInvalid: the link was not made here."""
    wish = read_link(token)
    if wish.kind not in KINDS and wish.kind != DIGEST:
        raise LinkInvalid("there is no such kind of mail")
    return wish


def carry_out(wish: Wish) -> None:
    """Idempotent; for an account that is gone there is nothing to do."""
    if wish.user is None:
        addressing.refuse(wish.of_address, wish.kind)
        return
    user = User.objects.filter(pk=wish.user).first()
    if user is None:
        return
    daily = [one.kind for one in preferences.of_user(user).values() if one.mail == DAILY]
    for kind in daily if wish.kind == DIGEST else [wish.kind]:
        preferences.stop_mail(user, kind)
