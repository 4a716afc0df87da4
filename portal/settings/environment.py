"""Reads the environment and remembers what it was asked for.

A variable that is missing or malformed stops the start with its name. Any of them can be given as a file instead:
`SECRET_KEY_FILE=/run/secrets/key` wins over `SECRET_KEY`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.conf.locale import LANG_INFO
from django.core.exceptions import ImproperlyConfigured

_env = environ.FileAwareEnv()
_UNSET = object()

#: Every variable that the loaded settings read, for the test that compares them with the documentation.
asked: set[str] = set()


def text(name: str, default: str | object = _UNSET) -> str:
    """:raises ImproperlyConfigured: when it is not set, or empty, and has no default."""
    asked.add(name)
    try:
        # A secret in a file usually ends with a line break that is not part of it.
        value = str(_env.str(name)).strip()
    except ImproperlyConfigured:
        value = ""
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}") from error
    if value:
        return value
    if default is _UNSET:
        raise ImproperlyConfigured(f"Set {name} (or {name}_FILE); see docs/settings.md")
    return str(default)


def texts(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def switch(name: str, default: bool) -> bool:
    value = text(name, "on" if default else "off").lower()
    if value in {"1", "on", "true", "yes"}:
        return True
    if value in {"0", "off", "false", "no"}:
        return False
    raise ImproperlyConfigured(f"{name} must be on or off, not {value!r}")


def choice(name: str, default: str, options: Collection[str]) -> str:
    """:return: the option as it is spelled in `options`; the variable may be in any case."""
    value = text(name, default)
    chosen = next((option for option in options if option.lower() == value.lower()), None)
    if chosen is None:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(options)}, not {value!r}")
    return chosen


def whole(name: str, default: int, *, least: int = 0) -> int:
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}") from None
    if number < least:
        raise ImproperlyConfigured(f"{name} must be at least {least}, not {number}")
    return number


def amount(name: str, default: str) -> Decimal:
    value = text(name, default)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ImproperlyConfigured(f"{name} must be a decimal number, not {value!r}") from None
    if not number.is_finite() or number <= 0:
        raise ImproperlyConfigured(f"{name} must be more than 0, not {value!r}")
    return number


def networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """A comma-separated list of networks, such as 10.20.0.0/16."""
    try:
        return tuple(ip_network(part) for part in texts(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a list of networks: {error}") from None


def document(name: str, default: str) -> Any:
    """A JSON document."""
    value = text(name, default)
    try:
        return json.loads(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not valid JSON: {error}") from None


def database(name: str) -> dict[str, Any]:
    """Connection parameters from a `postgresql://` address."""
    parameters: Mapping[str, Any] = environ.Env.db_url_config(text(name))
    if parameters.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured(f"{name} must be a postgresql:// address")
    return dict(parameters)


_SMTP = "django.core.mail.backends.smtp.EmailBackend"
#: Scheme of a mail server's address -> backend, its usual port, STARTTLS, TLS from the start.
_MAIL = {
    "smtp": (_SMTP, 25, False, False),
    "smtp+tls": (_SMTP, 587, True, False),
    "smtps": (_SMTP, 465, False, True),
    "dummymail": ("django.core.mail.backends.dummy.EmailBackend", 25, False, False),
}


def mail(name: str, default: str) -> dict[str, Any]:
    """A mail server from `smtp+tls://user:password@host:587`, `smtps://…` or `smtp://…`; `dummymail://`: none."""
    try:
        parts = urlsplit(text(name, default))
        backend, usual, starttls, tls = _MAIL[parts.scheme]
        port = parts.port or usual
    except (KeyError, ValueError):
        raise ImproperlyConfigured(f"{name} must be an address that begins with {', '.join(_MAIL)}://") from None
    if backend == _SMTP and not parts.hostname:
        raise ImproperlyConfigured(f"{name} names no mail server")
    return {
        "EMAIL_BACKEND": backend,
        "EMAIL_HOST": parts.hostname or "",
        "EMAIL_PORT": port,
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": starttls,
        "EMAIL_USE_SSL": tls,
    }


def cache(name: str, default: str) -> dict[str, Any]:
    """A cache from `locmemcache://` or `redis://host:port/number`."""
    try:
        parameters = dict(environ.Env.cache_url_config(text(name, default)))
    except (ImproperlyConfigured, ValueError):
        raise ImproperlyConfigured(f"{name} must be redis://host:port/number or locmemcache://") from None
    if "redis" in str(parameters["BACKEND"]).lower():
        # Django's own client rather than a package that would have to be added; and a cache that hangs is no cache.
        parameters["BACKEND"] = "django.core.cache.backends.redis.RedisCache"
        parameters["OPTIONS"] = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
    return parameters


def languages(folder: Path) -> list[tuple[str, str]]:
    """Return English and the languages of `folder`, each with its own name for itself."""
    codes = ["en", *sorted(path.name.replace("_", "-") for path in folder.glob("*") if (path / "LC_MESSAGES").is_dir())]
    return [(code, LANG_INFO[code]["name_local"]) for code in dict.fromkeys(codes)]
