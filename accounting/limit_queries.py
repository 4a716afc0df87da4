"""Limits as people see them: what each is about, and how far a hold's job has come towards it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Greatest

from accounting.hold_queries import NOW, HoldView, now
from accounting.models import Limit, OpenHold


@dataclass(frozen=True, slots=True)
class LimitUse:
    """A limit and how much of it is used: `spent` is booked in its period, `running` used by open holds and not booked
    yet, `kept` by open holds altogether. Empty names: it counts everybody's, every project's, every back end's.

    Of a limit of single jobs (`period` job) nothing is counted here but what a page asks it for one job.
    """

    id: int
    amount: int
    spent: int
    running: int
    kept: int
    period: str
    action: str
    fallback: bool
    organisation: str
    person: int | None
    project_pk: int | None
    project: str
    backend_pk: int | None
    backend: str
    process: str

    @property
    def is_whole(self) -> bool:
        """What the organisation as a whole may spend a period."""
        return self.project_pk is None and self._alone

    @property
    def is_budget(self) -> bool:
        """Of a project (M3)."""
        return self.project_pk is not None and self._alone

    @property
    def _alone(self) -> bool:
        named = self.person is not None or self.backend_pk is not None or bool(self.process)
        return not named and self.action == Limit.Action.BLOCK and self.period != Limit.Period.JOB


@dataclass(frozen=True, slots=True)
class _Open:
    """What open holds of a kind keep, and what their jobs have used and no charge has counted yet."""

    person: int
    project: int | None
    backend: int
    processes: tuple[str, ...]
    unbooked: int
    kept: int


def limits_on(hold: HoldView) -> Sequence[LimitUse]:
    """The limits that count the hold's job, the oldest first; nothing of a period that is over."""
    rows = _limits().filter(
        Q(person_id=hold.person) | Q(person=None),
        Q(project_id=hold.project) | Q(project=None),
        Q(backend_id=hold.backend_pk) | Q(backend=None),
        Q(process__in=hold.processes) | Q(process=""),
        wallet_id=hold.wallet,
    )
    found = list(rows.order_by("pk"))
    if not found:
        return []
    uses = _uses(found, _open(hold.wallet), now())
    return [_of_job(use, hold) if use.period == Limit.Period.JOB else use for use in uses]


def _of_job(use: LimitUse, hold: HoldView) -> LimitUse:
    return dataclasses.replace(use, spent=hold.charged, running=max(hold.used - hold.charged, 0), kept=hold.kept)


def of_organisation(organisation: int) -> Sequence[LimitUse]:
    """All of them, the oldest first."""
    found = list(_limits().filter(wallet__organisation_id=organisation).order_by("pk"))
    return _uses(found, _open(found[0].wallet_id), now()) if found else []


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
        wallet__organisation_id=organisation,
        period=Limit.Period.MONTH,
        person=None,
        project=None,
        backend=None,
        process="",
    )
    found = list(rows.order_by("action", "amount")[:1])
    return _uses(found, [], now())[0] if found else None


def unassigned(uses: Iterable[LimitUse], period: str) -> tuple[int, int, int] | None:
    """Of an organisation's own budget of a period the part that no project has, and what of it is spent and kept (M4).

    Micro-credits. None: the organisation has no budget of its own, so nothing bounds that part.
    """
    uses = [use for use in uses if use.period == period]
    whole = next((use for use in uses if use.is_whole), None)
    if whole is None:
        return None
    budgets = [use for use in uses if use.is_budget]
    spent = whole.spent - sum(min(use.spent, use.amount) for use in budgets)
    used = whole.spent + whole.kept - sum(min(use.spent + use.kept, use.amount) for use in budgets)
    return whole.amount - sum(use.amount for use in budgets), spent, used - spent


def _limits() -> QuerySet[Limit]:
    return Limit.objects.select_related("project", "backend", "wallet__organisation")


def _open(wallet: int) -> Sequence[_Open]:
    rows = OpenHold.objects.filter(wallet_id=wallet, expires_at__gt=NOW).order_by()
    by = rows.values_list("hold__person_id", "hold__project_id", "hold__source__backend_id", "hold__processes")
    sums = by.annotate(unbooked=Sum(Greatest(F("used") - F("captured"), 0)), kept=Sum("remaining"))
    return [
        _Open(person, project, backend, tuple(processes), int(unbooked), int(kept))
        for person, project, backend, processes, unbooked, kept in sums
    ]


def _uses(limits: Iterable[Limit], running: Sequence[_Open], at: datetime) -> list[LimitUse]:
    return [_use(limit, [one for one in running if _counts(limit, one)], at) for limit in limits]


def _use(limit: Limit, running: Sequence[_Open], at: datetime) -> LimitUse:
    return LimitUse(
        id=limit.pk,
        amount=limit.amount,
        spent=limit.spent if limit.period_starts_at >= _start(limit.period, at) else 0,
        running=sum(one.unbooked for one in running),
        kept=sum(one.kept for one in running),
        period=limit.period,
        action=limit.action,
        fallback=limit.fallback,
        organisation=limit.wallet.organisation.name if limit.wallet.organisation else "",
        person=limit.person_id,
        project_pk=limit.project_id,
        project=limit.project.name if limit.project else "",
        backend_pk=limit.backend_id,
        backend=limit.backend.name if limit.backend else "",
        process=limit.process,
    )


def _counts(limit: Limit, one: _Open) -> bool:
    return (
        limit.period != Limit.Period.JOB
        and limit.person_id in (None, one.person)
        and limit.project_id in (None, one.project)
        and limit.backend_id in (None, one.backend)
        and (not limit.process or limit.process in one.processes)
    )


def _start(period: str, at: datetime) -> datetime:
    """When the period that `at` is in began."""
    if period in (Limit.Period.TOTAL, Limit.Period.JOB):
        return datetime(2000, 1, 1, tzinfo=UTC)
    month = 1 if period == Limit.Period.YEAR else at.astimezone(UTC).month
    return datetime(at.astimezone(UTC).year, month, 1, tzinfo=UTC)
