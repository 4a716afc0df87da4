"""What happened to a hold, as a table and as a line over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounting.hold_events import EventView
from accounting.hold_queries import HoldView
from portal.contexts.hold_rows import hold_path
from portal.contexts.jobs import job_path

_KINDS = {
    "opened": gettext_lazy("Opened"),
    "extended": gettext_lazy("Extended"),
    "restored": gettext_lazy("Charge replaced"),
    "lent": gettext_lazy("Lent to a part"),
    "returned": gettext_lazy("Back from a part"),
    "released": gettext_lazy("Given back"),
    "expired": gettext_lazy("Expired"),
}
_WIDTH, _HEIGHT = 1000, 100


@dataclass(frozen=True, slots=True)
class EventRow:
    """`amount` changes what is kept, `kept` is kept afterwards; `excess` was charged beyond it. `href` leads to the
    charge or the part that `action` names.
    """

    title: str
    note: str
    at: datetime
    amount: int
    kept: int
    excess: int
    href: str
    action: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What was kept over time, as points of a figure 1000 wide and 100 high; `label` says it in words."""

    line: str
    area: str
    starts_at: datetime
    ends_at: datetime
    most: int
    label: str


def rows_of(events: Sequence[EventView], hold: HoldView) -> tuple[EventRow, ...]:
    return tuple(_row(event, hold) for event in events)


def charge_path(source: str, job_id: str, organisation: int, transaction: int | None) -> str:
    """The address of a charge on the page of its job."""
    return f"{job_path(source, job_id)}?{urlencode({'payer': organisation})}#charge-{transaction}"


def timeline_of(events: Sequence[EventView], hold: HoldView, now: datetime) -> Timeline | None:
    """From the oldest of the events (newest first) until now or the end; None when there is nothing to draw."""
    until = max(hold.ended_at or now, events[0].at) if events else now
    most = max((event.kept for event in events), default=0)
    if not events or not most or until <= events[-1].at:
        return None
    since, span = events[-1].at, (until - events[-1].at).total_seconds()
    points: list[tuple[int, int]] = []
    for event in reversed(events):
        x = round((event.at - since).total_seconds() * _WIDTH / span)
        y = _HEIGHT - event.kept * _HEIGHT // most
        if len(points) > 1 and points[-1][0] == x:  # too soon after the one before to be seen apart
            points[-1] = (x, y)
        else:
            points += [(x, points[-1][1]), (x, y)] if points else [(x, y)]
    points.append((_WIDTH, points[-1][1]))
    line = " ".join(f"{x},{y}" for x, y in points)
    return Timeline(
        line=line,
        area=f"0,{_HEIGHT} {line} {_WIDTH},{_HEIGHT}",
        starts_at=since,
        ends_at=until,
        most=most,
        label=ngettext(
            "What was kept over time, in %(count)s step", "What was kept over time, in %(count)s steps", len(events)
        )
        % {"count": len(events)},
    )


def _row(event: EventView, hold: HoldView) -> EventRow:
    href, action = _link(event, hold)
    return EventRow(
        title=_title(event),
        note=_note(event),
        at=event.at,
        amount=event.amount,
        kept=event.kept,
        excess=0 if event.taken_back else event.excess,
        href=href,
        action=action,
    )


def _title(event: EventView) -> str:
    if event.kind != "captured":
        return str(_KINDS[event.kind])
    return _("Charged, and ended") if event.ends else _("Charged")


def _note(event: EventView) -> str:
    if event.kind == "captured" and event.taken_back:
        if event.taken_back == "superseded":
            return _("Replaced by a later charge")
        return _("The charge was given back")
    if event.kind == "released":
        return event.reason or (_("What the job did not use") if event.transaction else _("At the back end’s request"))
    notes = {
        "restored": _("Came back, because a later charge takes its place"),
        "expired": _("No heartbeat came in time"),
    }
    return notes.get(event.kind, "")


def _link(event: EventView, hold: HoldView) -> tuple[str, str]:
    if event.kind == "captured" and event.job_id:
        path = charge_path(event.source, event.job_id, hold.organisation, event.transaction)
        return path, _("The charge")
    return (hold_path(event.other), event.other_job) if event.other else ("", "")
