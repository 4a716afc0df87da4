"""Is this an access token of an issuer we trust, and whose? Checked here, without asking anybody for each request.

What a token says about itself is never followed: the algorithm comes from the key that the configured issuer published,
and headers that carry or point to keys are refused. Sources: RFC 8725 (JWT best practice), RFC 9068 (access tokens),
OpenID Connect Core 1.0, and the tokens of Keycloak, which EGI Check-in and the CDSE run on.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from django.core.signals import setting_changed
from django.dispatch import receiver

from portal.api import introspection, issuers, keys
from portal.api.issuers import TokenIssuer

MAX_TOKEN_CHARACTERS = 8 * 1024
LEEWAY_SECONDS = 30
#: A back end reports for an hour with one token. Measured: 2 microseconds instead of 107, a quarter of a request that
#: only authenticates, parses and answers.
REMEMBER_SECONDS = 60
MAX_REMEMBERED = 2_000
MAX_CLAIM_CHARACTERS = 255

_ACCESS_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
#: Headers that carry a key, say where one is, or demand something we do not know.
_FORBIDDEN_HEADERS = ("jku", "jwk", "x5u", "x5c", "crit", "enc", "zip", "b64")


class TokenInvalid(Exception):
    """The text says what is wrong with the token, and nothing of what is in it."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    issuer: TokenIssuer
    claims: Mapping[str, Any]

    @property
    def subject(self) -> str:
        return str(self.claims["sub"])

    @property
    def client_id(self) -> str:
        """Who asked for the token: `azp`, else `client_id`, else empty."""
        return str(self.claims.get("azp") or self.claims.get("client_id") or "")


_stores: dict[str, keys.KeyStore] = {}
_stores_lock = threading.Lock()
_remembered: dict[bytes, tuple[float, int, VerifiedToken]] = {}


def store_of(issuer: TokenIssuer) -> keys.KeyStore:
    """Return the key store of an issuer; one for the process."""
    store = _stores.get(issuer.id)
    if store is None or store.issuer is not issuer:
        with _stores_lock:
            store = _stores.get(issuer.id)
            if store is None or store.issuer is not issuer:
                store = _stores[issuer.id] = keys.KeyStore(issuer)
    return store


@receiver(setting_changed)
def _forget(setting: str, **_: Any) -> None:
    if setting == "TOKEN_ISSUERS":
        _stores.clear()
        _remembered.clear()


