"""What must be right before anybody's word about who they are is believed."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from portal.api import issuers
from portal.checks.rules import Finding, rule

_ALGORITHMS = {"RS256", "ES256"}
_LOCAL_ENDINGS = (".localhost", ".local", ".test", ".example", ".invalid", ".internal")


def _addresses() -> list[str]:
    """Every address that tokens, keys and sign-ins come from."""
    try:
        known = issuers.read(settings.TOKEN_ISSUERS)
    except ImproperlyConfigured:
        known = ()
    found = [settings.OIDC_ISSUER, settings.DEFAULT_USER_ISSUER]
    for issuer in known:
        endpoint = issuer.introspection.endpoint if issuer.introspection else ""
        found += [issuer.issuer, issuer.jwks_uri, endpoint]
    return list(dict.fromkeys(filter(None, found)))


@rule("E201", "Identities would travel unprotected: {}.", "Every issuer and every address of its keys must be https.")
def https_issuers() -> Finding:
    return ", ".join(address for address in _addresses() if not address.startswith("https://"))


@rule("E202", "An issuer is a development provider: {}.", "Name providers that the world knows.")
def development_issuers() -> Finding:
    return ", ".join(address for address in _addresses() if _is_local(address))


def _is_local(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_ENDINGS)


@rule("E203", "ID tokens may be signed with {}.", "OIDC_RP_SIGN_ALGO must be RS256 or ES256.")
def algorithm() -> Finding:
    return settings.OIDC_RP_SIGN_ALGO if settings.OIDC_RP_SIGN_ALGO not in _ALGORITHMS else None


@rule("E204", "A provider that hangs would hang the sign-in.", "OIDC_TIMEOUT must be 1 to 10 seconds.")
def provider_time_limit() -> Finding:
    seconds = getattr(settings, "OIDC_TIMEOUT", None)
    return not isinstance(seconds, int) or not 1 <= seconds <= 10


@rule("E205", "A stolen code could be used: PKCE is off or plain.", "OIDC_USE_PKCE on, with S256.")
def pkce() -> Finding:
    method = getattr(settings, "OIDC_PKCE_CODE_CHALLENGE_METHOD", None)
    return not getattr(settings, "OIDC_USE_PKCE", False) or method != "S256"


@rule("E206", "Certificates of the provider are not checked.", "OIDC_VERIFY_SSL must be on.")
def certificates() -> Finding:
    return not getattr(settings, "OIDC_VERIFY_SSL", True)


@rule(
    "E207", "Unsigned ID tokens are accepted.", "OIDC_ALLOW_UNSECURED_JWT off, OIDC_VERIFY_JWT and OIDC_VERIFY_KID on."
)
def signatures() -> Finding:
    return (
        getattr(settings, "OIDC_ALLOW_UNSECURED_JWT", False)
        or not getattr(settings, "OIDC_VERIFY_JWT", True)
        or not getattr(settings, "OIDC_VERIFY_KID", True)
    )


@rule("E208", "A replayed ID token is accepted.", "OIDC_USE_NONCE must be on.")
def nonce() -> Finding:
    return not getattr(settings, "OIDC_USE_NONCE", True)


@rule(
    "E209",
    "There is another way in than the identity provider: {}.",
    "AUTHENTICATION_BACKENDS holds portal.oidc.Backend only.",
)
def backends() -> Finding:
    others = [name for name in settings.AUTHENTICATION_BACKENDS if name != "portal.oidc.Backend"]
    return ", ".join(others)


@rule(
    "E210",
    "Nobody can call the APIs: TOKEN_ISSUERS is empty.",
    "Name the issuers of the back ends' and people's tokens.",
)
def some_issuer() -> Finding:
    return not settings.TOKEN_ISSUERS


@rule(
    "E211", "The client secret of the sign-in is weak.", "Use the one that the provider made; at least 16 characters."
)
def client_secret() -> Finding:
    return len(settings.OIDC_RP_CLIENT_SECRET) < 16


@rule(
    "W201",
    "Any client's token is accepted from: {}.",
    "Name the audiences of the tokens in TOKEN_ISSUERS, or the clients where tokens carry no audience (EGI Check-in).",
)
def narrowed_issuers() -> Finding:
    """A warning, because some providers' access tokens have no `aud` and their clients are many."""
    try:
        found = issuers.read(settings.TOKEN_ISSUERS)
    except ImproperlyConfigured:
        return None  # E002 says so
    return ", ".join(one.id for one in found if not one.audiences and not one.clients)
