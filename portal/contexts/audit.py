"""The audit log of an organisation in words: what was changed, by whom, when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import audit, projects, queries
from accounting.audit import Change
from portal.contexts import cursors, people
from portal.contexts.cursors import Place
from portal.contexts.job_filters import Filter, Option
from portal.contexts.scope import Scope
from portal.contexts.tabs import Tab
from portal.models import User
from portal.numerals import localised, two_decimals
from portal.titles import PERIOD_TITLES, ROLE_TITLES

if TYPE_CHECKING:
    from accounting.models import AuditEntry

CHANGE_TITLES = {
    Change.CREATED: gettext_lazy("Organisation created"),
    Change.RENAMED: gettext_lazy("Organisation renamed"),
    Change.CLOSED: gettext_lazy("Organisation closed"),
    Change.SUSPENDED: gettext_lazy("Organisation suspended"),
    Change.RESUMED: gettext_lazy("Suspension taken back"),
    Change.RULES_SET: gettext_lazy("Rules of holds set"),
    Change.MEMBER_ADDED: gettext_lazy("Member added"),
    Change.MEMBER_JOINED: gettext_lazy("Invitation accepted"),
    Change.ROLE_CHANGED: gettext_lazy("Role changed"),
    Change.MEMBER_REMOVED: gettext_lazy("Member removed"),
    Change.MEMBER_LEFT: gettext_lazy("Member left"),
    Change.HANDED_OVER: gettext_lazy("Organisation handed over"),
    Change.INVITED: gettext_lazy("Invitation sent"),
    Change.INVITED_AGAIN: gettext_lazy("Invitation sent again"),
    Change.INVITATION_REVOKED: gettext_lazy("Invitation revoked"),
    Change.INVITATION_DECLINED: gettext_lazy("Invitation declined"),
    Change.PROJECT_CREATED: gettext_lazy("Project created"),
    Change.PROJECT_RENAMED: gettext_lazy("Project renamed"),
    Change.PROJECT_ARCHIVED: gettext_lazy("Project archived"),
    Change.PROJECT_RESTORED: gettext_lazy("Project restored"),
    Change.LIMIT_SET: gettext_lazy("Limit set"),
    Change.LIMIT_REMOVED: gettext_lazy("Limit taken away"),
    Change.BUDGET_SET: gettext_lazy("Budget set"),
    Change.BUDGET_REMOVED: gettext_lazy("Budget taken away"),
    Change.BUDGET_MOVED: gettext_lazy("Budget moved"),
}
OPERATORS = gettext_lazy("The operators")
BY_OPERATORS = "operators"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for. `since` and `until` are UTC days, the last one included."""

    change: str = ""
    actor: str = ""
    since: date | None = None
    until: date | None = None
    place: Place = field(default_factory=Place)

    def query(self, **more: str) -> str:
        parts = {"change": self.change, "actor": self.actor}
        days = {"since": self.since, "until": self.until}
        parts |= {name: day.isoformat() for name, day in days.items() if day} | more
        return urlencode({name: value for name, value in parts.items() if value})


@dataclass(frozen=True, slots=True)
class EntryRow:
    at: datetime
    actor: str
    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """`older` and `newer` are addresses; empty at the ends of the list."""

    scope: Scope
    tabs: tuple[Tab, ...]
    rows: tuple[EntryRow, ...]
    filters: tuple[Filter, ...]
    since: str
    until: str
    filtered: bool
    older: str
    newer: str
    csv: str


def read(query: Any) -> Wanted:
    """Read the address's query. :raises BadRequest: naming what is wrong with it."""
    change = query.get("change", "")
    if change and change not in set(Change):
        raise BadRequest("change must be one of the changes offered")
    actor = query.get("actor", "")
    if actor and not (actor.isascii() and actor.isdigit() and len(actor) < 19):
        raise BadRequest("actor must be one of the people offered")
    since, until = (_day(query.get(name, ""), name) for name in ("since", "until"))
    return Wanted(change, actor, since, until, cursors.read(query))


def _day(text: str, name: str) -> date | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if found.isoformat() != text or not 2000 <= found.year <= 2200:
        raise BadRequest(f"{name} must be a day such as 2026-11-25")
    return found


def _rows(scope: Scope, wanted: Wanted) -> Any:
    return audit.entries(
        scope.id,
        change=wanted.change,
        actor=int(wanted.actor) if wanted.actor else None,
        since=datetime.combine(wanted.since, time(), UTC) if wanted.since else None,
        until=datetime.combine(wanted.until + timedelta(days=1), time(), UTC) if wanted.until else None,
    )


