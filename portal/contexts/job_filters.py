"""What the address of the list of jobs asks for: filters, order, and the place to go on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import credits as amounts
from accounting import job_lists, queries
from accounting.job_lists import Criteria
from portal.contexts import cursors, people
from portal.contexts.cursors import Place
from portal.models import User

STATES = {
    "FINISHED": gettext_lazy("Finished"),
    "FAILED": gettext_lazy("Failed"),
    "KILLED": gettext_lazy("Stopped"),
    "RUNNING": gettext_lazy("Running"),
    "ACCEPTED": gettext_lazy("Accepted"),
}
KINDS = {"batch": gettext_lazy("Batch jobs"), "sync": gettext_lazy("Synchronous requests")}
SORTS = {"reported": ("reported_at", "pk"), "cost": ("cost", "pk")}
"""The keys of each order, all of them descending."""
MAX_TEXT = 200
MAX_DIGITS = 19
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`said` are the fields as the address has them, without the place; `until` is a day that still belongs to it."""

    backend: str = ""
    state: str = ""
    kind: str = ""
    member: int | None = None
    project: int | None = None
    since: date | None = None
    until: date | None = None
    text: str = ""
    least: int | None = None
    sort: str = "reported"
    place: Place = field(default_factory=Place)
    said: tuple[tuple[str, str], ...] = ()

    @property
    def criteria(self) -> Criteria:
        """Days begin and end in the person's time zone."""
        return Criteria(
            backend=self.backend,
            state=self.state,
            kind=self.kind,
            person=self.member,
            project=self.project,
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until + timedelta(days=1)) if self.until else None,
            text=self.text,
            least=self.least,
        )

    @property
    def filtered(self) -> bool:
        return any(name != "sort" for name, _value in self.said)

    @property
    def folded(self) -> bool:
        """Whether one of the filters that are folded away is used."""
        return any(name in FOLDED for name, _value in self.said)

    def query(self, **more: str) -> str:
        """The query of an address of this list with `more`, empty values left out."""
        parts = dict(self.said) | more
        return urlencode({name: value for name, value in parts.items() if value})


FIELDS = ("text", "backend", "state", "kind", "member", "project", "since", "until", "least", "sort")
FOLDED = frozenset({"kind", "member", "project", "since", "until", "least"})


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    title: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """`folded`: seen only when asked for, or when it is used."""

    name: str
    title: str
    options: tuple[Option, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """`kind` is the type of the input."""

    name: str
    title: str
    kind: str
    value: str
    hint: str = ""
    folded: bool = True


def read(query: Any) -> Wanted:
    """:raises BadRequest: naming the parameter that cannot be read."""
    said = tuple((name, query.get(name, "")) for name in FIELDS if query.get(name, ""))
    fields = dict(said)
    return Wanted(
        backend=fields.get("backend", ""),
        state=_one_of(fields, "state", STATES),
        kind=_one_of(fields, "kind", KINDS),
        member=_number(fields, "member"),
        project=_number(fields, "project"),
        since=_day(fields, "since"),
        until=_day(fields, "until"),
        text=_text(fields),
        least=_credits(fields),
        sort=_one_of(fields, "sort", SORTS) or "reported",
        place=cursors.read(query),
        said=said,
    )


def fields_of(organisation: int, wanted: Wanted, viewer: User) -> tuple[tuple[Filter, ...], tuple[Field, ...]]:
    """What can be chosen. :raises BadRequest: the back end, member or project asked for is none of them."""
    backends = [(backend.slug, backend.name) for backend in queries.backends()]
    names = people.names(job_lists.people(organisation), viewer)
    members = sorted(
        ((str(pk), name) for pk, name in names.items()), key=lambda one: (one[1] != str(people.YOU), one[1])
    )
    projects = [(str(project.id), project.name) for project in job_lists.projects(organisation)]
    for name, value, options in (
        ("backend", wanted.backend, backends),
        ("member", wanted.member, members),
        ("project", wanted.project, projects),
    ):
        if value and str(value) not in dict(options):
            raise BadRequest(f"{name} must be one of those offered")
    filters = [
        _filter(wanted, "backend", _("Back end"), backends, _("All back ends")),
        _filter(wanted, "state", _("State"), list(STATES.items()), _("All states")),
        _filter(wanted, "kind", _("Kind"), list(KINDS.items()), _("Batch and synchronous")),
    ]
    filters.append(_filter(wanted, "sort", _("Order"), [("cost", _("The dearest first"))], _("The newest first")))
    if len(members) > 1:
        filters.append(_filter(wanted, "member", _("Member"), members, _("Everybody")))
    if projects:
        filters.append(_filter(wanted, "project", _("Project"), projects, _("All projects")))
    values = dict(wanted.said)
    return tuple(filters), (
        Field("text", _("Search"), "search", values.get("text", ""), _("Job ID or title"), folded=False),
        Field("since", _("Reported from"), "date", values.get("since", "")),
        Field("until", _("Reported until"), "date", values.get("until", "")),
        Field("least", _("At least this many credits"), "text", values.get("least", ""), "10"),
    )


def _filter(wanted: Wanted, name: str, title: str, options: list[tuple[str, Any]], every: str) -> Filter:
    chosen = dict(wanted.said).get(name, "")
    shown = tuple(Option(value, str(text), value == chosen) for value, text in [("", every), *options])
    return Filter(name, title, shown, folded=name in FOLDED)


def _one_of(fields: dict[str, str], name: str, known: Any) -> str:
    value = fields.get(name, "")
    if value and value not in known:
        raise BadRequest(f"{name} must be one of {', '.join(known)}")
    return value


def _number(fields: dict[str, str], name: str) -> int | None:
    value = fields.get(name, "")
    if value and not (value.isascii() and value.isdigit() and len(value) < MAX_DIGITS):
        raise BadRequest(f"{name} must be a number")
    return int(value) if value else None


def _day(fields: dict[str, str], name: str) -> date | None:
    value = fields.get(name, "")
    if not value:
        return None
    try:
        found = date.fromisoformat(value)
    except ValueError:
        found = date.min
    if not _DAY.fullmatch(value) or not FIRST_DAY <= found <= LAST_DAY:
        raise BadRequest(f"{name} must be a day such as 2026-11-25")
    return found


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def _text(fields: dict[str, str]) -> str:
    """Without what is around it; characters that no name has are refused by name."""
    value = fields.get("text", "").strip()
    if len(value) > MAX_TEXT or not value.isprintable():
        raise BadRequest(f"text must be at most {MAX_TEXT} visible characters")
    return value


def _credits(fields: dict[str, str]) -> int | None:
    value = fields.get("least", "").strip()
    try:
        least = amounts.parse(value) if value else None
    except ValueError as error:
        raise BadRequest(f"least: {error}") from None
    if least is not None and least < 0:
        raise BadRequest("least must not be negative")
    return least
