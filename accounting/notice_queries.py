"""What people were told: reads for pages and mails. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounting.models import Notice, Organisation


@dataclass(frozen=True, slots=True)
class NoticeView:
    """`facts` are what was so when it was told; amounts in them are micro-credits, instants ISO 8601."""

    id: int
    person: int
    kind: str
    organisation: int | None
    cause: str
    facts: Mapping[str, Any]
    created_at: datetime
    read_at: datetime | None


def view(row: Notice) -> NoticeView:
    return NoticeView(
        id=row.pk,
        person=row.person_id,
        kind=row.kind,
        organisation=row.organisation_id,
        cause=row.cause,
        facts=row.facts,
        created_at=row.created_at,
        read_at=row.read_at,
    )


def of_person(person: int, *, unread_only: bool = False, kind: str = "") -> QuerySet[Notice]:
    """What the person was told. Order is the caller's; newest first is `-pk`, and an index holds it."""
    rows = Notice.objects.filter(person_id=person)
    if unread_only:
        rows = rows.filter(read_at__isnull=True)
    return rows.filter(kind=kind) if kind else rows


def views(rows: QuerySet[Notice]) -> Sequence[NoticeView]:
    return [view(row) for row in rows]


def find(person: int, notice: int) -> NoticeView | None:
    """The notice, if the person was told it."""
    row = Notice.objects.filter(person_id=person, pk=notice).first()
    return view(row) if row else None


def by_id(notices: Collection[int]) -> Mapping[int, NoticeView]:
    return {row.pk: view(row) for row in Notice.objects.filter(pk__in=notices)} if notices else {}


def unread(person: int, most: int = 100) -> int:
    """How many notices the person has not read, counted up to `most`; one short range of an index."""
    return Notice.objects.filter(person_id=person, read_at__isnull=True).order_by("-pk")[:most].count()


def organisation_names(organisations: Collection[int]) -> Mapping[int, str]:
    """The names of those that there are; no query for none."""
    if not organisations:
        return {}
    rows = Organisation.objects.filter(pk__in=organisations)
    return dict(rows.values_list("pk", "name"))
