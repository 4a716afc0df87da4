"""What the page and the menu of saved views show."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import BadRequest
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal import saved_views
from portal.contexts import people
from portal.contexts import usage_periods as periods
from portal.contexts.crumbs import Crumb
from portal.contexts.usage_query import CREDITS_BY, SPLIT_BY, Wanted, read
from portal.models import SavedView, User


@dataclass(frozen=True, slots=True)
class ViewRow:
    """`here` is the page that shows it now; `link` its lasting address, for others. `whose` is empty for one's own."""

    id: UUID
    name: str
    about: str
    whose: str
    own: bool
    shared: bool
    default: bool
    here: bool
    href: str
    link: str


@dataclass(frozen=True, slots=True)
class ViewsPage:
    subtitle: str
    crumbs: tuple[Crumb, ...]
    views: tuple[ViewRow, ...]


def rows_of(user: User, organisation: int, query: str = "") -> tuple[ViewRow, ...]:
    """:param query: what is shown now, in its canonical form."""
    found = list(saved_views.visible(user, organisation))
    default = saved_views.default_id(user, found) if found else None
    return tuple(_row(one, user, default, query) for one in found)


def page_of(user: User, organisation: int, name: str) -> ViewsPage:
    rows = rows_of(user, organisation)
    return ViewsPage(
        subtitle=_("Questions about the usage of %(name)s that you keep or share") % {"name": name},
        crumbs=(Crumb(_("Usage"), f"{reverse('usage')}?{Wanted().query()}"),),
        views=rows,
    )


def about(wanted: Wanted) -> str:
    """The question in words."""
    parts = [str(periods.PRESETS[wanted.period])]
    if wanted.since and wanted.last:
        days = {"first": periods.day_name(wanted.since), "last": periods.day_name(wanted.last)}
        parts = [_("%(first)s to %(last)s") % days]
    parts.append(str(CREDITS_BY[wanted.by]))
    if wanted.split:
        parts.append(str(SPLIT_BY[wanted.split]))
    count = sum(len(values) for values in wanted.values.values())
    if count:
        parts.append(ngettext("%(count)s filter", "%(count)s filters", count) % {"count": count})
    return " · ".join(parts)


def _row(view: SavedView, user: User, default: UUID | None, query: str) -> ViewRow:
    own = view.owner_id == user.pk
    return ViewRow(
        id=view.pk,
        name=view.name,
        about=_about_stored(view.query),
        whose="" if own else view.owner.display_name or str(people.UNKNOWN),
        own=own,
        shared=view.shared,
        default=view.pk == default,
        here=view.query == query,
        href=f"{reverse('usage')}?{view.query}",
        link=reverse("usage-view", args=[view.pk]),
    )


def _about_stored(query: str) -> str:
    try:
        return about(read(QueryDict(query)))
    except BadRequest:
        return _("Kept by an older version: save it anew")
