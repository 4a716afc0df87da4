"""What the dashboard shows: what can be spent, out of which grants, what expires, and the last jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from accounting import queries
from portal.contexts import terms
from portal.contexts.jobs import NO_ORGANISATION, JobRow, job_path, organisation_named, row_of
from portal.models import User

SOON = timedelta(days=14)
"""A grant that expires within this is pointed out."""
NOTICE_AGE = timedelta(days=14)
LAST_JOBS = 8
MOST_NOTICES = 50
OPEN_NOTICES = 2
REFUSED = "organisation_refused"
"""The kind of notice that says that an organisation named by a job did not pay."""


@dataclass(frozen=True, slots=True)
class GrantRow:
    """`share` is what is left in percent, for the bar; `meter` says it in words; `ahead` when it expires."""

    label: str
    kind: str
    scope: str
    amount: int
    remaining: int
    share: str
    meter: str
    expires_at: datetime | None
    ahead: str
    soon: bool


@dataclass(frozen=True, slots=True)
class Month:
    name: str
    spent: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Notice:
    """`dismiss` is the kind to mark as read when the person closes it; empty when it cannot be closed."""

    tone: str
    title: str
    text: str
    href: str
    action: str
    dismiss: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`spendable` is never negative: what is owed is shown as such. `expiry` is the grant that expires next,
    `granted_left` the sum over the grants, before what is owed. `more_notices` are folded, so that the balance stays
    in view.
    """

    balance: queries.Balance
    spendable: int
    month: Month
    grants: tuple[GrantRow, ...]
    granted_left: int
    expiry: GrantRow | None
    jobs: tuple[JobRow, ...]
    notices: tuple[Notice, ...]
    more_notices: tuple[Notice, ...]


def page_of(user: User, organisation: int) -> Dashboard:
    balance = queries.balance(organisation)
    names = {backend.id: backend.name for backend in queries.backends()}
    grants = tuple(_grant_row(grant, names, balance.as_of) for grant in queries.open_grants(organisation))
    jobs = queries.jobs(organisations=[organisation]).order_by("-reported_at", "-pk")
    notices = _notices(user, balance)
    return Dashboard(
        balance=balance,
        spendable=max(balance.spendable, 0),
        month=_month(organisation, balance.as_of),
        grants=grants,
        granted_left=sum(grant.remaining for grant in grants),
        expiry=min((grant for grant in grants if grant.expires_at), key=_expiry, default=None),
        jobs=tuple(row_of(job) for job in jobs[:LAST_JOBS]),
        notices=notices[:OPEN_NOTICES],
        more_notices=notices[OPEN_NOTICES:],
    )


def ahead(at: datetime, now: datetime) -> str:
    """How far away an instant is, in the unit a person would choose."""
    for unit, length in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        count = (at - now) // length
        if count > 0:
            return f"in {count} {unit}{'' if count == 1 else 's'}"
    return "in a moment"


def _expiry(grant: GrantRow) -> datetime:
    if grant.expires_at is None:
        raise ValueError("only grants that expire are compared")
    return grant.expires_at


def _month(organisation: int, now: datetime) -> Month:
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Month(
        name=f"{now:%B}",
        spent=queries.spent(organisation, start),
        jobs=queries.jobs(organisations=[organisation]).filter(reported_at__gte=start).count(),
    )


def _grant_row(grant: queries.GrantView, backends: Mapping[int, str], now: datetime) -> GrantRow:
    permille = grant.remaining * 1000 // grant.amount
    return GrantRow(
        label=grant.label,
        kind=grant.kind,
        scope=_scope(grant, backends),
        amount=grant.amount,
        remaining=grant.remaining,
        share=f"{max(permille, 5) / 10:.1f}",
        meter=f"{permille // 10} % of {grant.label} left",
        expires_at=grant.expires_at,
        ahead=ahead(grant.expires_at, now) if grant.expires_at else "",
        soon=grant.expires_at is not None and grant.expires_at - now < SOON,
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


def _notices(user: User, balance: queries.Balance) -> tuple[Notice, ...]:
    """What the person should know: terms to accept, a debt, each organisation that a job of theirs named in vain."""
    refusals: dict[object, list[Mapping[str, object]]] = {}
    for notice in queries.notices(user.person_id, limit=MOST_NOTICES, unread_only=True):
        if notice.kind == REFUSED and balance.as_of - notice.created_at < NOTICE_AGE:
            refusals.setdefault(notice.facts.get("requested"), []).append(notice.facts)
    terms_due = [_terms()] if terms.are_due(user) else []
    debt = [_debt()] if balance.debt else []
    return (*terms_due, *debt, *(_refused(facts) for facts in refusals.values()))


def _terms() -> Notice:
    return Notice(
        tone="warn",
        title="Please read and accept the terms of use",
        text="Back ends may hold back new jobs until you accept them. Past usage is charged as before.",
        href=reverse("terms"),
        action="Open the terms",
        dismiss="",
    )


def _debt() -> Notice:
    return Notice(
        tone="bad",
        title="The credits are used up",
        text="Work that was done is never refused, so part of it is not covered yet. The next credits pay that first.",
        href="",
        action="",
        dismiss="",
    )


def _refused(facts: Sequence[Mapping[str, object]]) -> Notice:
    job, source = str(facts[0].get("job", "")), str(facts[0].get("source", ""))
    jobs = "A job of yours" if len(facts) == 1 else f"{len(facts)} jobs of yours"
    named = organisation_named(facts[0].get("requested"))
    if named == NO_ORGANISATION:
        title, way_out = f"{jobs} named {named}", "Correct the number, or do not name one."
    else:
        title = f"{jobs} named {named}, but you are not a member of it"
        way_out = "Ask an owner of the other one to add you, or do not name it."
    return Notice(
        tone="warn",
        title=title,
        text=f"So the organisation you had chosen paid. {way_out}",
        href=job_path(source, job) if source else "",
        action="See the job" if len(facts) == 1 else "See the latest",
        dismiss=REFUSED,
    )
