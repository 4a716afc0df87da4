"""What the usage pages can be narrowed to: choices, filters by dimension, and those in force."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.functional import Promise

from accounting import breakdowns
from accounting.breakdowns import Slice, Value
from portal.contexts.usage_names import COLUMNS, KINDS, STATES, Name, Register
from portal.contexts.usage_query import DIMENSIONS, Wanted

LISTED_LATER = ("process", "collection", "grant")
"""There may be many, so they are looked up when somebody asks for them."""
MOST_LISTED = 50


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    title: str
    chosen: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """`more` is where the choices come from that are not listed yet, `all_href` a page that has them all."""

    name: str
    title: str
    chosen: int
    choices: tuple[Choice, ...]
    more: str
    all_href: str


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force; `href` is the page without it."""

    dimension: str
    title: str
    href: str


def choices(offered: Mapping[str, str | Promise], chosen: str, without: str = "") -> tuple[Choice, ...]:
    """:param without: one that is not offered now."""
    return tuple(
        Choice(value, str(title), value == chosen) for value, title in offered.items() if not value or value != without
    )


def filters_of(register: Register, wanted: Wanted, of: Slice) -> tuple[Filter, ...]:
    """One for each dimension. Queries only for names that nobody has looked up yet."""
    return tuple(_filter(register, name, wanted, of) for name in DIMENSIONS)


def values_of(register: Register, name: str, wanted: Wanted, of: Slice) -> tuple[Choice, ...]:
    """The choices of one that is listed later: those in force, then those on which most was spent in the period."""
    in_force = _names_in_force(register, name, of)
    found = breakdowns.dearest(Slice(of.organisation, of.period), name, MOST_LISTED)
    named = {**in_force, **register.names(name, [key for key in found if key not in in_force])}
    return _chosen(named.values(), wanted.values.get(name, ()))


def chips_of(register: Register, wanted: Wanted, of: Slice, path: str) -> tuple[Chip, ...]:
    return tuple(
        Chip(str(DIMENSIONS[name]), one.title, f"{path}?{wanted.without(name, one.value).query()}")
        for name in DIMENSIONS
        if name in wanted.values
        for one in _names_in_force(register, name, of).values()
    )


def _filter(register: Register, name: str, wanted: Wanted, of: Slice) -> Filter:
    later = name in LISTED_LATER
    in_force = _names_in_force(register, name, of) if name in wanted.values else {}
    others = () if later else [key for key in _all(register, name) if key not in in_force]
    named = {**in_force, **register.names(name, others)}
    query = wanted.query()
    return Filter(
        name=name,
        title=str(DIMENSIONS[name]),
        chosen=len(wanted.values.get(name, ())),
        choices=_chosen(named.values(), wanted.values.get(name, ())),
        more=f"{reverse('usage-values', args=[name])}?{query}" if later else "",
        all_href=f"{reverse('usage')}?{replace(wanted, by=name, sort='').query()}",
    )


def _all(register: Register, name: str) -> Sequence[Value]:
    """Every value that there may be."""
    known: dict[str, Sequence[Value]] = {
        "backend": [one.id for one in register.backends],
        "member": list(register.members),
        "project": [None, *(one.id for one in register.projects)],
        "kind": list(KINDS),
        "state": list(STATES),
    }
    return known[name]


def _names_in_force(register: Register, name: str, of: Slice) -> Mapping[Value, Name]:
    return register.filter_names(of, name) if COLUMNS.get(name, name) in of.values else {}


def _chosen(named: Collection[Name], chosen: Collection[str]) -> tuple[Choice, ...]:
    return tuple(Choice(one.value, one.title, one.value in chosen, one.note) for one in named)
