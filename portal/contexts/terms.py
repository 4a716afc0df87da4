"""What the page of the terms of use shows, and whether a person has to see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from accounting import organisations
from portal.models import User


@dataclass(frozen=True, slots=True)
class TermsPage:
    """`version` is required now; `accepted_at` is None until the person has accepted it. `earlier` is the version that
    they had accepted before, `changed` that another one came into force while the form was open.
    """

    version: str
    href: str
    accepted_at: datetime | None
    earlier: str
    changed: bool


def page_of(user: User, *, changed: bool = False) -> TermsPage:
    accepted, at = organisations.accepted_terms(user.person_id)
    current = accepted == settings.TERMS_VERSION
    return TermsPage(
        version=settings.TERMS_VERSION,
        href=settings.TERMS_URL,
        accepted_at=at if current else None,
        earlier="" if current else accepted,
        changed=changed,
    )


def are_due(user: User) -> bool:
    """Whether a version is required that the person has not accepted."""
    return bool(settings.TERMS_VERSION) and organisations.accepted_terms(user.person_id)[0] != settings.TERMS_VERSION
