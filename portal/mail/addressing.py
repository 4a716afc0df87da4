"""Who may be mailed: people who signed in, at the address that their provider has verified, and those invited."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from portal.mail_rows import MailRefusal
from portal.models import User

PLAIN = re.compile(r"[^\s@<>(),;:\\\"\x00-\x1f\x7f]{1,64}@[a-z0-9.-]{1,189}", re.IGNORECASE | re.ASCII)
"""What an SMTP server is told to deliver to: nothing that could end a line or name a second address."""


def address_of(user: User) -> str:
    """Where the user can be reached; empty: nowhere, because nobody vouches for the address or they are gone."""
    if not (user.is_active and user.email_verified and PLAIN.fullmatch(user.email)):
        return ""
    return user.email


def is_address(text: str) -> bool:
    return len(text) <= 254 and PLAIN.fullmatch(text) is not None


def digest(address: str) -> str:
    """What is kept of an address that wants no mail: enough to know it again, not to read it."""
    return hmac.new(b"openeo-credits mail refusal", address.strip().lower().encode(), sha256).hexdigest()


def refused(address: str, kind: str) -> bool:
    return MailRefusal.objects.filter(digest=digest(address), kind=kind).exists()


def refuse(of_address: str, kind: str) -> None:
    """:param of_address: the digest of the address."""
    MailRefusal.objects.get_or_create(digest=of_address, kind=kind)
