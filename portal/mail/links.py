"""Signed links that stop a kind of mail without a sign-in, with one click (RFC 8058)."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.urls import reverse

from portal.mail import addressing
from portal.models import User

SALT = "portal.mail.links"
MOST = 500
"""Longer tokens were not made here, and are not looked at further."""


class LinkInvalid(ValueError):
    """The link was not made here, or altered."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`user` is the primary key of somebody with an account, else `of_address` the digest of an address."""

    kind: str
    user: int | None = None
    of_address: str = ""


def absolute(path: str) -> str:
    """The address of a page of ours, for reading elsewhere."""
    return path if path.startswith(("https://", "http://")) else settings.PUBLIC_URL + path


def stop_link(kind: str, *, user: User | None = None, address: str = "") -> str:
    """The address that stops mails of this kind to the user, or to an address. It works for ever, as old mails do."""
    wish = {"k": kind, "u": user.pk} if user else {"k": kind, "a": addressing.digest(address)}
    return absolute(reverse("unsubscribe", args=[signing.dumps(wish, salt=SALT)]))


def read(token: str) -> Wish:
    """:raises LinkInvalid: the link was not made here."""
    try:
        said = signing.loads(token[: MOST + 1], salt=SALT)
        return Wish(said["k"], said.get("u"), said.get("a", ""))
    except (signing.BadSignature, ValueError, KeyError, TypeError, AttributeError):
        raise LinkInvalid("the link is not complete") from None
