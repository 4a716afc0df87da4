"""What the values of dimensions are called, on pages and in addresses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.core.exceptions import BadRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import breakdowns, labels, queries
from accounting.breakdowns import Period, Slice, Value
from accounting.labels import ProjectLabel
from accounting.queries import BackEndView
from portal.contexts import people
from portal.contexts.usage_query import Wanted
from portal.models import User

COLUMNS = {"member": "person"}
"""Dimensions that accounting knows by another name."""
KINDS: dict[Value, str | Promise] = {"batch": gettext_lazy("Batch jobs"), "sync": gettext_lazy("Synchronous requests")}
STATES: dict[Value, str | Promise] = {
    "FINISHED": gettext_lazy("Finished"),
    "FAILED": gettext_lazy("Failed"),
    "KILLED": gettext_lazy("Stopped"),
    "RUNNING": gettext_lazy("Running"),
    "ACCEPTED": gettext_lazy("Accepted"),
    "": gettext_lazy("Not told"),
}
NONES: dict[str, str | Promise] = {
    "project": gettext_lazy("No project"),
    "process": gettext_lazy("Compute and data"),
    "collection": gettext_lazy("Collection not told"),
    "grant": gettext_lazy("Not covered yet"),
}


@dataclass(frozen=True, slots=True)
class Name:
    """`value` is what stands in addresses; `note` a second line, often empty."""

    value: str
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """What there is to choose from in an organisation, whoever asks; `named` is what was looked up already.

    `for_others`: a file is read by others than the viewer, so nobody is called "You" in it.
    """

    viewer: User
    organisation: int
    backends: Sequence[BackEndView]
    projects: Sequence[ProjectLabel]
    members: Sequence[int]
    for_others: bool = False
    named: dict[tuple[str, Value], Name] = field(default_factory=dict)

    def slice_of(self, wanted: Wanted, period: Period) -> Slice:
        """What accounting calls it. :raises BadRequest: a back end or project that there is not."""
        values = {COLUMNS.get(name, name): self._keys(name, chosen) for name, chosen in wanted.values.items()}
        return Slice(self.organisation, period, values)

    def _keys(self, dimension: str, chosen: Collection[str]) -> tuple[Value, ...]:
        if dimension == "backend":
            return _known(dimension, {one.slug: one.id for one in self.backends}, chosen)
        if dimension == "project":
            return _known(dimension, {"": None, **{one.slug: one.id for one in self.projects}}, chosen)
        if dimension in {"member", "grant"}:
            return tuple(int(value) if value else None for value in chosen)
        return tuple(chosen)

    def names(self, dimension: str, keys: Collection[Value]) -> Mapping[Value, Name]:
        """Of keys that are the organisation's own: what is found is shown. One query at most, none for known ones."""
        keys = dict.fromkeys(keys)
        new = [key for key in keys if (dimension, key) not in self.named]
        if new:
            self.named.update({(dimension, key): name for key, name in self._look_up(dimension, new).items()})
        return {key: self.named[dimension, key] for key in keys}

    def _look_up(self, dimension: str, keys: Collection[Value]) -> Mapping[Value, Name]:
        found = {
            "backend": self._backend_names,
            "member": self._member_names,
            "project": self._project_names,
            "grant": self._grant_names,
        }.get(dimension)
        if found:
            return found(keys)
        titles = {"kind": KINDS, "state": STATES}.get(dimension, {"": NONES.get(dimension, "")})
        return {key: Name(str(key), str(titles.get(key, key))) for key in keys}

    def filter_names(self, of: Slice, dimension: str) -> Mapping[Value, Name]:
        """Of the values that an address filters by, which may be anybody's: only what occurs here is called by name."""
        keys = of.values.get(COLUMNS.get(dimension, dimension), ())
        if dimension != "member":
            return self.names(dimension, keys)
        strange = {key for key in keys if key not in self.members}
        if strange:
            strange -= breakdowns.occurring(Slice(self.organisation, of.period), "person", strange)
        known = self.names(dimension, [key for key in keys if key not in strange])
        return {**known, **{key: Name(str(key), _("Nobody known here"), _number(key)) for key in strange}}

    def _backend_names(self, keys: Collection[Value]) -> Mapping[Value, Name]:
        known: dict[Value, BackEndView] = {one.id: one for one in self.backends}
        return {
            key: Name(known[key].slug, known[key].name) if key in known else Name(str(key), _number(key))
            for key in keys
        }

    def _project_names(self, keys: Collection[Value]) -> Mapping[Value, Name]:
        known: dict[Value, Name] = {one.id: Name(one.slug, one.name) for one in self.projects}
        return {key: known.get(key, Name("", str(NONES["project"]))) for key in keys}

    def _member_names(self, keys: Collection[Value]) -> Mapping[Value, Name]:
        persons = [key for key in keys if isinstance(key, int)]
        called = people.names(persons, self.viewer)
        if not self.for_others:
            return {key: Name(str(key), called[key], self._note(key, called[key])) for key in persons}
        called = {**called, self.viewer.person_id: self.viewer.display_name}
        named = {key: [called[key], self._note(key, called[key])] for key in persons}
        return {key: Name(str(key), " · ".join(filter(None, words))) for key, words in named.items()}

    def _note(self, person: int, called: str) -> str:
        if called == str(people.UNKNOWN):
            return _number(person)
        return "" if person in self.members else _("Not a member any more")

    def _grant_names(self, keys: Collection[Value]) -> Mapping[Value, Name]:
        known = labels.grants(self.organisation, [key for key in keys if isinstance(key, int)])
        named: dict[Value, Name] = {None: Name("", str(NONES["grant"]))}
        for one in known.values():
            named[one.id] = Name(str(one.id), one.label, str(GRANT_KINDS[one.kind]))
        return {key: named.get(key) or Name(str(key), _("A grant unknown here"), _number(key)) for key in keys}


GRANT_KINDS: dict[str, str | Promise] = {
    "free": gettext_lazy("Free credits"),
    "trial": gettext_lazy("Trial credits"),
    "sponsored": gettext_lazy("Sponsored credits"),
    "voucher": gettext_lazy("Voucher"),
    "paid": gettext_lazy("Paid credits"),
}


def register_of(viewer: User, organisation: int, *, for_others: bool = False) -> Register:
    return Register(
        viewer,
        organisation,
        for_others=for_others,
        backends=queries.backends(),
        projects=labels.projects(organisation),
        members=labels.members(organisation),
    )


def _known(dimension: str, known: Mapping[str, Value], chosen: Collection[str]) -> tuple[Value, ...]:
    if not known.keys() >= set(chosen):
        raise BadRequest(f"{dimension} must be one of those that the page offers")
    return tuple(known[value] for value in chosen)


def _number(key: Value) -> str:
    return _("Number %(number)s") % {"number": key}
