"""The pages that the frame leads to, in one table: a page is listed by adding a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from portal.models import User

ANYBODY, PERSON, STAFF = "anybody", "person", "staff"
WORK, TEAM, FEDERATION, OPERATION, SUPPORT = "work", "team", "federation", "operation", "support"
GROUPS: tuple[tuple[str, str | _StrPromise], ...] = (
    (WORK, ""),
    (TEAM, ""),
    (FEDERATION, _("Federation")),
    (OPERATION, _("Operation")),
    (SUPPORT, ""),
)
MAIN = 4
"""How many pages the bar at the bottom of phones has beside "More"."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A page: its route, for whom and where it stands. `main` ranks it for the bar of phones; 0: only under "More".

    `words` are what people may type to find it besides its title.
    """

    route: str
    title: str | _StrPromise
    icon: str
    group: str
    audience: str = PERSON
    main: int = 0
    words: str | _StrPromise = ""


ENTRIES = (
    Entry(
        "dashboard", _("Dashboard"), icon="layout-dashboard", group=WORK, main=1, words=_("balance credits left start")
    ),
    Entry(
        "usage", _("Usage"), icon="chart-column", group=WORK, main=2, words=_("spent by day member project algorithm")
    ),
    Entry("jobs", _("Jobs"), icon="list-checks", group=WORK, main=3, words=_("costs receipts charges")),
    Entry("holds", _("Holds"), icon="hourglass", group=WORK, main=4, words=_("reserved running budget")),
    Entry("estimates", _("Estimates"), icon="gauge", group=WORK, main=5, words=_("accuracy calibration")),
    Entry(
        "organisation",
        _("Organisation"),
        icon="users",
        group=TEAM,
        words=_("members projects limits budgets team invite"),
    ),
    Entry("rates", _("Rates"), icon="tags", group=FEDERATION, audience=ANYBODY, words=_("prices tariff calculator")),
    Entry("backends", _("Back ends"), icon="server", group=FEDERATION, audience=ANYBODY, words=_("providers status")),
    Entry(
        "estimate-form",
        _("Estimate a job"),
        icon="calculator",
        group=FEDERATION,
        audience=ANYBODY,
        words=_("cost before"),
    ),
    Entry("admin:index", _("Records"), icon="database", group=OPERATION, audience=STAFF, words=_("admin ledger")),
    Entry(
        "help", _("Help"), icon="circle-question-mark", group=SUPPORT, audience=ANYBODY, words=_("questions answers")
    ),
)
#: Found by searching, and reached from the account's menu, the bell or a list rather than the side bar.
ELSEWHERE = (
    Entry("notifications", _("Notifications"), icon="bell", group=WORK, words=_("alerts told unread mail")),
    Entry("notification-preferences", _("Notification preferences"), icon="bell", group=WORK, words=_("e-mail digest")),
    Entry("compare", _("Compare jobs"), icon="scale", group=WORK, words=_("difference side by side")),
    Entry("compare", _("Compare jobs"), icon="scale", group=WORK, words=_("difference why dearer")),
    Entry("notifications", _("Notifications"), icon="bell", group=WORK, words=_("notices alerts mail")),
    Entry("profile", _("Profile"), icon="circle-user", group=WORK, words=_("account identity roles entitlements")),
)


@dataclass(frozen=True, slots=True)
class PageLink:
    title: str
    href: str
    icon: str
    here: bool


@dataclass(frozen=True, slots=True)
class PageGroup:
    """`title` is empty for the pages that need none."""

    title: str
    links: tuple[PageLink, ...]


@dataclass(frozen=True, slots=True)
class Navigation:
    """`main` are the pages at the thumb; `more` tells that this page is not one of them."""

    groups: tuple[PageGroup, ...]
    main: tuple[PageLink, ...]
    more: bool


def navigation_of(user: User | None, path: str) -> Navigation:
    entries = [entry for entry in ENTRIES if _shown(entry, user)]
    links = dict(zip(entries, _links(entries, path), strict=True))
    groups = tuple(
        PageGroup(str(title), tuple(link for entry, link in links.items() if entry.group == name))
        for name, title in GROUPS
    )
    ranked = sorted((entry for entry in entries if entry.main), key=lambda entry: entry.main)[:MAIN]
    main = tuple(links[entry] for entry in ranked)
    return Navigation(tuple(group for group in groups if group.links), main, not any(link.here for link in main))


def find(user: User | None, words: Sequence[str]) -> tuple[PageLink, ...]:
    """The pages that have each of the words in their title or among their other words; all of them for no words."""
    entries = [entry for entry in (*ENTRIES, *ELSEWHERE) if _shown(entry, user) and _fits(entry, words)]
    return _links(entries, "")


def _fits(entry: Entry, words: Sequence[str]) -> bool:
    text = f"{entry.title} {entry.words}".casefold()
    return all(word.casefold() in text for word in words)


def _shown(entry: Entry, user: User | None) -> bool:
    if entry.audience == STAFF:
        return user is not None and user.is_staff
    return entry.audience == ANYBODY or user is not None


def _links(entries: Sequence[Entry], path: str) -> tuple[PageLink, ...]:
    """Of addresses that begin each other the longest one is here."""
    addresses = [reverse(entry.route) for entry in entries]
    here = max((address for address in addresses if path.startswith(address)), key=len, default="")
    return tuple(
        PageLink(str(entry.title), address, entry.icon, here=address == here)
        for entry, address in zip(entries, addresses, strict=True)
    )
