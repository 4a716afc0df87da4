"""What must be right where credits are real."""

from __future__ import annotations

import re
from email.utils import parseaddr
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings

from portal.checks.rules import Finding, rule

_YEAR = 31_536_000
_WEAK_MARKS = ("insecure", "test-only", "development", "demonstration", "change-me", "changeme", "secret")


@rule("E101", "DEBUG is on.", "Use portal.settings.production.")
def debug() -> Finding:
    return bool(settings.DEBUG)


@rule(
    "E102",
    "SECRET_KEY is weak.",
    "Make one: python -c 'import secrets; print(secrets.token_urlsafe(64))'. Fallbacks count too.",
)
def secret_key() -> Finding:
    return any(_weak(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def _weak(key: str) -> bool:
    return len(key) < 50 or len(set(key)) < 20 or any(mark in key.lower() for mark in _WEAK_MARKS)


@rule("E103", "ALLOWED_HOSTS is empty or open to any host.", "Name the hosts that the service answers for.")
def allowed_hosts() -> Finding:
    return not settings.ALLOWED_HOSTS or any("*" in host for host in settings.ALLOWED_HOSTS)


@rule("E104", "PUBLIC_URL is not the https address of an allowed host: {}.", "Set it to https://host, without a path.")
def public_url() -> Finding:
    parts = urlsplit(settings.PUBLIC_URL)
    good = parts.scheme == "https" and parts.path == "" and parts.hostname in settings.ALLOWED_HOSTS
    return None if good else settings.PUBLIC_URL


@rule("E105", "Demonstration data and hints are switched on.", "Leave DEMONSTRATION out of the environment.")
def demonstration() -> Finding:
    return bool(settings.DEMONSTRATION)


@rule("E116", "The style guide is served.", "Leave STYLEGUIDE out of the environment.")
def styleguide() -> Finding:
    return bool(settings.STYLEGUIDE)


@rule(
    "E106",
    "Cookies can be sent over http, read by scripts or set by another host: {}.",
    "Secure, HttpOnly, SameSite=Lax or Strict, and names that begin with __Host-.",
)
def cookies() -> Finding:
    wrong = [
        name
        for name in ("SESSION_COOKIE", "CSRF_COOKIE")
        if not getattr(settings, f"{name}_SECURE")
        or not getattr(settings, f"{name}_HTTPONLY")
        or getattr(settings, f"{name}_SAMESITE") not in {"Lax", "Strict"}
        or not getattr(settings, f"{name}_NAME").startswith("__Host-")
        or getattr(settings, f"{name}_DOMAIN")
        or getattr(settings, f"{name}_PATH") != "/"
    ]
    return ", ".join(wrong)


@rule("E107", "Sessions are not kept in the database.", "Logging out must end a session everywhere.")
def sessions() -> Finding:
    return settings.SESSION_ENGINE != "django.contrib.sessions.backends.db"


@rule("E108", "Browsers are not held to https for a year.", "HSTS_SECONDS of at least 31536000, and the redirect on.")
def https() -> Finding:
    return not settings.SECURE_SSL_REDIRECT or settings.SECURE_HSTS_SECONDS < _YEAR


@rule("E109", "The content security policy is missing or loose: {}.", "Only 'self', no inline code, no wildcard.")
def content_security_policy() -> Finding:
    policy = (getattr(settings, "CONTENT_SECURITY_POLICY", None) or {}).get("DIRECTIVES", {})
    needed = {"default-src", "script-src", "style-src", "form-action", "base-uri", "object-src", "frame-ancestors"}
    loose = [
        f"{name} {source}"
        for name, sources in policy.items()
        if not isinstance(sources, bool)
        for source in sources
        if "unsafe" in source or source in {"*", "http:", "https:"} or (source == "data:" and name != "img-src")
    ]
    return ", ".join([*(f"no {name}" for name in sorted(needed - set(policy))), *loose])


@rule(
    "E110",
    "The database connection has no time limit for: {}.",
    "Set DATABASE_STATEMENT_TIMEOUT_MS, DATABASE_LOCK_TIMEOUT_MS, DATABASE_IDLE_TRANSACTION_TIMEOUT_MS above 0.",
)
def time_limits() -> Finding:
    options = settings.DATABASES["default"].get("OPTIONS", {})
    text = options.get("options", "")
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    missing = [name for name in names if not re.search(rf"-c {name}=[1-9]", text)]
    if not 0 < int(options.get("connect_timeout", 0)) <= 10:
        missing.append("connect_timeout")
    # A command run by hand has no limit for one statement (manage.py); it says nothing about the web server.
    return ", ".join(name for name in missing if name != "statement_timeout" or not _run_by_hand())


def _run_by_hand() -> bool:
    import sys

    return bool(sys.argv) and sys.argv[0].endswith("manage.py")


@rule("E111", "The broker loses tasks or is for one machine: {}.", "Use amqps:// or amqp:// (RabbitMQ).")
def broker() -> Finding:
    scheme = settings.CELERY_BROKER_URL.partition(":")[0]
    return None if scheme in {"amqp", "amqps", "pyamqp", "redis", "rediss"} else scheme


@rule("E112", "Tasks could be lost or carry code: {}.", "JSON only, acks_late, reject_on_worker_lost, time limits.")
def tasks() -> Finding:
    wrong = {
        "accept_content": list(current_app.conf.accept_content) != ["json"],
        "task_serializer": current_app.conf.task_serializer != "json",
        "task_acks_late": not current_app.conf.task_acks_late,
        "task_reject_on_worker_lost": not current_app.conf.task_reject_on_worker_lost,
        "task_time_limit": not current_app.conf.task_time_limit,
    }
    return ", ".join(name for name, broken in wrong.items() if broken)


@rule("E113", "Bodies of any size are read into memory.", "Leave DATA_UPLOAD_MAX_MEMORY_SIZE at 10 MiB or less.")
def body_size() -> Finding:
    most: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return most is None or most > 10 * 1024 * 1024


@rule(
    "E114", "The log is for a person at a terminal, or tells too much.", "LOG_FORMAT=json and LOG_LEVEL=INFO or higher."
)
def log_form() -> Finding:
    return settings.LOG_FORMAT != "json" or settings.LOG_LEVEL in {"DEBUG", "NOTSET"}


@rule("E115", "Forms are accepted from: {}.", "CSRF_TRUSTED_ORIGINS may hold https origins only.")
def trusted_origins() -> Finding:
    return ", ".join(origin for origin in settings.CSRF_TRUSTED_ORIGINS if not origin.startswith("https://"))


@rule(
    "W101",
    "Rate limits are counted in each process by itself.",
    "Give CACHE_URL as redis://… so that all processes share the counters and the keys of the issuers.",
)
def shared_cache() -> Finding:
    return "locmem" in settings.CACHES["default"]["BACKEND"] or "dummy" in settings.CACHES["default"]["BACKEND"]


@rule(
    "E117",
    "Mail would get lost, or travel with its password in clear text: {}.",
    "EMAIL_URL=smtp+tls://user:password@host:587 (or smtps://), and DEFAULT_FROM_EMAIL at a domain of yours.",
)
def mail() -> Finding:
    wrong = {
        "no EMAIL_URL": "smtp" not in settings.EMAIL_BACKEND or not settings.EMAIL_HOST,
        "a password without TLS": bool(settings.EMAIL_HOST_PASSWORD)
        and not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL),
        "no time limit": not settings.EMAIL_TIMEOUT or settings.EMAIL_TIMEOUT > 60,
        "DEFAULT_FROM_EMAIL": not _is_sender(settings.DEFAULT_FROM_EMAIL),
    }
    return ", ".join(name for name, broken in wrong.items() if broken)


def _is_sender(text: str) -> bool:
    _, address = parseaddr(text)
    name, _, domain = address.partition("@")
    return bool(name) and "." in domain and not domain.endswith(("localhost", ".local", ".localdomain"))
