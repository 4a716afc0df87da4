"""What a person should know when they look at their dashboard, said once a thing and not once an event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounting import hold_queries, limit_queries, queries
from accounting.notice_queries import NoticeView
from accounting.queries import Balance
from portal.contexts import notice_texts, terms
from portal.contexts.hold_rows import hold_path
from portal.contexts.jobs import MOST_ID_DIGITS, job_path
from portal.models import User
from portal.numerals import credits_text

AGE = timedelta(days=14)
MOST = 50
REFUSED = "organisation_refused"
"""An organisation named by a job did not pay."""
WARN, STOP, EXPIRED, LIMIT = "job_warn", "job_stop", "hold_expired", "limit_reached"
LOW, RECOVERED, GRANT = "low_balance", "balance_recovered", "grant_expiring"
EXPIRING, OVERRUN, TARIFF = "hold_expiring", "job_over_estimate", "tariff_announced"
CLOSABLE = (STOP, LIMIT, LOW, WARN, EXPIRING, EXPIRED, GRANT, OVERRUN, REFUSED, TARIFF, RECOVERED)
"""In the order in which they are shown."""

Told = Sequence[NoticeView]


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
    told: dict[str, list[NoticeView]] = defaultdict(list)
    for notice in queries.notices(user.person_id, limit=MOST, unread_only=True):
        if balance.as_of - notice.created_at < AGE:
            told[notice.kind].append(notice)
    terms_due = [_terms()] if terms.are_due(user) else []
    debt = [_debt()] if balance.debt else []
    current = _current(told, balance.as_of)
    return (*terms_due, *debt, *(one for kind in CLOSABLE if current[kind] for one in _SAYERS[kind](current[kind])))


def _current(told: Mapping[str, Told], now: datetime) -> Mapping[str, Told]:
    """Without what is no news any more: credits low in the meantime enough, or the other way; what lapsed or began."""
    current: dict[str, Told] = defaultdict(list, told)
    states: dict[Any, NoticeView] = {}
    for one in sorted([*current[LOW], *current[RECOVERED]], key=lambda one: one.id):
        states[one.organisation] = one
    for kind in (LOW, RECOVERED):
        current[kind] = [one for one in states.values() if one.kind == kind]
    for kind, name in ((GRANT, "expires_at"), (EXPIRING, "expires_at"), (TARIFF, "starts_at")):
        current[kind] = [one for one in current[kind] if datetime.fromisoformat(one.facts[name]) > now]
    return current


def _terms() -> Notice:
    return Notice(
        tone="warn",
        title=_("Please read and accept the terms of use"),
        text=_("Back ends may hold back new jobs until you accept them. Past usage is charged as before."),
        href=reverse("terms"),
        action=_("Open the terms"),
        dismiss="",
    )


def _debt() -> Notice:
    return Notice(
        tone="bad",
        title=_("The credits are used up"),
        text=_(
            "Work that was done is never refused, so part of it is not covered yet. The next credits pay that first."
        ),
        href="",
        action="",
        dismiss="",
    )


def _each(told: Told) -> Iterable[Notice]:
    """As the list of notifications says them, one for each."""
    return [
        Notice(said.tone, said.title, said.text, said.href, said.action, dismiss=one.kind)
        for one, said in zip(told, notice_texts.describe(told), strict=True)
    ]


def _grants(told: Told) -> Iterable[Notice]:
    """One for each grant: what was told last."""
    return _each(list({one.facts["grant"]: one for one in reversed(told)}.values()))


def _overruns(told: Told) -> Iterable[Notice]:
    if len(told) == 1:
        return _each(told)
    (latest,) = _each(told[:1])
    title = ngettext("%(count)s job cost more than estimated", "%(count)s jobs cost more than estimated", len(told))
    href = f"{reverse('notifications')}?kind={OVERRUN}"
    return [Notice(latest.tone, title % {"count": len(told)}, latest.text, href, _("See all of them"), OVERRUN)]


def _refused(told: Told) -> Iterable[Notice]:
    """One for each organisation that was named in vain."""
    by_name: dict[object, list[NoticeView]] = defaultdict(list)
    for one in told:
        by_name[one.facts.get("requested")].append(one)
    return [_refused_by(found) for found in by_name.values()]


def _refused_by(told: Told) -> Notice:
    facts, count = told[0].facts, len(told)
    job, source = str(facts.get("job", "")), str(facts.get("source", ""))
    values = {"count": count, "number": facts.get("requested")}
    if len(str(values["number"])) > MOST_ID_DIGITS:
        title = ngettext(
            "A job of yours named an organisation that does not exist",
            "%(count)s jobs of yours named an organisation that does not exist",
            count,
        )
        text = _("So the organisation you had chosen paid. Correct the number, or do not name one.")
    else:
        title = ngettext(
            "A job of yours named organisation %(number)s, but you are not a member of it, or only a viewer",
            "%(count)s jobs of yours named organisation %(number)s, but you are not a member of it, or only a viewer",
            count,
        )
        text = _(
            "So the organisation you had chosen paid. Ask an owner of the other one to add you, or do not name it."
        )
    return Notice(
        tone="warn",
        title=title % values,
        text=text,
        href=job_path(source, job) if source else "",
        action=ngettext("See the job", "See the latest", count),
        dismiss=REFUSED,
    )


def _stopped(told: Told) -> Iterable[Notice]:
    """Not of jobs that may go on since: the limit was raised, or the suspension taken back."""
    on = hold_queries.not_stopped([one.facts["hold"] for one in told])
    facts = [one.facts for one in told if one.facts["hold"] not in on]
    if not facts:
        return []
    latest, count = facts[0], len({one["hold"] for one in facts})
    values = {"job": latest["job"], "count": count, "detail": latest["detail"]}
    text = ngettext(
        "%(detail)s The back end was told to stop it.", "%(detail)s The back end was told to stop them.", count
    )
    return [
        Notice(
            tone="bad",
            title=_of_job(
                count,
                _("Job %(job)s must stop"),
                ngettext("%(count)s running job must stop", "%(count)s running jobs must stop", count),
            )
            % values,
            text=text % values,
            href=hold_path(latest["hold"]),
            action=ngettext("See how far it came", "See the latest", count),
            dismiss=STOP,
        )
    ]


def _warned(told: Told) -> Iterable[Notice]:
    """Only of jobs that still run: of others it is no news any more."""
    still = hold_queries.still_open([one.facts["hold"] for one in told])
    running = [one.facts for one in told if one.facts["hold"] in still]
    if not running:
        return []
    latest, count = running[0], len({one["hold"] for one in running})
    values = {"job": latest["job"], "count": count, "detail": latest["detail"]}
    return [
        Notice(
            tone="warn",
            title=_of_job(
                count,
                _("Job %(job)s is near its end"),
                ngettext("%(count)s running job is near its end", "%(count)s running jobs are near their end", count),
            )
            % values,
            text=_("%(detail)s When all is used, the back end is told to stop the job.") % values,
            href=hold_path(latest["hold"]),
            action=ngettext("See how far it came", "See the latest", count),
            dismiss=WARN,
        )
    ]


def _expiring(told: Told) -> Iterable[Notice]:
    """Only of holds that are open: a heartbeat may have come since, or the job may have ended."""
    still = hold_queries.still_open([one.facts["hold"] for one in told])
    return _each([one for one in told if one.facts["hold"] in still])


def _of_job(count: int, one: str, several: str) -> str:
    """A single job is called by its id. Both are whole texts: a language may need the plural of 1 or of 21."""
    return one if count == 1 else several


def _expired(told: Told) -> Iterable[Notice]:
    latest, count = told[0].facts, len(told)
    values = {"job": latest["job"], "count": count}
    title = _of_job(
        count,
        _("Job %(job)s outlived the credits reserved for it"),
        ngettext(
            "%(count)s job outlived the credits reserved for it",
            "%(count)s jobs outlived the credits reserved for them",
            count,
        ),
    )
    text = ngettext(
        "No heartbeat came in time, so it is no longer covered. If it runs on, what is reported later is charged in "
        "full.",
        "No heartbeat came in time, so they are no longer covered. If they run on, what is reported later is charged "
        "in full.",
        count,
    )
    return [
        Notice(
            tone="warn",
            title=title % values,
            text=text,
            href=hold_path(latest["uuid"]),
            action=ngettext("See what was kept", "See the latest", count),
            dismiss=EXPIRED,
        )
    ]


def _limits(told: Told) -> Iterable[Notice]:
    """One for each limit that there still is, with the highest share that was told."""
    highest: dict[int, NoticeView] = {}
    for one in told:
        known = highest.get(one.facts["limit"])
        if known is None or one.facts["share"] > known.facts["share"]:
            highest[one.facts["limit"]] = one
    uses = limit_queries.named(highest.keys())
    found = [one for pk, one in highest.items() if pk in uses]
    return [_with_spent(notice, one) for notice, one in zip(_each(found), found, strict=True)]


def _with_spent(notice: Notice, told: NoticeView) -> Notice:
    """A dashboard says the figures in the sentence; a mail has them below it."""
    values = {"spent": credits_text(told.facts["spent"]), "amount": credits_text(told.facts["amount"])}
    text = _("%(spent)s of %(amount)s credits were spent.") % values
    return Notice(notice.tone, notice.title, f"{text} {notice.text}", notice.href, notice.action, LIMIT)


_SAYERS: Mapping[str, Callable[[Told], Iterable[Notice]]] = {
    STOP: _stopped,
    LIMIT: _limits,
    LOW: _each,
    WARN: _warned,
    EXPIRING: _expiring,
    EXPIRED: _expired,
    GRANT: _grants,
    OVERRUN: _overruns,
    REFUSED: _refused,
    TARIFF: _each,
    RECOVERED: _each,
}
