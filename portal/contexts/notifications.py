"""What the list of notifications shows: a page of what the person was told, newest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounting import notice_queries
from portal.contexts import cursors, notice_texts
from portal.contexts.cursors import Place
from portal.contexts.job_filters import Filter, Option
from portal.contexts.notice_texts import Said
from portal.contexts.tabs import Tab
from portal.models import User
from portal.notifications.kinds import LISTED

UNREAD, ALL = "unread", ""
_KEYS = ("pk",)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for."""

    show: str = ALL
    kind: str = ""
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True)
class Item:
    """`href` marks it as read and goes on to what it is about; empty when it is about nothing that has a page."""

    id: int
    said: Said
    href: str
    at: datetime
    unread: bool


@dataclass(frozen=True, slots=True)
class NotificationsPage:
    """`newest` is up to where "mark all" reaches, 0 when nothing is shown; `here` the address to come back to."""

    items: tuple[Item, ...]
    tabs: tuple[Tab, ...]
    filters: tuple[Filter, ...]
    wanted: Wanted
    any_unread: bool
    newest: int
    here: str
    older: str
    newer: str


def read(query: Any) -> Wanted:
    """Read the address's query. :raises BadRequest: naming what is wrong with it."""
    show, kind = query.get("show", ALL), query.get("kind", "")
    if show not in (ALL, UNREAD):
        raise BadRequest("show must be unread, or left out")
    if kind and kind not in {one.key for one in LISTED}:
        raise BadRequest("kind must be one of the kinds offered")
    return Wanted(show, kind, cursors.read(query))


def page_of(user: User, wanted: Wanted) -> NotificationsPage:
    rows = notice_queries.of_person(user.person_id, unread_only=wanted.show == UNREAD, kind=wanted.kind)
    page = cursors.page(rows, _KEYS, wanted.place)
    told = [notice_queries.view(row) for row in page.rows]
    items = tuple(
        Item(
            id=one.id,
            said=said,
            href=reverse("notification", args=[one.id]) if said.href else "",
            at=one.created_at,
            unread=one.read_at is None,
        )
        for one, said in zip(told, notice_texts.describe(told), strict=True)
    )
    return NotificationsPage(
        items=items,
        tabs=(_tab(_("All"), ALL, wanted), _tab(_("Unread"), UNREAD, wanted)),
        filters=(_kinds(wanted),),
        wanted=wanted,
        any_unread=any(item.unread for item in items),
        newest=max((item.id for item in items), default=0),
        here=_address(wanted.show, wanted.kind),
        older=_address(wanted.show, wanted.kind, after=page.after) if page.after else "",
        newer=_address(wanted.show, wanted.kind, before=page.before) if page.before else "",
    )


def _tab(title: str, show: str, wanted: Wanted) -> Tab:
    return Tab(title, _address(show, wanted.kind), wanted.show == show)


def _kinds(wanted: Wanted) -> Filter:
    every = Option("", _("Everything"), not wanted.kind)
    kinds = (Option(kind.key, str(kind.title), kind.key == wanted.kind) for kind in LISTED)
    return Filter("kind", _("About"), (every, *kinds))


def _address(show: str, kind: str, *, after: str = "", before: str = "") -> str:
    parts = {"show": show, "kind": kind, "after": after, "before": before}
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"{reverse('notifications')}?{query}" if query else reverse("notifications")
