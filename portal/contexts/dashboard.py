"""What the dashboard shows: what can be spent, out of which grants, what expires, and the last jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounting import hold_queries, queries
from portal.contexts import notices as told
from portal.contexts.hold_rows import HoldRow, rows_of
from portal.contexts.jobs import JobRow, row_of
from portal.contexts.notices import Notice
from portal.contexts.spans import ahead
from portal.models import User

SOON = timedelta(days=14)
"""A grant that expires within this is pointed out."""
LAST_JOBS = 8
RUNNING_JOBS = 6
OPEN_NOTICES = 2


@dataclass(frozen=True, slots=True)
class GrantRow:
    """`share` is what is left in percent, for the bar, its last part, `held_share` wide from `held_from`, what running
    jobs keep; `meter` says it in words; `ahead` when it expires. Of one that has `expired` only that part is left.
    """

    label: str
    kind: str
    scope: str
    amount: int
    remaining: int
    held: int
    share: str
    held_from: str
    held_share: str
    meter: str
    expires_at: datetime | None
    ahead: str
    soon: bool
    expired: bool


@dataclass(frozen=True, slots=True)
class Running:
    """The jobs that credits are held for; `count` is all of them, `jobs` the newest."""

    count: int
    jobs: tuple[HoldRow, ...]


@dataclass(frozen=True, slots=True)
class Month:
    name: str
    spent: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`spendable` is never negative: what is owed is shown as such. `expiry` is the grant that expires next,
    `granted_left` the sum over the grants: what is spendable, held and owed together. `running` is None when nothing is
    held. `more_notices` are folded, so that the balance stays in view.
    """

    balance: queries.Balance
    spendable: int
    month: Month
    grants: tuple[GrantRow, ...]
    granted_left: int
    expiry: GrantRow | None
    running: Running | None
    jobs: tuple[JobRow, ...]
    notices: tuple[Notice, ...]
    more_notices: tuple[Notice, ...]


def page_of(user: User, organisation: int) -> Dashboard:
    balance = queries.balance(organisation)
    names = {backend.id: backend.name for backend in queries.backends()}
    grants = tuple(_grant_row(grant, names, balance.as_of) for grant in queries.open_grants(organisation))
    jobs = queries.jobs(organisations=[organisation]).order_by("-reported_at", "-pk")
    notices = told.of(user, balance)
    return Dashboard(
        balance=balance,
        spendable=max(balance.spendable, 0),
        month=_month(organisation, balance.as_of),
        grants=grants,
        granted_left=sum(grant.remaining for grant in grants),
        expiry=min((grant for grant in grants if grant.expires_at and not grant.expired), key=_expiry, default=None),
        running=_running(user, organisation, balance.as_of),
        jobs=tuple(row_of(job) for job in jobs[:LAST_JOBS]),
        notices=notices[:OPEN_NOTICES],
        more_notices=notices[OPEN_NOTICES:],
    )


def _expiry(grant: GrantRow) -> datetime:
    if grant.expires_at is None:
        raise ValueError("only grants that expire are compared")
    return grant.expires_at


def _running(user: User, organisation: int, now: datetime) -> Running | None:
    count = hold_queries.count_running(organisation)
    if not count:
        return None
    return Running(count, rows_of(hold_queries.running(organisation, RUNNING_JOBS), user, now, family=True))


def _month(organisation: int, now: datetime) -> Month:
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Month(
        name=f"{now:%B}",
        spent=queries.spent(organisation, start),
        jobs=queries.jobs(organisations=[organisation]).filter(reported_at__gte=start).count(),
    )


def _grant_row(grant: queries.GrantView, backends: Mapping[int, str], now: datetime) -> GrantRow:
    permille, held = (part * 1000 // grant.amount for part in (grant.remaining, grant.held))
    kept = f", {held // 10} % kept for running jobs" if grant.held else ""
    expired = grant.expires_at is not None and grant.expires_at <= now
    return GrantRow(
        label=grant.label,
        kind=grant.kind,
        scope=_scope(grant, backends),
        amount=grant.amount,
        remaining=grant.remaining,
        held=grant.held,
        share=f"{max(permille, 5) / 10:.1f}",
        held_from=f"{(permille - held) / 10:.1f}",
        held_share=f"{held / 10:.1f}",
        meter=f"{permille // 10} % of {grant.label} left{kept}",
        expires_at=grant.expires_at,
        ahead=ahead(grant.expires_at, now) if grant.expires_at and not expired else "",
        soon=grant.expires_at is not None and not expired and grant.expires_at - now < SOON,
        expired=expired,
    )


def _scope(grant: queries.GrantView, backends: Mapping[int, str]) -> str:
    """What a grant may be spent on, in words; empty when it may be spent on anything."""
    parts = []
    if grant.backends:
        parts.append(f"on {_listed([backends.get(pk, f'back end {pk}') for pk in grant.backends])}")
    if grant.processes:
        parts.append(f"for {_listed(grant.processes)}")
    return f"Only {' '.join(parts)}" if parts else ""


def _listed(names: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
