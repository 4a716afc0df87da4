"""From the provider's claims to a user: what is kept of them, and what they entitle to.

Claims are input from outside. Text is cleaned and cut to size, anything of another type counts as missing; only the
`sub` is never repaired.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from accounting import organisations, registry
from portal import egi
from portal.models import User

MAX_TEXT = 255
MAX_ENTITLEMENTS = 200


def is_subject(sub: object) -> bool:
    """Whether this can be a `sub`: 1 to 255 printable ASCII characters (OpenID Connect Core 2)."""
    return isinstance(sub, str) and 0 < len(sub) <= MAX_TEXT and sub.isascii() and sub.isprintable()


def store(issuer: str, sub: str, info: Mapping[str, Any]) -> User:
    """Bring the user of (issuer, sub), the plan and the staff right up to date with userinfo; make what is missing."""
    person = organisations.ensure_person(registry.normalise_issuer(issuer), sub)
    urns = egi.urns(info)[:MAX_ENTITLEMENTS]
    held = egi.read(urns)
    facts = {
        "voperson_id": _text(info.get("voperson_id")),
        "name": _text(info.get("name")),
        "email": _email(info.get("email")),
        "email_verified": info.get("email_verified") is True,
        "entitlements": list(urns),
        "erased_at": None,
        # Without a configured entitlement nobody is staff.
        "is_staff": bool(settings.STAFF_ENTITLEMENT) and egi.holds(held, settings.STAFF_ENTITLEMENT),
    }
    user, _ = User.objects.update_or_create(
        issuer=issuer, sub=sub, defaults=facts, create_defaults={**facts, "person_id": person.pk}
    )
    plan = egi.choose_plan(held, settings.PLANS_BY_ENTITLEMENT)
    organisations.set_plan(person.pk, plan or settings.DEFAULT_PLAN)
    return user


def _text(value: object) -> str:
    """One line of text without control, format (bidi, zero width) or surrogate characters."""
    if not isinstance(value, str):
        return ""
    kept = "".join(
        " " if character.isspace() else character
        for character in value[: 4 * MAX_TEXT]
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    return " ".join(kept.split())[:MAX_TEXT]


def _email(value: object) -> str:
    text = _text(value)
    return text if "@" in text and len(text) <= 254 and " " not in text else ""
