"""Limits as people see them: what each is about, and how far a hold's job has come towards it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import F, Q, QuerySet, Sum

from accounting.hold_queries import NOW, HoldView, now
from accounting.models import Limit, OpenHold


@dataclass(frozen=True, slots=True)
class LimitUse:
    """A limit that a hold falls under: `spent` is booked in its period, `running` used by open holds and not booked
    yet. Empty names: it counts everybody's, every project's, every back end's.
    """

    id: int
    amount: int
    spent: int
    running: int
    period: str
    action: str
    organisation: str
    person: int | None
    project: str
    backend: str


def limits_on(hold: HoldView) -> Sequence[LimitUse]:
    """The limits that count the hold's job, the oldest first; nothing of a period that is over."""
    rows = _limits().filter(
        Q(person_id=hold.person) | Q(person=None),
        Q(project_id=hold.project) | Q(project=None),
        Q(backend_id=hold.backend_pk) | Q(backend=None),
        wallet_id=hold.wallet,
    )
    found = list(rows.order_by("pk"))
    return _uses(found, _unbooked(hold.wallet), now()) if found else []


def named(limits: Collection[int]) -> Mapping[int, LimitUse]:
    """Those of the limits (by id) that there are still; what runs is left out (0)."""
    if not limits:
        return {}
    return {use.id: use for use in _uses(_limits().filter(pk__in=limits), [], now())}


def budget(organisation: int) -> LimitUse | None:
    """What the organisation as a whole may spend a month, if that is limited; rather one that blocks.

    What runs is left out (0).
    """
    rows = _limits().filter(
        wallet__organisation_id=organisation, period=Limit.Period.MONTH, person=None, project=None, backend=None
    )
    found = list(rows.order_by("action", "amount")[:1])
    return _uses(found, [], now())[0] if found else None


def _limits() -> QuerySet[Limit]:
    return Limit.objects.select_related("project", "backend", "wallet__organisation")


def _unbooked(wallet: int) -> Sequence[tuple[int, int | None, int, int]]:
    """(person, project, back end, micro-credits): what running jobs have used and no charge has counted yet."""
    rows = OpenHold.objects.filter(wallet_id=wallet, used__gt=F("captured"), expires_at__gt=NOW)
    by = rows.order_by().values_list("hold__person_id", "hold__project_id", "hold__source__backend_id")
    return list(by.annotate(unbooked=Sum(F("used") - F("captured"))))


def _uses(
    limits: Iterable[Limit], unbooked: Sequence[tuple[int, int | None, int, int]], at: datetime
) -> list[LimitUse]:
    return [
        LimitUse(
            id=limit.pk,
            amount=limit.amount,
            spent=limit.spent if limit.period_starts_at >= _start(limit.period, at) else 0,
            running=sum(
                amount for person, project, backend, amount in unbooked if _counts(limit, person, project, backend)
            ),
            period=limit.period,
            action=limit.action,
            organisation=limit.wallet.organisation.name if limit.wallet.organisation else "",
            person=limit.person_id,
            project=limit.project.name if limit.project else "",
            backend=limit.backend.name if limit.backend else "",
        )
        for limit in limits
    ]


def _counts(limit: Limit, person: int, project: int | None, backend: int) -> bool:
    return (
        limit.person_id in (None, person)
        and limit.project_id in (None, project)
        and limit.backend_id in (None, backend)
    )


def _start(period: str, at: datetime) -> datetime:
    """When the period that `at` is in began."""
    if period == Limit.Period.TOTAL:
        return datetime(2000, 1, 1, tzinfo=UTC)
    month = 1 if period == Limit.Period.YEAR else at.astimezone(UTC).month
    return datetime(at.astimezone(UTC).year, month, 1, tzinfo=UTC)
