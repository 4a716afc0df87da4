"""What happened to holds since they were opened, for those who want to know where their credits were meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, OuterRef, Subquery, Sum, Value, Window
from django.db.models.functions import Coalesce, RowNumber

from accounting.hold_queries import HoldView
from accounting.models import Hold, HoldEvent

OPENED = "opened"


@dataclass(frozen=True, slots=True)
class EventView:
    """What happened to a hold. `amount` changes what it keeps, `kept` is what it keeps afterwards.

    `kind` is opened or one of `HoldEvent.Kind`. Of a capture, `transaction`, `source` and `job_id` name the charge and
    `taken_back` why it stands no more; `superseded` when a later one replaced it (H8). `other` is the child that was
    lent to or gave back, `other_job` its job.
    """

    pk: int | None
    kind: str
    amount: int
    kept: int
    excess: int
    at: datetime
    ends: bool
    reason: str
    transaction: int | None
    source: str
    job_id: str
    taken_back: str
    other: UUID | None
    other_job: str


def events(holds: Sequence[HoldView], most: int, before: int | None = None) -> Mapping[int, Sequence[EventView]]:
    """The newest first, by the primary key of the hold: at most `most` of each, older than the event `before`.

    That a hold was opened is the last of its events, unless more than `most` came after it.
    """
    rows = HoldEvent.objects.filter(hold_id__in=[hold.pk for hold in holds])
    if before is not None:
        rows = rows.filter(pk__lt=before)
    child = Hold.objects.filter(pk=OuterRef("other"))
    rows = rows.annotate(
        change=Window(Sum("amount"), partition_by="hold_id", order_by="pk"),
        place=Window(RowNumber(), partition_by="hold_id", order_by=F("pk").desc()),
        other_uuid=Subquery(child.values("uuid")),
        other_job=Coalesce(Subquery(child.values("job_id")), Value("")),
        charged_source=F("transaction__report__job__source__source_id"),
        charged_job=F("transaction__report__job__job_id"),
        taken_back=Coalesce(F("transaction__reversed_by__reason"), Value("")),
    )
    found: dict[int, list[EventView]] = {hold.pk: [] for hold in holds}
    opened = {hold.pk: hold for hold in holds}
    for row in rows.filter(place__lte=most).order_by("-pk") if holds else ():
        found[row.hold_id].append(_event(row, opened[row.hold_id]))
    for hold in holds:
        if len(found[hold.pk]) < most:
            found[hold.pk].append(_opening(hold))
    return found


def _event(row: HoldEvent, hold: HoldView) -> EventView:
    said = row.__dict__
    return EventView(
        pk=row.pk,
        kind=row.kind,
        amount=row.amount,
        kept=hold.amount + int(said["change"]),
        excess=row.excess,
        at=row.recorded_at,
        ends=row.ends,
        reason=row.reason,
        transaction=row.transaction_id,
        source=said["charged_source"] or "",
        job_id=said["charged_job"] or "",
        taken_back=said["taken_back"],
        other=said["other_uuid"],
        other_job=said["other_job"],
    )


def _opening(hold: HoldView) -> EventView:
    return EventView(
        pk=None,
        kind=OPENED,
        amount=hold.amount,
        kept=hold.amount,
        excess=0,
        at=hold.opened_at,
        ends=False,
        reason="",
        transaction=None,
        source="",
        job_id="",
        taken_back="",
        other=None,
        other_job="",
    )
