"""What the profile page shows: what we know about the person, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from accounting import organisations, registry
from portal import egi
from portal.models import User


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
    """An entitlement in words; `title` is the role, or what membership is called."""

    title: str
    group: str
    urn: str


@dataclass(frozen=True, slots=True)
class ProfilePage:
    name: str
    email: str
    email_verified: bool
    issuer: str
    sub: str
    plan: str
    places: tuple[Place, ...]
    roles: tuple[Role, ...]


def page_of(user: User) -> ProfilePage:
    person = organisations.find_person(registry.normalise_issuer(user.issuer), user.sub)
    return ProfilePage(
        name=user.name,
        email=user.email,
        email_verified=user.email_verified,
        issuer=user.issuer,
        sub=user.sub,
        plan=person.plan if person else "",
        places=tuple(
            Place(one.organisation, one.name, one.role.capitalize(), one.personal, one.current)
            for one in organisations.memberships(user.person_id)
        ),
        roles=tuple(_role(urn) for urn in user.entitlements if egi.read([urn])),
    )


def _role(urn: str) -> Role:
    found = egi.parse(urn)
    title = (found.role or "member").replace("_", " ").replace("-", " ").capitalize()
    return Role(title, f"{found.vo} · {found.group}" if found.group else found.vo, urn)
