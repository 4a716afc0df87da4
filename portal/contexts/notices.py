"""What a person should know when they look at their dashboard, said once a thing and not once an event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.urls import reverse

from accounting import credits as amounts
from accounting import hold_queries, limit_queries, queries
from accounting.queries import Balance
from portal.contexts import terms
from portal.contexts.hold_rows import hold_path
from portal.contexts.jobs import NO_ORGANISATION, job_path, organisation_named
from portal.models import User

AGE = timedelta(days=14)
MOST = 50
REFUSED = "organisation_refused"
"""An organisation named by a job did not pay."""
WARN, STOP, EXPIRED, LIMIT = "job_warn", "job_stop", "hold_expired", "limit_reached"
CLOSABLE = (STOP, LIMIT, WARN, EXPIRED, REFUSED)
"""In the order in which they are shown."""

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """`dismiss` is the kind to mark as read when the person closes it; empty when it cannot be closed."""

    tone: str
    title: str
    text: str
    href: str
    action: str
    dismiss: str


def of(user: User, balance: Balance) -> tuple[Notice, ...]:
    """Terms to accept and a debt first, then what the person was told and has not closed yet, the gravest first."""
    facts: dict[str, list[Facts]] = defaultdict(list)
    for notice in queries.notices(user.person_id, limit=MOST, unread_only=True):
        if balance.as_of - notice.created_at < AGE:
            facts[notice.kind].append(notice.facts)
    terms_due = [_terms()] if terms.are_due(user) else []
    debt = [_debt()] if balance.debt else []
    return (*terms_due, *debt, *(one for kind in CLOSABLE if facts[kind] for one in _SAYERS[kind](facts[kind])))


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


def _refused(facts: Sequence[Facts]) -> Iterable[Notice]:
    """One for each organisation that was named in vain."""
    by_name: dict[object, list[Facts]] = {}
    for one in facts:
        by_name.setdefault(one.get("requested"), []).append(one)
    return [_refused_by(found) for found in by_name.values()]


def _refused_by(facts: Sequence[Facts]) -> Notice:
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


def _stopped(facts: Sequence[Facts]) -> Iterable[Notice]:
    """Not of jobs that may go on since: the limit was raised, or the suspension taken back."""
    on = hold_queries.not_stopped([one["hold"] for one in facts])
    facts = [one for one in facts if one["hold"] not in on]
    if not facts:
        return []
    latest, count = facts[0], len({one["hold"] for one in facts})
    more = count > 1
    return [
        Notice(
            tone="bad",
            title=f"{count} running jobs must stop" if more else f"Job {latest['job']} must stop",
            text=f"{latest['detail']} The back end was told to stop {'them' if more else 'it'}.",
            href=hold_path(latest["hold"]),
            action="See the latest" if more else "See how far it came",
            dismiss=STOP,
        )
    ]


def _warned(facts: Sequence[Facts]) -> Iterable[Notice]:
    """Only of jobs that still run: of others it is no news any more."""
    still = hold_queries.still_open([one["hold"] for one in facts])
    running = [one for one in facts if one["hold"] in still]
    if not running:
        return []
    latest, count = running[0], len({one["hold"] for one in running})
    return [
        Notice(
            tone="warn",
            title=f"{count} running jobs are near their end" if count > 1 else f"Job {latest['job']} is near its end",
            text=f"{latest['detail']} When all is used, the back end is told to stop the job.",
            href=hold_path(latest["hold"]),
            action="See the latest" if count > 1 else "See how far it came",
            dismiss=WARN,
        )
    ]


def _expired(facts: Sequence[Facts]) -> Iterable[Notice]:
    latest, more = facts[0], len(facts) > 1
    jobs, are, run = (f"{len(facts)} jobs", "are", "they run") if more else (f"Job {latest['job']}", "is", "it runs")
    return [
        Notice(
            tone="warn",
            title=f"{jobs} outlived the credits reserved for {'them' if more else 'it'}",
            text=f"No heartbeat came in time, so {'they' if more else 'it'} {are} no longer covered. "
            f"If {run} on, what is reported later is charged in full.",
            href=hold_path(latest["uuid"]),
            action="See the latest" if more else "See what was kept",
            dismiss=EXPIRED,
        )
    ]


def _limits(facts: Sequence[Facts]) -> Iterable[Notice]:
    """One for each limit that there still is, with the highest share that was told."""
    highest: dict[int, Facts] = {}
    for one in facts:
        known = highest.get(one["limit"])
        if known is None or one["share"] > known["share"]:
            highest[one["limit"]] = one
    uses = limit_queries.named(highest.keys())
    return [_limit(one, uses[pk]) for pk, one in highest.items() if pk in uses]


def _limit(facts: Facts, use: limit_queries.LimitUse) -> Notice:
    full = facts["share"] >= 100
    about = [use.project and f"the project {use.project}", use.backend, "one member" if use.person else ""]
    scope = f" for {', '.join(filter(None, about))}" if any(about) else ""
    period = {"month": "monthly limit", "year": "yearly limit"}.get(use.period, "limit")
    after = "No more is reserved, and running jobs are told to stop." if full else "When all is used, jobs must stop."
    return Notice(
        tone="bad" if full and use.action == "block" else "warn",
        title=f"{use.organisation} has used {facts['share']} % of its {period}{scope}",
        text=f"{amounts.to_text(facts['spent'])} of {amounts.to_text(facts['amount'])} credits were spent. "
        + (after if use.action == "block" else "Nothing is refused because of it."),
        href=f"{reverse('holds')}?state=open",
        action="See what runs",
        dismiss=LIMIT,
    )


_SAYERS: Mapping[str, Callable[[Sequence[Facts]], Iterable[Notice]]] = {
    STOP: _stopped,
    LIMIT: _limits,
    WARN: _warned,
    EXPIRED: _expired,
    REFUSED: _refused,
}
