"""What the pages of copying and erasing personal data show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from accounting.erasure import Outlook, Place
from portal import erasure, exports
from portal.contexts import profile
from portal.contexts.tabs import Tab
from portal.models import DataExport, User


@dataclass(frozen=True, slots=True)
class ExportView:
    """`state` is none, waiting, working, ready or failed; `percent` how far it is; `size` in bytes."""

    state: str
    percent: int = 0
    size: int = 0
    ready_at: datetime | None = None
    until: datetime | None = None
    href: str = ""


@dataclass(frozen=True, slots=True)
class DataPage:
    tabs: tuple[Tab, ...]
    export: ExportView


@dataclass(frozen=True, slots=True)
class ErasurePage:
    """`orphans` need another owner first, at `members`; `given_up` are places whose credits nobody can use any more."""

    tabs: tuple[Tab, ...]
    blocked: bool
    open_holds: int
    orphans: tuple[Place, ...]
    members: str
    given_up: tuple[Place, ...]
    credits: int


def page_of(user: User) -> DataPage:
    return DataPage(profile.tabs("profile-data"), export_of(exports.newest(user)))


def export_of(row: DataExport | None) -> ExportView:
    if row is None:
        return ExportView("none")
    if row.failed_at is not None:
        return ExportView("failed")
    if row.ready_at is None:
        percent = 100 * row.done // row.total if row.total else 0
        return ExportView("working" if row.attempt else "waiting", min(percent, 99))
    href = reverse("profile-export-download", args=[row.pk])
    return ExportView("ready", 100, row.size, row.ready_at, row.ready_at + exports.KEPT, href)


def erasure_of(user: User) -> ErasurePage:
    return _shown(erasure.outlook(user))


def _shown(outlook: Outlook) -> ErasurePage:
    return ErasurePage(
        tabs=profile.tabs("profile-data"),
        blocked=outlook.blocked,
        open_holds=outlook.open_holds,
        orphans=tuple(outlook.orphans),
        members=reverse("organisation-members"),
        given_up=tuple(place for place in outlook.given_up if place.spendable > 0),
        credits=outlook.credits,
    )
