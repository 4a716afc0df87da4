"""Tokens that people make for their scripts: `oec_` and 49 letters and digits, shown once and kept as a digest.

The first 43 characters after the prefix are 256 random bits, the last six a checksum, so that a secret scanner can tell
a leaked token from text that looks like one without asking us, and a mistyped one costs no question to the database.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now, TruncDate

from portal.models import ApiToken, User

PREFIX = "oec_"
MOST_TOKENS = 20
"""Of one person that work; more are a sign of tokens that nobody looks after."""
DAYS = (30, 90, 365)
SECRET_BYTES = 32
_SECRET, _CHECKSUM = 43, 6
_SHOWN = 4
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(rf"oec_[0-9A-Za-z]{{{_SECRET + _CHECKSUM}}}", re.ASCII)


class ScriptTokenInvalid(Exception):
    """The text says what is wrong with the token, and nothing of what is in it."""


class TooManyTokens(Exception):
    """The person has as many working tokens as one may have."""


@dataclass(frozen=True, slots=True)
class ScriptToken:
    """A token that works, and whose."""

    pk: int
    issuer: str
    sub: str
    scopes: tuple[str, ...]
    organisation: int | None


def text_of(secret: bytes) -> str:
    """The token that carries these 32 random bytes."""
    body = PREFIX + _written(int.from_bytes(secret), _SECRET)
    return body + _checksum(body)


def create(
    user: User, name: str, scopes: Sequence[str], days: int, organisation: int | None = None
) -> tuple[ApiToken, bytes]:
    """Make a token that works for so many days. Returns its row and the secret, which is kept nowhere (`text_of`).

    :raises TooManyTokens: after MOST_TOKENS that work.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    token = text_of(secret)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if working(user) >= MOST_TOKENS:
            raise TooManyTokens
        row = ApiToken.objects.create(
            user=user,
            name=name,
            prefix=token[: len(PREFIX) + _SHOWN],
            digest=_digest(token),
            scopes=list(scopes),
            organisation_id=organisation,
            expires_at=Now() + timedelta(days=days),
        )
    row.refresh_from_db()
    return row, secret


def working(user: User) -> int:
    """How many tokens of the person work now, by the database's clock."""
    return ApiToken.objects.filter(user=user, revoked_at__isnull=True, expires_at__gt=Now()).count()


def revoke(user: User, pk: int) -> ApiToken | None:
    """End one of the person's tokens from now on; None when there is no such one. Again: nothing changes."""
    ApiToken.objects.filter(pk=pk, user=user, revoked_at__isnull=True).update(revoked_at=Now())
    return ApiToken.objects.filter(pk=pk, user=user).first()


def looks_like_one(text: str) -> bool:
    """Whether it must never be shown to anybody else, such as an identity provider that could be asked about it."""
    return text.startswith(PREFIX)


def verify(token: str) -> ScriptToken:
    """Whose token it is. Time, revocation and account are judged by the database, in one question.

    :raises ScriptTokenInvalid: when it does not work (any more).
    """
    if not _TOKEN.fullmatch(token) or not hmac.compare_digest(_checksum(token[:-_CHECKSUM]), token[-_CHECKSUM:]):
        raise ScriptTokenInvalid("This is no script token of ours: it is mistyped or cut off")
    digest = _digest(token)
    # The index compares digests: how long that takes says something about a digest, and nothing about a token.
    row = (
        ApiToken.objects.select_related("user")
        .annotate(expired=ExpressionWrapper(Q(expires_at__lte=Now()), BooleanField()))
        .annotate(today=TruncDate(Now(), tzinfo=UTC))
        .filter(digest=digest)
        .first()
    )
    if row is None or not hmac.compare_digest(row.digest, digest):
        raise ScriptTokenInvalid("There is no such script token")
    if row.revoked_at is not None:
        raise ScriptTokenInvalid(f"This script token was revoked on {_day(row.revoked_at)}")
    if row.expired:
        raise ScriptTokenInvalid(f"This script token expired on {_day(row.expires_at)}; make a new one")
    if not row.user.is_active:
        raise ScriptTokenInvalid("The account that this script token belongs to is closed")
    _note_use(row, row.today)
    return ScriptToken(row.pk, row.user.issuer, row.user.sub, tuple(row.scopes), row.organisation_id)


def _note_use(row: ApiToken, today: date) -> None:
    """The day is enough to find tokens that nobody uses, and costs one write a day."""
    if row.last_used_on is None or row.last_used_on < today:
        unnoted = Q(last_used_on__isnull=True) | Q(last_used_on__lt=today)
        ApiToken.objects.filter(unnoted, pk=row.pk).update(last_used_on=today)


def _day(instant: datetime) -> str:
    return instant.astimezone(UTC).date().isoformat()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _checksum(body: str) -> str:
    return _written(zlib.crc32(body.encode()), _CHECKSUM)


def _written(number: int, length: int) -> str:
    """In base 62, with leading zeros."""
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
