"""What the profile shows: who the person is, where that comes from, what it means here, and how pages speak to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounting import organisations, registry
from portal import egi, languages
from portal.contexts.tabs import Tab
from portal.models import User
from portal.titles import ROLE_TITLES

EXAMPLE_MICROS = 1_234_567_891
"""An amount that shows how a language writes numbers."""


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation the person belongs to. `id` is what job options name."""

    id: int
    name: str
    role: str
    personal: bool
    current: bool


@dataclass(frozen=True, slots=True)
class Role:
    """An entitlement in words. `title` is the role, or what membership is called; `meaning` what it changes here."""

    title: str
    group: str
    urn: str
    meaning: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """How pages look with a language and a time zone; an empty `language` is the one of this page."""

    language: str
    zone: str
    now: datetime
    micros: int = EXAMPLE_MICROS


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """`unused` are URNs that mean nothing here. `zones` are the names that the field offers."""

    tabs: tuple[Tab, ...]
    provider: str
    name: str
    email: str
    email_verified: bool
    issuer: str
    sub: str
    voperson_id: str
    plan: str
    staff: bool
    joined_at: datetime
    places: tuple[Place, ...]
    roles: tuple[Role, ...]
    unused: tuple[str, ...]
    preview: Preview
    zones: tuple[str, ...]


def tabs(here: str) -> tuple[Tab, ...]:
    """The parts of the profile; `here` is the route of the one that is shown."""
    titles = {
        "profile": _("Profile"),
        "notification-preferences": _("Notifications"),
        "profile-tokens": _("API tokens"),
        "profile-data": _("Your data"),
    }
    return tuple(Tab(title, reverse(name), name == here) for name, title in titles.items())


def page_of(user: User) -> ProfilePage:
    person = organisations.find_person(registry.normalise_issuer(user.issuer), user.sub)
    known = [urn for urn in user.entitlements if egi.read([urn])]
    chosen = egi.choose_plan(egi.read(known), settings.PLANS_BY_ENTITLEMENT)
    return ProfilePage(
        tabs=tabs("profile"),
        provider=settings.OIDC_TITLE,
        name=user.name,
        email=user.email,
        email_verified=user.email_verified,
        issuer=user.issuer,
        sub=user.sub,
        voperson_id=user.voperson_id if user.voperson_id != user.sub else "",
        plan=person.plan if person else "",
        staff=user.is_staff,
        joined_at=user.joined_at,
        places=tuple(
            Place(one.organisation, one.name, str(ROLE_TITLES[one.role]), one.personal, one.current)
            for one in organisations.memberships(user.person_id)
        ),
        roles=tuple(_role(urn, chosen) for urn in known),
        unused=tuple(urn for urn in user.entitlements if urn not in known),
        preview=preview("", user.time_zone),
        zones=("UTC", *sorted(languages.zone_names())),
    )


def preview(language: str, zone: str) -> Preview:
    """How pages would look; a zone that is not known counts as UTC."""
    known = zone if zone in languages.zone_names() else "UTC"
    return Preview(language if language in dict(settings.LANGUAGES) else "", known, timezone.now())


def _role(urn: str, chosen: str | None) -> Role:
    found = egi.parse(urn)
    title = found.role.replace("_", " ").replace("-", " ").capitalize() if found.role else _("Member")
    return Role(title, f"{found.vo} · {found.group}" if found.group else found.vo, urn, _meaning(urn, chosen))


def _meaning(urn: str, chosen: str | None) -> tuple[str, ...]:
    """What the entitlement changes here, in sentences."""
    held = egi.read([urn])
    plan = egi.choose_plan(held, settings.PLANS_BY_ENTITLEMENT)
    said = []
    if plan and plan == chosen:
        said.append(_("Gives you the plan %(plan)s.") % {"plan": plan})
    elif plan:
        said.append(_("Would give you the plan %(plan)s, if you had none that comes first.") % {"plan": plan})
    if settings.STAFF_ENTITLEMENT and egi.holds(held, settings.STAFF_ENTITLEMENT):
        said.append(_("Lets you see the pages of the operators."))
    return tuple(said) or (_("A membership that changes nothing here."),)
