"""The credits that were held for a job, on the job's page, and charges that later ones took the place of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from accounting import hold_events, hold_queries
from accounting.receipts import Receipt
from accounting.reports import CAPTURES
from portal.contexts import hold_rows, hold_story
from portal.contexts.hold_rows import Badge, hold_path
from portal.contexts.hold_story import EventRow, Timeline

if TYPE_CHECKING:
    from accounting.models import Job

MOST_EVENTS = 8
MOST_DRAWN = 60
SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class JobHold:
    """`more`: earlier events are on the hold's own page. `excess` was charged beyond what it kept. `timeline`: what it
    kept over time, as far back as is drawn.
    """

    href: str
    badge: Badge
    amount: int
    kept: int
    charged: int
    excess: int
    opened_at: datetime
    events: tuple[EventRow, ...]
    more: bool
    timeline: Timeline | None


def holds_of(job: Job) -> tuple[JobHold, ...]:
    """The last few holds of the job, the newest first, each with the last of what happened to it."""
    holds = hold_queries.of_job(job)
    if not holds:
        return ()
    told, now = hold_events.events(holds, MOST_DRAWN), hold_queries.now()
    known = hold_rows.verdicts(holds)
    return tuple(
        JobHold(
            href=hold_path(hold.id),
            badge=hold_rows.badge_of(hold, known.get(hold.pk)),
            amount=hold.amount,
            kept=hold.kept,
            charged=hold.charged,
            excess=hold.excess,
            opened_at=hold.opened_at,
            events=hold_story.rows_of(told[hold.pk][:MOST_EVENTS], hold),
            more=len(told[hold.pk]) > MOST_EVENTS,
            timeline=hold_story.timeline_of(told[hold.pk], hold, now),
        )
        for hold in holds
    )


def is_capture(receipt: Receipt) -> bool:
    """Whether it says what a job had used so far, under its hold."""
    return receipt.endpoint == CAPTURES


def replacements(booked: Sequence[Receipt]) -> Mapping[int, Receipt]:
    """By the transaction of each charge that no longer stands because a later one took its place (H8): the one that
    stands instead, or did in the end.
    """
    found: dict[int, Receipt] = {}
    for receipt in reversed(booked):
        reversal = receipt.reversal
        if reversal is None or reversal.reason != SUPERSEDED:
            continue
        later = [one for one in booked if one.transaction > reversal.transaction]
        if later:
            first = min(later, key=lambda one: one.transaction)
            found[receipt.transaction] = found.get(first.transaction, first)
    return found
