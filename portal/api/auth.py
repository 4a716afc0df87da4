"""Who calls: a back end's registered client, a person, or a script of a person's, from a bearer token."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounting import registry
from accounting.principals import PersonPrincipal, Principal, ServicePrincipal
from accounting.registry import RegisteredClient
from portal.api import keys, scopes, script_tokens, shared, tokens
from portal.api.script_tokens import ScriptToken
from portal.api.tokens import VerifiedToken

#: Seconds that a client's registration is believed; switching one off takes that long at most.
CLIENT_SECONDS = 5.0
MAX_CLIENTS = 1_000
#: How often one script token that does not work is looked up a minute: a forgotten script must not keep the database
#: busy. It is counted by token, so that it keeps back nobody else behind the same address.
MAX_WRONG_TOKENS = 20
WRONG_TOKENS_SECONDS = 60

_clients: dict[tuple[str, str], tuple[float, RegisteredClient | None]] = {}


class ProviderUnavailable(APIException):
    """The token may be good; nobody can tell now."""

    status_code = 503
    default_code = "provider_unavailable"
    default_detail = "The identity provider does not answer, so the token cannot be checked. Try again in a moment."
    wait = 5


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>` and openEO's `Bearer oidc/<provider id>/<token>`; script tokens in the first."""

    def authenticate(self, request: Request) -> tuple[Principal, VerifiedToken | ScriptToken] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        provider_id, token = read_header(header)
        if script_tokens.looks_like_one(token):
            return _script(request, provider_id, token)
        try:
            verified = tokens.verify(token, provider_id)
        except tokens.TokenInvalid as error:
            raise AuthenticationFailed(f"{error}.", code="token_invalid") from None
        except keys.ProviderUnavailable:
            raise ProviderUnavailable from None
        principal = principal_of(verified)
        request._request.actor = _actor(principal)  # type: ignore[attr-defined]  # noqa: SLF001  # for the request line
        return principal, verified

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="openEO credits"'


def read_header(header: str) -> tuple[str | None, str]:
    """Return (provider id or None, token).

    :raises AuthenticationFailed: unless it is one of the two forms.
    """
    if len(header) > tokens.MAX_TOKEN_CHARACTERS + 100:
        raise AuthenticationFailed("The Authorization header is too long.", code="token_invalid")
    scheme, _, rest = header.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() != "bearer" or not rest or not rest.isascii() or len(rest.split()) != 1:
        raise AuthenticationFailed("Send the header as: Authorization: Bearer <access token>.", code="token_invalid")
    parts = rest.split("/")
    if len(parts) == 1:
        return None, rest
    if len(parts) == 3 and parts[0] == "oidc" and parts[1] and parts[2]:
        return parts[1], parts[2]
    raise AuthenticationFailed(
        "Send either Bearer <access token> or Bearer oidc/<provider id>/<access token>.", code="token_invalid"
    )


def _script(request: Request, provider_id: str | None, token: str) -> tuple[Principal, ScriptToken]:
    """The person whose script it is, who may do here what the token was made for.

    Decided before any view's own permissions, so that none can forget it. No provider is ever asked about one.

    :raises AuthenticationFailed: it does not work. :raises Throttled: it was tried too often in vain.
    :raises ScopeMissing: it was made for something else.
    """
    failures = f"script-tokens:{hashlib.sha256(token.encode()).hexdigest()}"
    if int(shared.recall(failures) or 0) >= MAX_WRONG_TOKENS:
        raise Throttled(wait=WRONG_TOKENS_SECONDS)
    try:
        if provider_id is not None:
            raise script_tokens.ScriptTokenInvalid("Send a script token as Bearer <token>, without a provider id")
        found = script_tokens.verify(token)
    except script_tokens.ScriptTokenInvalid as error:
        shared.count(failures, WRONG_TOKENS_SECONDS)
        raise AuthenticationFailed(f"{error}.", code="token_invalid") from None
    principal = PersonPrincipal(registry.normalise_issuer(found.issuer), found.sub, found.organisation)
    request._request.actor = f"script:{found.pk}"  # type: ignore[attr-defined]  # noqa: SLF001  # for the request line
    scopes.check(found.scopes, (request.parser_context or {}).get("view"), request.method or "")
    return principal, found


def principal_of(verified: VerifiedToken) -> Principal:
    """A registered client's own token is a service; every other token is the person's it names."""
    issuer = registry.normalise_issuer(verified.issuer.issuer)
    client = find_client(issuer, verified.client_id) if verified.client_id else None
    if client is not None and is_own_token(verified.claims, client):
        return ServicePrincipal(client.pk, issuer, verified.client_id, verified.subject, client.name)
    return PersonPrincipal(issuer, verified.subject)


def is_own_token(claims: Mapping[str, Any], client: RegisteredClient) -> bool:
    """Tell a client-credentials token from one that a person got through the same client.

    Providers mark it differently: the subject is the client id (RFC 9068), or an account service-account-<client>
    (Keycloak), or `client_id` is there beside an equal `azp` (EGI Check-in). When a subject was registered for the
    client, nothing else counts. A nonce or a time of authentication is there only when a person signed in.
    """
    subject, client_id = str(claims["sub"]), str(claims.get("azp") or claims.get("client_id"))
    if client.subject:
        return subject == client.subject
    if subject == client_id:
        return True
    if "nonce" in claims or claims.get("auth_time"):
        return False
    account = f"service-account-{client_id}".lower()
    if any(name.lower().startswith(account) for name in (str(claims.get("preferred_username", "")), subject)):
        return True
    return bool(claims.get("client_id") == claims.get("azp"))


def find_client(issuer: str, client_id: str) -> RegisteredClient | None:
    """Look a client up, at most once every five seconds."""
    now = time.monotonic()
    until, client = _clients.get((issuer, client_id), (0.0, None))
    if now < until:
        return client
    client = registry.find_client(issuer, client_id)
    if len(_clients) >= MAX_CLIENTS:
        _clients.clear()
    _clients[issuer, client_id] = (now + CLIENT_SECONDS, client)
    return client


def _actor(principal: Principal) -> str:
    """Name the caller in the log: a person only by a digest, which is enough to follow one through the lines."""
    if isinstance(principal, ServicePrincipal):
        return f"client:{principal.client}"
    identity = f"{principal.issuer} {principal.sub}"
    return f"person:{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
