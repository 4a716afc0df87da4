"""Credits that come on the first of each month and expire with it, so that people know when the next ones come (G7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction

from accounting import grants
from accounting.credits import LARGEST
from accounting.errors import GrantInvalid, NotFound
from accounting.hold_queries import NOW, now
from accounting.models import Allowance, Grant, Organisation

MOST = 10
"""Of one organisation, as they are listed."""


@dataclass(frozen=True, slots=True)
class Coming:
    """`amount` micro-credits that will be granted at `at`."""

    at: datetime
    amount: int
    kind: str
    label: str


def set_monthly(
    organisation: int, amount: int, *, kind: str, label: str, fund: str, starts_at: datetime | None = None
) -> int:
    """From the month of `starts_at` on (the next one if not told), `amount` micro-credits of `fund` a month.

    The same label again changes the other terms from the next grant on; when that comes, only if it had ended. A month
    is granted once, whatever is set. Returns its id.

    :raises GrantInvalid: amount not positive or too large, unknown kind, no label or fund.
    :raises NotFound: no such organisation.
    """
    if not 0 < amount <= LARGEST:
        raise GrantInvalid("a grant is more than nothing and at most what one booking may move", field="amount")
    if kind not in Grant.Kind.values:
        raise GrantInvalid(f"the kind must be one of {', '.join(Grant.Kind.values)}", field="kind")
    if not (label and fund):
        raise GrantInvalid("an allowance has a label, and a funder, so that free credits have a payer", field="fund")
    if not Organisation.objects.filter(pk=organisation).exists():
        raise NotFound("no such organisation", field="organisation")
    due_at = month_of(starts_at) if starts_at else month_after(now())
    terms = {"kind": kind, "fund": fund, "amount": amount}
    with transaction.atomic():
        allowance, made = Allowance.objects.select_for_update().get_or_create(
            organisation_id=organisation, label=label, defaults={**terms, "due_at": due_at}
        )
        if not made:
            Allowance.objects.filter(pk=allowance.pk).update(**terms, due_at=allowance.due_at or due_at)
    return allowance.pk


def end(organisation: int, label: str) -> None:
    """No further grants; what was granted stays. :raises NotFound: no such allowance."""
    if not Allowance.objects.filter(organisation_id=organisation, label=label).update(due_at=None):
        raise NotFound("no such allowance", field="label")


def coming(organisation: int) -> Sequence[Coming]:
    """The next grant of each allowance, the soonest first; at most MOST."""
    rows = Allowance.objects.filter(organisation_id=organisation, due_at__isnull=False).order_by("due_at", "pk")
    return [Coming(row.due_at, row.amount, row.kind, row.label) for row in rows[:MOST] if row.due_at]


def grant_due() -> int:
    """Grants what is due by the database's clock (L7). Idempotent. Returns how many it granted.

    Of months that went by meanwhile only the one that is now is granted: their credits would have expired.
    """
    granted = 0
    while _grant_next():
        granted += 1
    return granted


def _grant_next() -> bool:
    """Whether there was one that is due."""
    with transaction.atomic():
        due = Allowance.objects.select_for_update(skip_locked=True).filter(due_at__lte=NOW)
        allowance = due.order_by("due_at", "pk").first()
        if allowance is None or allowance.due_at is None:
            return False
        month = max(allowance.due_at, month_of(now()))
        expires_at = month_after(month)
        grants.issue(
            allowance.organisation_id,
            allowance.amount,
            kind=allowance.kind,
            label=f"{allowance.label}, {month:%Y-%m}",
            fund=allowance.fund,
            key=f"allowance/{allowance.pk}/{month:%Y-%m}",
            expires_at=expires_at,
        )
        allowance.due_at = expires_at
        allowance.save(update_fields=["due_at"])
    return True


def month_of(at: datetime) -> datetime:
    """When the UTC month began that the instant is in."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(at: datetime) -> datetime:
    """When the UTC month begins that follows the one of the instant."""
    return month_of(month_of(at) + timedelta(days=31))
