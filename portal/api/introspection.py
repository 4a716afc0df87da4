"""Opaque tokens: the issuer is asked what they are (RFC 7662). Answers are kept for a minute, refusals for ten seconds.

Only issuers that are configured with credentials are asked. At most `CONCURRENT` questions run at once in a process, so
that a flood of invented tokens cannot occupy every thread; who comes then is asked to come back.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from typing import Any

from portal.api import fetching, keys
from portal.api.issuers import Introspection, TokenIssuer, comparable

ACTIVE_SECONDS = 60
INACTIVE_SECONDS = 10
MAX_KEPT = 2_000
CONCURRENT = 4

_kept: dict[tuple[str, bytes], tuple[float, Mapping[str, Any] | None]] = {}
_endpoints: dict[str, str] = {}
_turns = threading.BoundedSemaphore(CONCURRENT)


def ask(issuer: TokenIssuer, token: str) -> Mapping[str, Any] | None:
    """Return the claims of an active token of this issuer, None for any other.

    :raises keys.ProviderUnavailable: when the issuer does not answer or too many wait for it.
    """
    credentials = issuer.introspection
    if credentials is None:
        return None
    name = (issuer.id, hashlib.sha256(token.encode()).digest())
    until, claims = _kept.get(name, (0.0, None))
    if time.time() < until:
        return claims
    if not _turns.acquire(blocking=False):
        raise keys.ProviderUnavailable
    try:
        claims = _active_claims(issuer, _answer(issuer, credentials, token))
    except fetching.FetchFailed as error:
        raise keys.ProviderUnavailable from error
    finally:
        _turns.release()
    _keep(name, claims)
    return claims


def _answer(issuer: TokenIssuer, credentials: Introspection, token: str) -> dict[str, Any]:
    endpoint = credentials.endpoint or _endpoints.get(issuer.issuer)
    if not endpoint:
        endpoint = str(keys.discover(issuer.issuer).get("introspection_endpoint") or "")
        if not endpoint:
            raise fetching.FetchFailed(f"{issuer.issuer} names no introspection endpoint")
        _endpoints[issuer.issuer] = endpoint
    form = {"token": token, "token_type_hint": "access_token"}
    return fetching.post_form(endpoint, form, (credentials.client_id, credentials.client_secret))


def _active_claims(issuer: TokenIssuer, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if answer.get("active") is not True or not isinstance(answer.get("sub"), str):
        return None
    if "iss" in answer and comparable(str(answer["iss"])) != comparable(issuer.issuer):
        return None
    expires_at = answer.get("exp")
    if isinstance(expires_at, int | float) and expires_at < time.time():
        return None
    return answer


def _keep(name: tuple[str, bytes], claims: Mapping[str, Any] | None) -> None:
    if len(_kept) >= MAX_KEPT:
        _kept.clear()
    until = time.time() + (ACTIVE_SECONDS if claims is not None else INACTIVE_SECONDS)
    expires_at = (claims or {}).get("exp")
    _kept[name] = (min(until, float(expires_at)) if isinstance(expires_at, int | float) else until, claims)