def page_of(scope: Scope, wanted: Wanted) -> AuditPage:
    found = cursors.page(_rows(scope, wanted), ("recorded_at", "pk"), wanted.place)
    actors = audit.actors(scope.id)
    speller = Speller.of(scope, found.rows, actors)
    address = reverse("organisation-audit")
    people_offered = [("", _("Everybody")), *((str(pk), speller.person(pk)) for pk in actors)]
    offered = [("", _("Every change")), *((one.value, str(CHANGE_TITLES[one])) for one in Change)]
    return AuditPage(
        scope=scope,
        tabs=scope.tabs("organisation-audit"),
        rows=tuple(speller.row(one) for one in found.rows),
        filters=(
            _filter("change", _("Change"), offered, wanted.change),
            _filter("actor", _("By"), people_offered, wanted.actor),
        ),
        since=wanted.since.isoformat() if wanted.since else "",
        until=wanted.until.isoformat() if wanted.until else "",
        filtered=bool(wanted.query()),
        older=f"{address}?{wanted.query(after=found.after)}" if found.after else "",
        newer=f"{address}?{wanted.query(before=found.before)}" if found.before else "",
        csv=f"{reverse('organisation-audit-csv')}?{wanted.query()}",
    )


def transfers(scope: Scope, most: int) -> tuple[EntryRow, ...]:
    """The latest moves of budget."""
    found = list(audit.entries(scope.id, change=Change.BUDGET_MOVED)[:most])
    speller = Speller.of(scope, found, [])
    return tuple(speller.row(one) for one in found)


def csv_rows(scope: Scope, wanted: Wanted) -> Iterator[Sequence[object]]:
    """Head and rows, all that the filters let through, in constant memory; codes and numbers as they are stored."""
    yield ("recorded_at", "change", "actor", "facts")
    for one in _rows(scope, wanted).iterator(chunk_size=2000):
        facts = " ".join(f"{name}={value}" for name, value in sorted(one.facts.items()))
        yield (one.recorded_at.isoformat(), one.action, one.actor_id or BY_OPERATORS, facts)


def _filter(name: str, title: str, options: Sequence[tuple[str, str]], chosen: str) -> Filter:
    return Filter(name, title, tuple(Option(value, text, value == chosen) for value, text in options))


@dataclass(frozen=True, slots=True)
class Speller:
    """Turns numbers and codes of entries into words."""

    viewer: User
    names: Mapping[int, str]
    projects: Mapping[int, str]
    backends: Mapping[int, str]

    @classmethod
    def of(cls, scope: Scope, entries: Sequence[AuditEntry], actors: Sequence[int]) -> Speller:
        told = {one.facts[key] for one in entries for key in ("person", "owner") if isinstance(one.facts.get(key), int)}
        everybody = told | {one.actor_id for one in entries if one.actor_id is not None} | set(actors)
        return cls(
            scope.viewer,
            people.names(everybody, scope.viewer),
            {one.id: one.name for one in projects.of(scope.id)},
            {one.id: one.name for one in queries.backends()},
        )

    def row(self, entry: AuditEntry) -> EntryRow:
        title = CHANGE_TITLES.get(Change(entry.action)) if entry.action in set(Change) else entry.action
        actor = self.person(entry.actor_id) if entry.actor_id is not None else str(OPERATORS)
        shown = [name for name in _FACTS if name in entry.facts and not (name == "project" and "slug" in entry.facts)]
        told = tuple((str(_FACTS[name][0]), self._say(_FACTS[name][1], entry.facts[name])) for name in shown)
        return EntryRow(entry.recorded_at, actor, str(title), told)

    def person(self, pk: int) -> str:
        return self.names.get(pk, str(people.UNKNOWN))

    def _say(self, kind: str, value: Any) -> str:
        if kind == "part" and value is None:
            return _("The unassigned part")
        by = {"person": self.names, "part": self.projects, "backend": self.backends}.get(kind)
        if by is not None:
            return by.get(value, str(people.UNKNOWN) if kind == "person" else f"#{value}")
        if kind == "credits":
            return localised(two_decimals(Decimal(str(value))))
        words = {"role": ROLE_TITLES, "period": PERIOD_TITLES, "action": _ACTIONS}.get(kind, {})
        if value in words:
            return str(words[value])
        return _("Yes") if value is True else str(value)


_ACTIONS = {"block": gettext_lazy("Block"), "notify": gettext_lazy("Notify")}
_FACTS = {
    "person": (gettext_lazy("Member"), "person"),
    "owner": (gettext_lazy("Owner"), "person"),
    "role": (gettext_lazy("Role"), "role"),
    "name": (gettext_lazy("Name"), "text"),
    "slug": (gettext_lazy("Short name"), "text"),
    "project": (gettext_lazy("Project"), "part"),
    "backend": (gettext_lazy("Back end"), "backend"),
    "process": (gettext_lazy("Process"), "text"),
    "period": (gettext_lazy("Period"), "period"),
    "action": (gettext_lazy("Beyond it"), "action"),
    "was": (gettext_lazy("Before"), "role"),
    "amount": (gettext_lazy("Credits"), "credits"),
    "fallback": (gettext_lazy("Falls back to the organisation"), "text"),
    "source": (gettext_lazy("From"), "part"),
    "target": (gettext_lazy("To"), "part"),
    "reason": (gettext_lazy("Reason"), "text"),
    "because": (gettext_lazy("Reason"), "text"),
    "invitation": (gettext_lazy("Invitation"), "text"),
}
"""What is shown of an entry's facts in this order, and as what; the rest is for the CSV."""
