"""What the page of the script tokens shows: a page of them, and the one that was made just now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext as _

from accounting import organisations
from portal.api import script_tokens
from portal.contexts import cursors, profile
from portal.contexts.cursors import Place
from portal.contexts.tabs import Tab
from portal.models import ApiToken, User
from portal.once import Shown


@dataclass(frozen=True, slots=True)
class TokenRow:
    """`state` is working, expired or revoked; `ended` is when it stopped to work, or will."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    organisation: str
    created_at: datetime
    expires_at: datetime
    last_used_on: date | None
    state: str


@dataclass(frozen=True, slots=True)
class MadeToken:
    """Shown this once. `example` is a command that uses it."""

    name: str
    token: str
    expires_at: datetime
    example: str


@dataclass(frozen=True, slots=True)
class TokensPage:
    tabs: tuple[Tab, ...]
    tokens: tuple[TokenRow, ...]
    made: MadeToken | None
    older: str
    newer: str


def page_of(user: User, place: Place, shown: Shown | None) -> TokensPage:
    expired = ExpressionWrapper(Q(expires_at__lte=Now()), BooleanField())
    found = cursors.page(ApiToken.objects.filter(user=user).annotate(expired=expired), ("pk",), place)
    names = dict(places(user))
    return TokensPage(
        tabs=profile.tabs("profile-tokens"),
        tokens=tuple(_row(row, names) for row in found.rows),
        made=_made(user, shown) if shown else None,
        older=_address("after", found.after),
        newer=_address("before", found.before),
    )


def places(user: User) -> list[tuple[int, str]]:
    """The organisations that a token can be narrowed to, by number."""
    return [(one.organisation, one.name) for one in organisations.memberships(user.person_id)]


def _row(row: ApiToken, names: dict[int, str]) -> TokenRow:
    organisation = _("All of mine")
    if row.organisation_id is not None:
        organisation = names.get(row.organisation_id, _("One that you have left"))
    return TokenRow(
        id=row.pk,
        name=row.name,
        prefix=row.prefix,
        scopes=tuple(row.scopes),
        organisation=organisation,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_on=row.last_used_on,
        state="revoked" if row.revoked_at else "expired" if row.expired else "working",  # type: ignore[attr-defined]
    )


def _made(user: User, shown: Shown) -> MadeToken | None:
    row = ApiToken.objects.filter(pk=shown.number, user=user).first()
    if row is None:
        return None
    path = _EXAMPLES.get(row.scopes[0], "/api/v1/balance")
    example = f'curl -H "Authorization: Bearer $TOKEN" {settings.PUBLIC_URL}{path}'
    return MadeToken(row.name, script_tokens.text_of(shown.secret), row.expires_at, example)


_EXAMPLES = {
    "entries:read": "/api/v1/entries",
    "jobs:read": "/api/v1/jobs",
    "holds:read": "/api/v1/holds",
    "estimates:read": "/api/v1/estimates/calibration",
    "profile:read": "/api/v1/openeo/me",
}


def _address(name: str, place: str) -> str:
    return f"{reverse('profile-tokens')}?{urlencode({name: place})}" if place else ""
