"""The OpenID provider as the sign-in sees it: where its endpoints are, what they answer, and how they fail.

One issuer URL configures everything. Every failure is a `SignInError` with what to tell the person; its message is for
the log and never carries a token, a code or a claim's value.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import jwt
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from portal.api import fetching, keys
from portal.api.issuers import TokenIssuer

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

FRESH_SECONDS = 3600
STALE_SECONDS = 24 * 3600
"""How long a known discovery document serves while the provider cannot be asked."""
RETRY_SECONDS = 5
"""Pause after a failed question, so that a provider that is down does not hold every request for the time-out."""


class SignInError(Exception):
    """A sign-in that cannot go on, in words for the person in front of it."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str | _StrPromise]
    advice: ClassVar[str | _StrPromise]


class SignInCancelled(SignInError):
    """The person or the provider's policy said no."""

    code, status = "cancelled", 400
    title = _("You cancelled the sign-in")
    advice = _("Nothing was changed. Sign in again when you are ready.")


class StateUnknown(SignInError):
    """The callback does not belong to a sign-in that this browser began, or was used before."""

    code, status = "state", 400
    title = _("This sign-in has already been used or has expired")
    advice = _(
        "Each sign-in works once, within 15 minutes, and in the browser that began it. Start again from here. "
        "If it keeps happening, allow cookies for this site."
    )


class AccountClosed(SignInError):
    code, status = "closed", 403
    title = _("This account is closed")
    advice = _("You signed in correctly, but the account was closed here. Ask the operator of this site to reopen it.")


class AnswerInvalid(SignInError):
    """The provider answered something that must not be believed."""

    code, status = "answer", 502
    title = _("Your identity could not be confirmed")
    advice = _(
        "The identity provider sent an answer that did not pass our checks, so nobody was signed in. Try again; "
        "if it happens twice, send the reference below to the operator of this site."
    )


class ProviderRefused(SignInError):
    """The provider refused us, not the person: usually a wrong configuration or a code used twice."""

    code, status = "refused", 502
    title = _("The identity provider refused this sign-in")
    advice = _(
        "It did not accept the request of this site. Try again; if it happens twice, send the reference below to "
        "the operator of this site."
    )


class ProviderUnavailable(SignInError):
    """No answer, or a fault of theirs."""

    code, status = "unavailable", 503
    title = _("The identity provider does not answer")
    advice = _("You cannot sign in until it is back, usually within minutes. Jobs keep running and nothing is lost.")


_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the provider says about itself."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    end_session_endpoint: str


_known: dict[str, tuple[float, Discovery]] = {}
_failed: dict[str, float] = {}
_stores: dict[tuple[str, str], keys.KeyStore] = {}


def refusal(error: str) -> SignInError:
    """The fault behind an `error` of the authorisation endpoint (OAuth 2.0, RFC 6749 4.1.2.1)."""
    if error in ("server_error", "temporarily_unavailable"):
        return ProviderUnavailable(f"the authorisation endpoint answered {error}")
    readable = error.isascii() and error.replace("_", "").isalpha() and len(error) < 40
    return ProviderRefused(f"the authorisation endpoint answered {error if readable else 'an unknown error'}")


def exchange(form: Mapping[str, str]) -> dict[str, Any]:
    """Ask the token endpoint. :raises SignInError: unless it answers 200 with an object."""
    endpoint = discover().token_endpoint
    return _ask(lambda: fetching.post_form(endpoint, form))


def userinfo(access_token: str) -> dict[str, Any]:
    """Ask for the claims. :raises SignInError: unless it answers 200 with an object."""
    endpoint = discover().userinfo_endpoint
    return _ask(lambda: fetching.get_json(endpoint, access_token))


def signing_key(token: str) -> jwt.PyJWK:
    """The provider's key that the token says it is signed with.

    :raises SignInError: when the token names none that the provider publishes, or the keys cannot be had.
    """
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        if not isinstance(key_id, str):
            raise AnswerInvalid("the ID token names no key (kid)")
        return _store().key(key_id)
    except jwt.PyJWTError as fault:
        raise AnswerInvalid("the ID token cannot be read") from fault
    except keys.KeyUnknown as fault:
        raise AnswerInvalid("the ID token is signed with an unknown key") from fault
    except keys.ProviderUnavailable as fault:
        raise ProviderUnavailable("the keys cannot be had") from fault


def forget() -> None:
    """Forget what the provider said, as a new process would."""
    with _lock:
        _known.clear()
        _failed.clear()
        _stores.clear()


def _store() -> keys.KeyStore:
    """The key store of the sign-in's issuer; what it learns is shared with the APIs through the cache."""
    name = (settings.OIDC_ISSUER, discover().jwks_uri)
    with _lock:
        if name not in _stores:
            issuer, jwks_uri = name
            _stores[name] = keys.KeyStore(TokenIssuer("sign-in", issuer.rstrip("/"), "sign-in", jwks_uri=jwks_uri))
        return _stores[name]


def discover() -> Discovery:
    """The provider's endpoints; a document of up to a day ago while it cannot be asked.

    :raises SignInError: when nothing is known and it does not answer properly.
    """
    issuer, now = settings.OIDC_ISSUER, time.monotonic()
    fetched_at, document = _known.get(issuer, (-STALE_SECONDS, None))
    if document and now - fetched_at < FRESH_SECONDS:
        return document
    try:
        if now - _failed.get(issuer, -RETRY_SECONDS) < RETRY_SECONDS:
            raise ProviderUnavailable("the provider did not answer a moment ago")
        document = _fetch_discovery(issuer)
    except SignInError:
        if document and now - fetched_at < STALE_SECONDS:
            return document
        raise
    with _lock:
        _known[issuer] = (now, document)
    return document


def _fetch_discovery(issuer: str) -> Discovery:
    try:
        answer = _ask(lambda: fetching.get_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    except SignInError:
        with _lock:
            _failed[issuer] = time.monotonic()
        raise
    # Exactly: an ID token must carry this text, so another spelling would only fail later.
    if answer.get("issuer") != issuer:
        raise AnswerInvalid("the discovery document is another issuer's")
    urls = {field.name: answer.get(field.name) or "" for field in fields(Discovery)}
    for name, url in urls.items():
        optional = name == "end_session_endpoint" and url == ""
        if not optional and not (isinstance(url, str) and url.startswith(("https://", "http://"))):
            raise AnswerInvalid(f"the discovery document has no {name}")
    return Discovery(**urls)


def _ask(question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Ask, and sort what can go wrong: nobody there, a fault of theirs, a refusal, an answer that makes no sense."""
    try:
        return question()
    except fetching.FetchFailed as fault:
        if fault.status is None or fault.status >= 500 or fault.status == 429:
            raise ProviderUnavailable(str(fault)) from fault
        if fault.status == 200:
            raise AnswerInvalid(str(fault)) from fault
        raise ProviderRefused(str(fault)) from fault
