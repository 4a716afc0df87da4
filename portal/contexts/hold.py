"""What the page of one hold shows: what it keeps and out of which grants, how far its job may go, and its history."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import hold_events, hold_queries, limit_queries
from accounting.captures import Running
from accounting.hold_queries import GrantPart, HoldView
from accounting.limit_queries import LimitUse
from portal.contexts import hold_rows, hold_story, people, spans
from portal.contexts.hold_rows import Badge, HoldRow, Meter, hold_path, meter
from portal.contexts.hold_story import EventRow, Timeline
from portal.contexts.jobs import job_path
from portal.models import User

MOST_EVENTS = 25
MAX_DIGITS = 19
_PERIODS = {
    "month": gettext_lazy("Limit a month for %(scope)s"),
    "year": gettext_lazy("Limit a year for %(scope)s"),
}
_IN_ALL = gettext_lazy("Limit in all for %(scope)s")


@dataclass(frozen=True, slots=True)
class Part:
    """What the hold keeps of a grant; `expired`: its own time is over, and it pays for this job all the same."""

    label: str
    kind: str
    amount: int
    expires_at: datetime | None
    expired: bool


@dataclass(frozen=True, slots=True)
class MeterRow:
    title: str
    note: str
    meter: Meter


@dataclass(frozen=True, slots=True)
class Child:
    row: HoldRow
    cost: int


@dataclass(frozen=True, slots=True)
class Family:
    """A job in parts: what each part costs so far, what was charged to the whole itself, and their sum."""

    children: tuple[Child, ...]
    hidden: int
    hidden_cost: int
    hidden_kept: int
    own: int
    total: int
    kept: int


@dataclass(frozen=True, slots=True)
class HoldPage:
    """`warning` is what the guard says, `expiry` what happens at the end, both in words. `older` leads to events that
    are not shown; `newest` says that the events shown are the last ones.
    """

    title: str
    id: UUID
    job_id: str
    job_href: str
    badge: Badge
    keeps: bool
    kept: int
    amount: int
    unbacked: int
    used: int
    charged: int
    cost: int
    excess: int
    budget: int | None
    backend: str
    source: str
    organisation: str
    who: str
    project: str
    plan: str
    plans: tuple[str, ...]
    opened_at: datetime
    beat: str
    beat_at: datetime | None
    ends_title: str
    ends_at: datetime
    ends_ahead: str
    expiry: str
    warning: str
    warning_text: str
    warning_tone: str
    failed_open: bool
    parent_href: str
    grants: tuple[Part, ...]
    parts_count: int
    meters: tuple[MeterRow, ...]
    family: Family | None
    events: tuple[EventRow, ...]
    timeline: Timeline | None
    older: str
    newest: bool


def read(query: Mapping[str, str]) -> int | None:
    """The event before which the history is wanted. :raises BadRequest: it is no number."""
    text = query.get("before", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < MAX_DIGITS):
        raise BadRequest("before must be a place that the history gave")
    return int(text) if text else None


def find(hold: UUID, organisations: Collection[int]) -> HoldView:
    """:raises LookupError: none of the organisations pays for such a hold."""
    found = hold_queries.find(hold, organisations)
    if found is None:
        raise LookupError
    return found


def page_of(hold: HoldView, viewer: User, before: int | None = None) -> HoldPage:
    now = hold_queries.now()
    running = hold_rows.verdicts([hold]).get(hold.pk)
    told = hold_events.events([hold], MOST_EVENTS + 1, before)[hold.pk]
    shown = told[:MOST_EVENTS]
    family = _family(hold, viewer, now)
    tone, warning, warning_text = _warning(hold, running)
    grants = tuple(_part(part, now) for part in hold_queries.grants_of(hold))
    return HoldPage(
        title=hold_rows.title_of(hold),
        id=hold.id,
        job_id=hold.job_id,
        job_href=_job_href(hold),
        badge=hold_rows.badge_of(hold, running),
        keeps=hold.keeps,
        kept=hold.kept,
        amount=hold.amount,
        unbacked=hold.unbacked,
        used=running.used if running else hold.used,
        charged=hold.charged,
        cost=family.total if family else hold.charged,
        excess=hold.excess,
        budget=hold.budget,
        backend=hold.backend,
        source=hold.source,
        organisation=hold.organisation_name,
        who=people.names([hold.person], viewer)[hold.person],
        project=hold.project_name,
        plan=hold.plan,
        plans=hold.plans,
        opened_at=hold.opened_at,
        beat=spans.ago(hold.beat_at, now) if hold.beat_at else "",
        beat_at=hold.beat_at,
        ends_title=_("Expires") if hold.state == "open" else _("Ended"),
        ends_at=hold.ended_at or hold.expires_at,
        ends_ahead=spans.ahead(hold.expires_at, now) if hold.state == "open" else "",
        expiry=_expiry(hold),
        warning=warning,
        warning_text=warning_text,
        warning_tone=tone,
        failed_open=hold.failed_open,
        parent_href=hold_path(hold.parent) if hold.parent else "",
        grants=grants,
        parts_count=len(grants) + bool(hold.unbacked),
        meters=tuple(_meters(hold, running, viewer)) if running else (),
        family=family,
        events=hold_story.rows_of(shown, hold),
        timeline=hold_story.timeline_of(shown, hold, now) if before is None else None,
        older=f"{hold_path(hold.id)}?{urlencode({'before': shown[-1].pk})}#history" if len(told) > len(shown) else "",
        newest=before is None,
    )


def _job_href(hold: HoldView) -> str:
    if hold.job_title is None:
        return ""
    return f"{job_path(hold.source, hold.job_id)}?{urlencode({'payer': hold.organisation})}"


def _warning(hold: HoldView, running: Running | None) -> tuple[str, str, str]:
    """Its colour, and what is the matter in a title and a sentence; empty when nothing is."""
    if running and running.verdict.decision == "stop":
        text = _("%(reason)s The back end is told so at its next heartbeat.")
        return "bad", _("The job must stop"), text % {"reason": hold_rows.detail_of(running)}
    if running and running.verdict.decision == "warn":
        text = _("%(reason)s When all is used, it has to stop.")
        return "warn", _("The job is near its end"), text % {"reason": hold_rows.detail_of(running)}
    if hold.state == "expired" and hold.keeps:
        return "warn", _("The hold is past its expiry"), _("What it keeps is free in a moment.")
    return "", "", ""


def _expiry(hold: HoldView) -> str:
    """What happens to the credits, and when."""
    if hold.state == "open":
        return _(
            "Each heartbeat of the back end moves the expiry to %(span)s ahead. Without one, the credits go back to "
            "the same grants, the job goes on uncovered, and what it reports later is charged in full."
        ) % {"span": spans.length(hold.lifetime) or _("a minute")}
    if hold.state == "captured" and hold.excess:
        return _("The job’s report was charged. It cost more than was held; other credits paid for the rest.")
    if hold.state == "captured":
        return _("The job’s report was charged, and what it did not use went back to the same grants.")
    if hold.state == "released":
        return _("The back end gave the credits back; they are in the same grants again.")
    return _(
        "No heartbeat came before the expiry, so the credits went back to the same grants. "
        "What the job reports later is charged in full."
    )


def _part(part: GrantPart, now: datetime) -> Part:
    expired = part.expires_at is not None and part.expires_at <= now
    return Part(part.label, part.kind, part.amount, part.expires_at, expired)


def _meters(hold: HoldView, running: Running, viewer: User) -> list[MeterRow]:
    """What the job is held to: what it keeps, its budget, its parent's, and each limit that counts it."""
    reserved = meter(running.used, running.captured + running.remaining, "reserved")
    rows = [MeterRow(_("Reserved credits"), _("What goes beyond is charged to the other credits"), reserved)]
    for bound in running.bounds:
        of_parent = "parent" in bound.name
        if bound.reason == "over_budget" and of_parent == (hold.parent is not None):
            title = _("Budget of the whole job") if of_parent else _("Budget of the job")
            note = _("Of all its parts together") if of_parent else _("The back end is told to stop there")
            rows.append(MeterRow(title, note, meter(bound.used, bound.amount, hold_rows.kind_of(bound))))
        elif bound.reason == "over_budget" and not of_parent:
            rows.append(MeterRow(_("Budget of the part"), "", meter(bound.used, bound.amount, "budget")))
    return rows + [_limit(use, viewer) for use in limit_queries.limits_on(hold)]


