"""What changed about a job's charges after they were booked, each as an entry of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from accounting.receipts import Receipt
from portal.contexts import job_holds
from portal.contexts.charges import REASONS, title_of


@dataclass(frozen=True, slots=True)
class Correction:
    """`amount` (micro-credits) is what it changes the cost by; `anchor` names the charge that it is about."""

    title: str
    reason: str
    charge: str
    anchor: str
    at: datetime
    amount: int


def of_receipts(booked: Sequence[Receipt]) -> tuple[Correction, ...]:
    """What was given back, or replaced by a later charge, the newest first."""
    instead = job_holds.replacements(booked)
    found = [_correction(one, replaced=one.transaction in instead) for one in booked if one.reversal]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True))


def _correction(receipt: Receipt, *, replaced: bool) -> Correction:
    reversal = receipt.reversal
    assert reversal is not None
    return Correction(
        title=_("Replaced") if replaced else _("Given back"),
        reason=_("What the job used was charged anew") if replaced else str(REASONS.get(reversal.reason, "")),
        charge=title_of(receipt),
        anchor=f"charge-{receipt.transaction}",
        at=reversal.at,
        amount=-receipt.cost,
    )
