"""A hold as a row of a table: whose job, how much is kept, how near its job is to whatever it is held to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from accounting import captures, hold_queries
from accounting.captures import Running
from accounting.guard import Bound
from accounting.hold_queries import HoldView
from portal.contexts import people, spans
from portal.models import User

MOST_TITLE = 200
_NAMES = {"over_limit": "of a limit", "no_credit": "of what is available"}


@dataclass(frozen=True, slots=True)
class Badge:
    """`tone` is the colour: plain, accent, good, warn or bad."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Meter:
    """How near a job is to one of its bounds: `share` in percent for the bar, `label` for those who do not see it."""

    used: int
    amount: int
    name: str
    share: str
    percent: int
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
        ends=f"expires {spans.ahead(at, now)}" if hold.state == "open" else f"ended {spans.ago(at, now)}",
        part=part,
    )


def title_of(hold: HoldView) -> str:
    """What to call the job: as its report says, or the `title` that the back end gave the hold."""
    title = (hold.job_title or hold.title).replace(hold.job_id, "").strip(" '\"")[:MOST_TITLE]
    return title or ("Synchronous request" if hold.job_kind == "sync" else "Batch job")


def badge_of(hold: HoldView, running: Running | None) -> Badge:
    """What became of it; of one that is open, what the guard thinks of its job."""
    if hold.state == "open":
        decision = running.verdict.decision if running else "continue"
        return {"warn": Badge("warn", "Near its end"), "stop": Badge("bad", "Must stop")}.get(
            decision, Badge("accent", "Running")
        )
    ended = {"captured": Badge("good", "Charged"), "released": Badge("plain", "Given back")}
    return ended.get(hold.state, Badge("warn", "Expired"))


def nearest(running: Running) -> Meter:
    """Of everything that the job is held to, what it has used most of."""
    bound = max(running.bounds, key=lambda one: _permille(one.used, one.amount))
    return meter(bound.used, bound.amount, name_of(bound))


def name_of(bound: Bound) -> str:
    if bound.reason == "over_budget":
        return "of the whole budget" if "parent" in bound.name else "of its budget"
    return _NAMES[bound.reason]


def meter(used: int, amount: int, name: str) -> Meter:
    permille = _permille(used, amount)
    tone = "bad" if permille >= 1000 else "warn" if permille >= 800 else ""
    label = f"{permille // 10} % {name} used"
    return Meter(used, amount, name, f"{min(max(permille, 5), 1000) / 10:.1f}", permille // 10, tone, label)


def _permille(used: int, amount: int) -> int:
    return used * 1000 // amount if amount > 0 else 1000