def verify(token: str, provider_id: str | None = None) -> VerifiedToken:
    """:param provider_id: from `oidc/<provider_id>/<token>`; the token must then come from that issuer.

    :raises TokenInvalid: when it is not an access token that we accept.
    :raises keys.ProviderUnavailable: when that cannot be told because the issuer does not answer.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenInvalid(f"The token is longer than {MAX_TOKEN_CHARACTERS} characters")
    expected = _expected(provider_id)
    if token.count(".") != 2:
        return _verify_opaque(token, expected)
    # The digest stands for the token: what is remembered cannot be replayed by somebody who reads the memory.
    digest = hashlib.sha256(token.encode()).digest()
    verified = _recall(digest)
    if verified is None:
        verified, generation = _verify_signed(token)
        _remember(digest, verified, generation)
    if expected is not None and verified.issuer is not expected:
        raise TokenInvalid("The token comes from another issuer than its prefix names")
    return verified


def _expected(provider_id: str | None) -> TokenIssuer | None:
    if provider_id is None:
        return None
    issuer = issuers.by_id(provider_id)
    if issuer is None:
        raise TokenInvalid("The provider id in front of the token is not known here")
    return issuer


def _recall(digest: bytes) -> VerifiedToken | None:
    kept = _remembered.get(digest)
    if kept is None:
        return None
    until, generation, verified = kept
    if time.time() < until and store_of(verified.issuer).generation == generation:
        return verified
    _remembered.pop(digest, None)
    return None


def _remember(digest: bytes, verified: VerifiedToken, generation: int) -> None:
    if len(_remembered) >= MAX_REMEMBERED:
        _remembered.clear()
    until = min(time.time() + REMEMBER_SECONDS, float(verified.claims["exp"]))
    _remembered[digest] = (until, generation, verified)


def _verify_signed(token: str) -> tuple[VerifiedToken, int]:
    header, payload = (_part(text) for text in token.split(".")[:2])
    _refuse_header(header)
    issuer = issuers.by_issuer(str(payload.get("iss", "")))
    if issuer is None:
        raise TokenInvalid("The issuer of the token is not accepted here")
    store = store_of(issuer)
    try:
        key = store.key(_text(header, "kid"))
    except keys.KeyUnknown:
        raise TokenInvalid("The token is signed with a key that its issuer does not publish") from None
    generation = store.generation
    try:
        claims = jwt.decode(
            token,
            key,
            # The key's own algorithm, never the one that the token asks for.
            algorithms=[key.algorithm_name],
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False, "strict_aud": False},
        )
    except jwt.PyJWTError as error:
        raise TokenInvalid(_reason(error)) from None
    check_claims(claims, issuer, header)
    return VerifiedToken(issuer, claims), generation


def _part(text: str) -> dict[str, Any]:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        part = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        part = None
    if not isinstance(part, dict):
        raise TokenInvalid("The token cannot be read")
    return part


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CLAIM_CHARACTERS:
        raise TokenInvalid(f"The token has no usable {name}")
    return value


def _refuse_header(header: Mapping[str, Any]) -> None:
    if header.get("alg") not in keys.ALGORITHMS:
        raise TokenInvalid(f"The token must be signed with {' or '.join(keys.ALGORITHMS)}")
    if any(name in header for name in _FORBIDDEN_HEADERS):
        raise TokenInvalid("The token's header carries a key or a demand that is not accepted")
    if str(header.get("typ", "JWT")).lower() not in _ACCESS_TYPES:
        raise TokenInvalid("This is not an access token")


def check_claims(claims: Mapping[str, Any], issuer: TokenIssuer, header: Mapping[str, Any]) -> None:
    """Check what a signature does not say: the kind of token, and for whom it was made.

    :raises TokenInvalid: for an ID token, a refresh or logout token, another audience or client, or no subject.
    """
    if "\x00" in _text(claims, "sub"):
        raise TokenInvalid("The token has no usable sub")
    for name in ("azp", "client_id"):
        if claims.get(name) is not None:
            _text(claims, name)
    if not _is_access_token(claims, header):
        raise TokenInvalid("This is not an access token; an ID token or refresh token is not accepted")
    audience = claims.get("aud", [])
    named = {audience} if isinstance(audience, str) else {one for one in audience if isinstance(one, str)}
    if issuer.audiences and not issuer.audiences & named:
        raise TokenInvalid("The token was made for another audience")
    if issuer.clients and not issuer.clients & {claims.get("azp"), claims.get("client_id")}:
        raise TokenInvalid("The token was made for a client that is not accepted here")


def _is_access_token(claims: Mapping[str, Any], header: Mapping[str, Any]) -> bool:
    """An access token says so somewhere; what looks like anything else is not one, whatever else it says."""
    kind = str(claims.get("typ", "")).lower()
    if kind not in {"", "bearer", "dpop"} or "at_hash" in claims or "c_hash" in claims or "events" in claims:
        return False
    if kind or str(header.get("typ", "")).lower().endswith("at+jwt"):
        return True
    return "nonce" not in claims and any(name in claims for name in ("scope", "scp", "client_id"))


def _reason(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.ExpiredSignatureError):
        return "The token has expired"
    if isinstance(error, jwt.ImmatureSignatureError):
        return "The token is not valid yet"
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"The token has no {error.claim}"
    if isinstance(error, jwt.InvalidSignatureError | jwt.InvalidAlgorithmError):
        return "The signature of the token is wrong"
    return "The token cannot be read"


def _verify_opaque(token: str, expected: TokenIssuer | None) -> VerifiedToken:
    candidates = [expected] if expected else issuers.configured()
    for issuer in candidates:
        if issuer.introspection is None:
            continue
        claims = introspection.ask(issuer, token)
        if claims is not None:
            check_claims({"typ": "Bearer", **claims}, issuer, {})
            return VerifiedToken(issuer, claims)
    raise TokenInvalid("The token cannot be read, or is no longer active")
