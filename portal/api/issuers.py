"""The identity providers whose access tokens the APIs accept, from the setting TOKEN_ISSUERS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII | re.IGNORECASE)
_KNOWN = frozenset({"id", "issuer", "title", "audiences", "clients", "jwks_uri", "introspection"})
_INTROSPECTION = frozenset({"client_id", "client_secret", "endpoint"})


@dataclass(frozen=True, slots=True)
class Introspection:
    """Our credentials at the provider for RFC 7662; `endpoint` empty: the one that discovery names."""

    client_id: str
    client_secret: str
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """`id` is the provider id in `oidc/<id>/<token>`. Empty `audiences` or `clients`: any is accepted."""

    id: str
    issuer: str
    title: str
    audiences: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    jwks_uri: str = ""
    introspection: Introspection | None = None


def comparable(issuer: str) -> str:
    """Providers and back ends write the same issuer with and without a slash, and in any case."""
    return issuer.rstrip("/").lower()


def read(entries: Any) -> tuple[TokenIssuer, ...]:
    """:raises ImproperlyConfigured: saying which entry of TOKEN_ISSUERS is wrong and how."""
    if not isinstance(entries, list):
        raise ImproperlyConfigured("TOKEN_ISSUERS must be a JSON list")
    issuers = tuple(_read_one(entry, f"TOKEN_ISSUERS[{index}]") for index, entry in enumerate(entries))
    for name, values in (
        ("id", [issuer.id for issuer in issuers]),
        ("issuer", [comparable(issuer.issuer) for issuer in issuers]),
    ):
        if len(set(values)) != len(values):
            raise ImproperlyConfigured(f"TOKEN_ISSUERS: every {name} must be there once")
    return issuers


def _read_one(entry: Any, place: str) -> TokenIssuer:
    if not isinstance(entry, Mapping):
        raise ImproperlyConfigured(f"{place} must be an object")
    if unknown := sorted(set(entry) - _KNOWN):
        raise ImproperlyConfigured(f"{place} has unknown names: {', '.join(unknown)}")
    name, issuer = entry.get("id"), entry.get("issuer")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise ImproperlyConfigured(f"{place}.id must be 1 to 40 letters, digits, - or _")
    _require_address(issuer, f"{place}.issuer")
    if "jwks_uri" in entry:
        _require_address(entry["jwks_uri"], f"{place}.jwks_uri")
    return TokenIssuer(
        id=name,
        issuer=str(issuer).rstrip("/"),
        title=str(entry.get("title") or name),
        audiences=_texts(entry.get("audiences"), f"{place}.audiences"),
        clients=_texts(entry.get("clients"), f"{place}.clients"),
        jwks_uri=str(entry.get("jwks_uri", "")),
        introspection=_read_introspection(entry.get("introspection"), f"{place}.introspection"),
    )


def _read_introspection(entry: Any, place: str) -> Introspection | None:
    if entry is None:
        return None
    if not isinstance(entry, Mapping) or not {"client_id", "client_secret"} <= set(entry) <= _INTROSPECTION:
        raise ImproperlyConfigured(f"{place} must be an object with client_id, client_secret and perhaps endpoint")
    if "endpoint" in entry:
        _require_address(entry["endpoint"], f"{place}.endpoint")
    return Introspection(**{name: str(value) for name, value in entry.items()})


def _require_address(value: Any, place: str) -> None:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"{place} must be an http(s) address")


def _texts(value: Any, place: str) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text for text in value):
        raise ImproperlyConfigured(f"{place} must be a list of texts that is not empty; leave it out to accept any")
    return frozenset(value)


_configured: tuple[TokenIssuer, ...] | None = None


def configured() -> tuple[TokenIssuer, ...]:
    """Return the issuers of the settings, read once."""
    global _configured  # noqa: PLW0603  # one reading for the process
    if _configured is None:
        _configured = read(settings.TOKEN_ISSUERS)
    return _configured


def by_issuer(issuer: str) -> TokenIssuer | None:
    wanted = comparable(issuer)
    return next((one for one in configured() if comparable(one.issuer) == wanted), None)


def by_id(name: str) -> TokenIssuer | None:
    return next((one for one in configured() if one.id == name), None)


@receiver(setting_changed)
def _forget(setting: str, **_: Any) -> None:
    global _configured  # noqa: PLW0603
    if setting == "TOKEN_ISSUERS":
        _configured = None
