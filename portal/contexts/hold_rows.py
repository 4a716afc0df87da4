"""A hold as a row of a table: whose job, how much is kept, how near its job is to whatever it is held to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import captures, guard, hold_queries
from accounting import credits as amounts
from accounting.captures import Running
from accounting.guard import Bound
from accounting.hold_queries import HoldView
from portal.contexts import people, spans
from portal.models import User
from portal.numerals import localised

MOST_TITLE = 200
_PARTS = {
    "reserved": gettext_lazy("%(percent)s %% of what was reserved"),
    "available": gettext_lazy("%(percent)s %% of what is available"),
    "budget": gettext_lazy("%(percent)s %% of its budget"),
    "whole_budget": gettext_lazy("%(percent)s %% of the whole budget"),
    "any_limit": gettext_lazy("%(percent)s %% of a limit"),
    "limit": gettext_lazy("%(percent)s %% of the limit"),
}
"""What a job has used, of each thing that it may be held to."""
_DETAILS = {
    "available": gettext_lazy("%(used)s of %(amount)s credits available are used."),
    "budget": gettext_lazy("%(used)s of %(amount)s credits of the job's budget are used."),
    "whole_budget": gettext_lazy("%(used)s of %(amount)s credits of the parent job's budget are used."),
    "any_limit": gettext_lazy("%(used)s of %(amount)s credits of a limit of the organisation are used."),
}


@dataclass(frozen=True, slots=True)
class Badge:
    """`tone` is the colour: plain, accent, good, warn or bad."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Meter:
    """How near a job is to one of its bounds: `share` in percent for the bar, `text` beside it, `label` for those who
    do not see it.
    """

    used: int
    amount: int
    text: str
    share: str
    tone: str
    label: str


@dataclass(frozen=True, slots=True)
class HoldRow:
    """`spent` was used as the back end says, or charged when the hold is over, parts included; `meter` is then None.

    `part`: the job is a part of another one, whose row stands before it. `ends` says when the hold expires or ended.
    """

    href: str
    title: str
    job_id: str
    who: str
    backend: str
    badge: Badge
    kept: int
    spent: int
    meter: Meter | None
    at: datetime
    ends: str
    part: bool


def hold_path(hold: object) -> str:
    """The address of a hold's page."""
    return reverse("hold", args=[hold])


def verdicts(holds: Collection[HoldView]) -> Mapping[int, Running]:
    """What is known of those that are open, by primary key. All of them are of one wallet; one query."""
    still = [hold for hold in holds if hold.state == "open"]
    return captures.running_of(still[0].wallet, [hold.pk for hold in still]) if still else {}


def rows_of(holds: Sequence[HoldView], viewer: User, now: datetime, *, family: bool = False) -> tuple[HoldRow, ...]:
    """:param family: parts stand behind the job that they are parts of, and are shown as such."""
    known, names = verdicts(holds), people.names({hold.person for hold in holds}, viewer)
    parents = {hold.pk for hold in holds} if family else set()
    of_parts = hold_queries.charged_for_parts([hold.pk for hold in holds if hold.pk not in known and not hold.parent])
    return tuple(
        _row(
            hold,
            known.get(hold.pk),
            names[hold.person],
            now,
            part=hold.parent_pk in parents,
            of_parts=of_parts.get(hold.pk, 0),
        )
        for hold in holds
    )


def _row(hold: HoldView, running: Running | None, who: str, now: datetime, *, part: bool, of_parts: int) -> HoldRow:
    at = hold.ended_at or hold.expires_at
    return HoldRow(
        href=hold_path(hold.id),
        title=title_of(hold),
        job_id=hold.job_id,
        who=who,
        backend=hold.backend,
        badge=badge_of(hold, running),
        kept=hold.kept,
        spent=running.used if running else hold.used + of_parts,
        meter=nearest(running) if running else None,
        at=at,
        ends=_ends(at, now, is_open=hold.state == "open"),
        part=part,
    )


def _ends(at: datetime, now: datetime, *, is_open: bool) -> str:
    if is_open:
        return _("expires %(when)s") % {"when": spans.ahead(at, now)}
    return _("ended %(when)s") % {"when": spans.ago(at, now)}


def title_of(hold: HoldView) -> str:
    """What to call the job: as its report says, or the `title` that the back end gave the hold."""
    title = (hold.job_title or hold.title).replace(hold.job_id, "").strip(" '\"")[:MOST_TITLE]
    return title or (_("Synchronous request") if hold.job_kind == "sync" else _("Batch job"))


def badge_of(hold: HoldView, running: Running | None) -> Badge:
    """What became of it; of one that is open, what the guard thinks of its job."""
    if hold.state == "open":
        decision = running.verdict.decision if running else "continue"
        return {"warn": Badge("warn", _("Near its end")), "stop": Badge("bad", _("Must stop"))}.get(
            decision, Badge("accent", _("Running"))
        )
    ended = {"captured": Badge("good", _("Charged")), "released": Badge("plain", _("Given back"))}
    return ended.get(hold.state, Badge("warn", _("Expired")))


def nearest(running: Running) -> Meter:
    """Of everything that the job is held to, what it has used most of."""
    bound = max(running.bounds, key=lambda one: _permille(one.used, one.amount))
    return meter(bound.used, bound.amount, kind_of(bound))


def kind_of(bound: Bound) -> str:
    """What the job is held to there."""
    if bound.reason == "over_budget":
        return "whole_budget" if "parent" in bound.name else "budget"
    return {"over_limit": "any_limit", "no_credit": "available"}[bound.reason]


def detail_of(running: Running) -> str:
    """The guard's verdict in a sentence; empty when the job may go on."""
    verdict = running.verdict
    if verdict.reason == "organisation_suspended":
        return _("The organisation is suspended.")
    for bound in running.bounds:
        if bound.reason == verdict.reason and guard.decide(bound.amount, bound.used) == verdict.decision:
            facts = {"used": _plain(bound.used), "amount": _plain(bound.amount)}
            return str(_DETAILS[kind_of(bound)]) % facts
    return ""


def _plain(micros: int) -> str:
    """As many decimals as there are."""
    return localised(f"{amounts.to_decimal(micros).normalize():,f}")


def meter(used: int, amount: int, kind: str) -> Meter:
    """:param kind: one of `_PARTS`."""
    permille = _permille(used, amount)
    tone = "bad" if permille >= 1000 else "warn" if permille >= 800 else ""
    text = str(_PARTS[kind]) % {"percent": permille // 10}
    label = _("Used: %(part)s") % {"part": text}
    return Meter(used, amount, text, f"{min(max(permille, 5), 1000) / 10:.1f}", tone, label)


def _permille(used: int, amount: int) -> int:
    return used * 1000 // amount if amount > 0 else 1000
