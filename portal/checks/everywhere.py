"""What must be right in development and tests too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from portal import brand, colours
from portal.api import issuers
from portal.checks.rules import Finding, rule


@rule("E001", "The time zone is not UTC: {}.", 'Set TIME_ZONE = "UTC" and USE_TZ = True.', deploy=False)
def time_zone() -> Finding:
    return (
        None if settings.TIME_ZONE == "UTC" and settings.USE_TZ else f"{settings.TIME_ZONE}, USE_TZ={settings.USE_TZ}"
    )


@rule("E002", "TOKEN_ISSUERS cannot be used: {}.", "See docs/settings.md for its form.", deploy=False)
def token_issuers() -> Finding:
    try:
        issuers.read(settings.TOKEN_ISSUERS)
    except ImproperlyConfigured as error:
        return str(error)
    return None


@rule("E003", "PLANS_BY_ENTITLEMENT is not an object of texts.", 'Write {"<URN>": "<plan>"}.', deploy=False)
def plans() -> Finding:
    known: object = settings.PLANS_BY_ENTITLEMENT
    return not isinstance(known, Mapping) or not all(isinstance(plan, str) and plan for plan in known.values())


@rule("E004", "CREDIT_EURO is not a positive decimal.", "Set the euro value of one credit, e.g. 0.01.", deploy=False)
def credit_euro() -> Finding:
    value: object = settings.CREDIT_EURO
    return not isinstance(value, Decimal) or not value.is_finite() or value <= 0


@rule("E005", "ETL_MOUNT is no path: {}.", "Use letters, digits, - and _ between slashes, or nothing.", deploy=False)
def etl_mount() -> Finding:
    return settings.ETL_MOUNT if not re.fullmatch(r"(?:[\w-]+(?:/[\w-]+)*)?", settings.ETL_MOUNT, re.ASCII) else None


MAX_TERMS_VERSION = 50

#: What stands first in the addresses of pages, probes, files and the other API.
RESERVED = frozenset(
    {
        "api",
        "backends",
        "brand",
        "compare",
        "dashboard",
        "docs",
        "estimate",
        "estimates",
        "favicon.ico",
        "health",
        "help",
        "holds",
        "invitations",
        "jobs",
        "language",
        "mail",
        "notices",
        "notifications",
        "oidc",
        "organisation",
    }
    | {
        "problems",
        "profile",
        "rates",
        "raw-reports",
        "receipts",
        "search",
        "session-over",
        "sign-out",
        "signed-out",
        "static",
        "styleguide",
        "terms",
        "theme",
        "usage",
    }
)


@rule(
    "E011",
    "ETL_MOUNT hides other addresses: {}.",
    "Choose a first part that no page, file or API has, e.g. etl; or nothing.",
    deploy=False,
)
def free_mount() -> Finding:
    first = settings.ETL_MOUNT.partition("/")[0].lower()
    return settings.ETL_MOUNT if first in RESERVED | {settings.ADMIN_PATH.partition("/")[0].lower()} else None


@rule(
    "E012",
    "People could not read or accept the terms of use: {}.",
    "Set TERMS_VERSION (at most 50 characters) and TERMS_URL (http or https), or neither.",
    deploy=False,
)
def terms() -> Finding:
    if not settings.TERMS_VERSION:
        return "TERMS_URL without TERMS_VERSION" if settings.TERMS_URL else None
    if len(settings.TERMS_VERSION) > MAX_TERMS_VERSION or "\x00" in settings.TERMS_VERSION:
        return "TERMS_VERSION is too long"
    return None if settings.TERMS_URL.startswith(("https://", "http://")) else f"TERMS_URL={settings.TERMS_URL}"


@rule(
    "E006",
    "A redirect would turn a back end's POST into a GET: APPEND_SLASH is on.",
    "Leave APPEND_SLASH off.",
    deploy=False,
)
def append_slash() -> Finding:
    return bool(settings.APPEND_SLASH)


@rule(
    "E007",
    "Every view would run in one transaction: ATOMIC_REQUESTS is on.",
    "Leave it off: money is one statement or one explicit transaction.",
    deploy=False,
)
def atomic_requests() -> Finding:
    return bool(settings.DATABASES["default"].get("ATOMIC_REQUESTS"))


@rule(
    "E008",
    "The database is not PostgreSQL.",
    "Give DATABASE_URL as postgresql://…: the ledger lives in its functions and triggers.",
    deploy=False,
)
def postgresql() -> Finding:
    return bool(settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql")


@rule(
    "E009",
    "Views that say nothing are open: the default permission is {}.",
    "Leave portal.api.permissions.DenyAll as the only default.",
    deploy=False,
)
def default_permission() -> Finding:
    chosen = settings.REST_FRAMEWORK.get("DEFAULT_PERMISSION_CLASSES")
    return None if chosen == ["portal.api.permissions.DenyAll"] else str(chosen)


@rule(
    "E010",
    "The APIs have parsers or renderers other than the strict JSON ones: {}.",
    "Leave StrictJSONParser, JSONRenderer and ProblemRenderer.",
    deploy=False,
)
def json_only() -> Finding:
    chosen = [
        *settings.REST_FRAMEWORK.get("DEFAULT_PARSER_CLASSES", ["the library's"]),
        *settings.REST_FRAMEWORK.get("DEFAULT_RENDERER_CLASSES", ["the library's"]),
    ]
    foreign = [name for name in chosen if not name.startswith(("portal.api.parsers.", "portal.api.renderers."))]
    return ", ".join(foreign)


@rule(
    "E021",
    "SITE_ACCENT cannot be used: {}.",
    "Write a hue, #rrggbb or oklch(…) that is dark enough; docs/settings.md.",
    deploy=False,
)
def accent() -> Finding:
    try:
        if settings.SITE_ACCENT:
            colours.read(settings.SITE_ACCENT)
    except ValueError as error:
        return str(error)
    return None


@rule("E022", "A logo cannot be served: {}.", "Name an svg, png, webp or jpg file of at most 512 KiB.", deploy=False)
def logos() -> Finding:
    found = []
    for name in ("SITE_LOGO", "SITE_LOGO_DARK"):
        try:
            if path := getattr(settings, name):
                brand.picture(path)
        except (OSError, ValueError) as error:
            found.append(f"{name}: {error}")
    if settings.SITE_LOGO_DARK and not settings.SITE_LOGO:
        found.append("SITE_LOGO_DARK without SITE_LOGO")
    return "; ".join(found)


MAX_TITLE = 40


@rule("E023", "SITE_TITLE would not fit the side bar: {}.", "Use 1 to 40 visible characters.", deploy=False)
def site_title() -> Finding:
    title = settings.SITE_TITLE
    return None if 0 < len(title) <= MAX_TITLE and title.isprintable() and title.strip() else repr(title[:60])


@rule("E024", "SUPPORT_URL leads nowhere: {}.", "Write https://…, http://… or mailto:…, or nothing.", deploy=False)
def support() -> Finding:
    good = not settings.SUPPORT_URL or re.fullmatch(r"(?:https?://|mailto:)[!-~]+", settings.SUPPORT_URL)
    return None if good else settings.SUPPORT_URL
