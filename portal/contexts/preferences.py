"""What the page of notification preferences shows beside its forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

from accounting import organisations
from portal.mail import addressing
from portal.models import User
from portal.notifications.kinds import GROUPS, KINDS

ANSWERS = ("owner", "manager")
"""Roles that decide below what the credits of an organisation are low."""


@dataclass(frozen=True, slots=True)
class Row:
    """A kind with its two controls; `portal` is None when it is always shown, or never."""

    title: Promise
    about: Promise
    portal: Any
    mail: Any
    always: bool


@dataclass(frozen=True, slots=True)
class Group:
    title: Promise
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class PreferencesPage:
    """`address` is where mails go, empty when they go nowhere; `unverified` an address that nobody vouches for.

    `organisation` and `number` are of the organisation whose threshold is shown, `may_set` whether the person decides.
    """

    address: str
    unverified: str
    zone: str
    groups: tuple[Group, ...]
    organisation: str
    number: int
    may_set: bool
    form: Any
    threshold: Any


def page_of(user: User, place: organisations.Membership, form: Any, threshold: Any) -> PreferencesPage:
    """:param form, threshold: the forms, bound when they are shown again with what is wrong."""
    address = addressing.address_of(user)
    return PreferencesPage(
        address=address,
        unverified="" if address else user.email,
        zone=user.time_zone,
        groups=tuple(Group(title, _rows(group, form)) for group, title in GROUPS.items()),
        organisation=place.name,
        number=place.organisation,
        may_set=place.role in ANSWERS,
        form=form,
        threshold=threshold,
    )


def place_of(user: User) -> organisations.Membership:
    """The organisation that pays for the person's jobs by default, with the person's role in it."""
    return next(place for place in organisations.memberships(user.person_id) if place.current)


def _rows(group: str, form: Mapping[str, Any]) -> tuple[Row, ...]:
    fields = getattr(form, "fields", {})
    return tuple(
        Row(
            title=kind.title,
            about=kind.about,
            portal=form[f"portal_{kind.key}"] if f"portal_{kind.key}" in fields else None,
            mail=form[f"mail_{kind.key}"],
            always=kind.grave,
        )
        for kind in KINDS.values()
        if kind.group == group
    )