def _limit(use: LimitUse, viewer: User) -> MeterRow:
    note = _("Jobs are told to stop there") if use.action == "block" else _("People are told there")
    title = str(_PERIODS.get(use.period, _IN_ALL)) % {"scope": _scope(use, viewer)}
    return MeterRow(title, note, meter(use.spent + use.running, use.amount, "limit"))


def _scope(use: LimitUse, viewer: User) -> str:
    """Whom and what the limit counts."""
    about = [_("project %(name)s") % {"name": use.project}] if use.project else []
    about += [use.backend] if use.backend else []
    if use.person is not None:
        about.append(_("you") if use.person == viewer.person_id else _("the person who started it"))
    return ", ".join(about) or _("everybody")


def _family(hold: HoldView, viewer: User, now: datetime) -> Family | None:
    children = hold_queries.children(hold.pk) if hold.parent is None else []
    if not children:
        return None
    count, charged, kept = hold_queries.sums_of_children(hold.pk)
    rows = hold_rows.rows_of(children, viewer, now)
    return Family(
        children=tuple(Child(row, child.charged) for row, child in zip(rows, children, strict=True)),
        hidden=count - len(children),
        hidden_cost=charged - sum(child.charged for child in children),
        hidden_kept=kept - sum(child.kept for child in children),
        own=hold.charged,
        total=hold.charged + charged,
        kept=hold.kept + kept,
    )
