"""What the list of holds shows: a page of it, its filters, and the ways to older and newer ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import hold_queries, queries
from accounting.hold_queries import HoldView, Place
from portal.contexts.hold_rows import HoldRow, rows_of
from portal.contexts.job_filters import Filter, Option
from portal.models import User

PAGE_SIZE = 25
STATES = (("", gettext_lazy("Open and ended")), ("open", gettext_lazy("Open")), ("ended", gettext_lazy("Ended")))
MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for."""

    backend: str = ""
    state: str = ""
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True)
class HoldsPage:
    """`older` and `newer` are addresses; empty at the ends of the list."""

    subtitle: str
    held: int
    holds: tuple[HoldRow, ...]
    filters: tuple[Filter, ...]
    filtered: bool
    older: str
    newer: str


def read(query: Any) -> Wanted:
    """Read the address's query. :raises BadRequest: naming what is wrong with it."""
    state = query.get("state", "")
    if state not in dict(STATES):
        raise BadRequest("state must be one of the states offered")
    after, before = (_number(query.get(name, ""), name) for name in ("after", "before"))
    if after is not None and before is not None:
        raise BadRequest("after and before exclude each other")
    return Wanted(backend=query.get("backend", ""), state=state, place=Place(after, before))


def page_of(viewer: User, organisation: int, name: str, wanted: Wanted) -> HoldsPage:
    backends = queries.backends()
    if wanted.backend and wanted.backend not in {backend.slug for backend in backends}:
        raise BadRequest("backend must be one of the back ends offered")
    balance = queries.balance(organisation)
    holds, more_older, more_newer = hold_queries.page(
        organisation,
        wanted.place,
        PAGE_SIZE,
        is_open=wanted.state == "open" if wanted.state else None,
        backend=wanted.backend,
    )
    titles = [("", _("All back ends")), *((backend.slug, backend.name) for backend in backends)]
    return HoldsPage(
        subtitle=_("Credits that %(name)s keeps for running jobs, so that they are there when the jobs end")
        % {"name": name},
        held=balance.held,
        holds=rows_of(holds, viewer, balance.as_of),
        filters=(
            _filter("state", _("State"), [(value, str(title)) for value, title in STATES], wanted.state),
            _filter("backend", _("Back end"), titles, wanted.backend),
        ),
        filtered=bool(wanted.backend or wanted.state),
        older=_address(wanted, after=holds[-1]) if more_older else "",
        newer=_address(wanted, before=holds[0]) if more_newer else "",
    )


def _address(wanted: Wanted, *, after: HoldView | None = None, before: HoldView | None = None) -> str:
    place = after or before
    parts = {"state": wanted.state, "backend": wanted.backend}
    if place is not None:
        parts["after" if after else "before"] = str(place.pk)
    return f"{reverse('holds')}?{urlencode({name: value for name, value in parts.items() if value})}"


def _number(text: str, name: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < MAX_DIGITS):
        raise BadRequest(f"{name} must be a place that the list gave")
    return int(text)


def _filter(name: str, title: str, options: Sequence[tuple[str, str]], chosen: str) -> Filter:
    return Filter(name, title, tuple(Option(value, text, value == chosen) for value, text in options))
