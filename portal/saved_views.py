"""Questions to the usage explorer that people keep: their own, and those that their organisation shares."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from portal.models import DefaultView, SavedView, User

MOST = 30
"""Of one person in one organisation."""


class NameTaken(Exception):
    """The person has a view of that name in the organisation."""


class TooMany(Exception):
    """The person keeps as many views in the organisation as anybody may."""


def visible(user: User, organisation: int) -> QuerySet[SavedView]:
    """The person's own and the shared ones, by name."""
    rows = SavedView.objects.filter(organisation_id=organisation).filter(Q(owner=user) | Q(shared=True))
    return rows.select_related("owner").order_by("name", "created_at")


def find(user: User, organisations: Collection[int], view: UUID) -> SavedView:
    """:raises LookupError: none that the person may see, being a member of those organisations."""
    rows = SavedView.objects.filter(pk=view, organisation_id__in=organisations).filter(Q(owner=user) | Q(shared=True))
    found = rows.select_related("organisation").first()
    if found is None:
        raise LookupError
    return found


def own(user: User, organisation: int, view: UUID) -> SavedView:
    """:raises LookupError: none of the person's own."""
    found = SavedView.objects.filter(pk=view, organisation_id=organisation, owner=user).first()
    if found is None:
        raise LookupError
    return found


def save(user: User, organisation: int, name: str, query: str, *, shared: bool) -> SavedView:
    """:raises NameTaken: :raises TooMany:"""
    try:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            if SavedView.objects.filter(owner=user, organisation_id=organisation).count() >= MOST:
                raise TooMany
            return SavedView.objects.create(
                owner=user, organisation_id=organisation, name=name, query=query, shared=shared
            )
    except IntegrityError as error:
        raise NameTaken from error


def change(view: SavedView, name: str, *, shared: bool) -> None:
    """:raises NameTaken:"""
    view.name, view.shared = name, shared
    try:
        with transaction.atomic():
            view.save(update_fields=["name", "shared"])
            if not shared:
                DefaultView.objects.filter(view=view).exclude(user_id=view.owner_id).delete()
    except IntegrityError as error:
        raise NameTaken from error


def delete(view: SavedView) -> None:
    """Whoever had it as default is back to the usual page."""
    view.delete()


def set_default(user: User, view: SavedView | None, organisation: int) -> None:
    """None: back to the usual page."""
    if view is None:
        DefaultView.objects.filter(user=user, organisation_id=organisation).delete()
    else:
        DefaultView.objects.update_or_create(user=user, organisation_id=organisation, defaults={"view": view})


def default(user: User, organisation: int) -> SavedView | None:
    """What the explorer opens with."""
    rows = DefaultView.objects.filter(user=user, organisation_id=organisation).select_related("view")
    found = rows.filter(Q(view__owner=user) | Q(view__shared=True)).first()
    return found.view if found else None


def default_id(user: User, views: Sequence[SavedView]) -> UUID | None:
    """Which of the views it is, if any."""
    return DefaultView.objects.filter(user=user, view__in=views).values_list("view_id", flat=True).first()
