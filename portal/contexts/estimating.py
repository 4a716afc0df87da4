"""What the form of an estimate answers: the same job on every back end, cheapest first, or why there is no figure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounting import estimates, organisations, workloads
from accounting.estimates import ANYBODY, FEWEST, Audience, Comparison, Estimate, Obstacle, Option
from accounting.estimates.comparing import COLLECTION_MISSING, NOT_PRICED, PROCESS_MISSING
from accounting.pricing import NEWCOMER
from accounting.workloads import Workload
from portal.api import shared
from portal.contexts.payer import person_of
from portal.contexts.prices import number
from portal.models import User
from portal.numerals import localised

KEPT_SECONDS = 60
"""How long an answer for strangers is given again."""
VALID = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a back end's figures lie between nothing and the dearest of all, in percent, for the drawing."""

    start: str
    width: str
    middle: str
    label: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One back end: credits, and in words how they came about. `record` is how often such figures were right there."""

    backend: str
    source: str
    rates_href: str
    p10: int
    median: int
    p90: int
    interval: Interval
    why: str
    method: str
    extrapolated: bool
    duration: str
    failures: str
    record: str
    checked: bool
    until: datetime


@dataclass(frozen=True, slots=True)
class Without:
    """A back end without a figure, and why."""

    backend: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`size` is what was made of place and time; `signed_in` whether own jobs count too."""

    figures: tuple[Figure, ...]
    without: tuple[Without, ...]
    size: str
    fewest: int
    signed_in: bool


def answer(workload: Workload, user: User | None) -> Answer:
    found = _compare(workload, user)
    records = {view.source: view for view in estimates.calibration()}
    dearest = max((option.estimate.p90 for option in found.options), default=0)
    return Answer(
        figures=tuple(_figure(option, dearest, records, found.at) for option in found.options),
        without=tuple(_without(one) for one in found.obstacles),
        size=_size(workload),
        fewest=FEWEST,
        signed_in=user is not None,
    )


def _compare(workload: Workload, user: User | None) -> Comparison:
    """For strangers all the same, so it is computed once a minute."""
    if user is not None:
        mine = organisations.memberships(user.person_id)
        audience = Audience(frozenset(one.organisation for one in mine))
        return estimates.compare(workload, facts=_facts(user), audience=audience)
    document = msgspec.json.encode(workloads.as_document(workload), order="sorted")
    name = f"estimate:{hashlib.sha256(document).hexdigest()}"
    known = shared.recall(name)
    if isinstance(known, Comparison):
        return known
    found = estimates.compare(workload, facts=NEWCOMER, audience=ANYBODY)
    shared.keep(name, found, KEPT_SECONDS)
    return found


def _facts(user: User) -> Mapping[str, str]:
    person = person_of(user)
    return {"plan": person.plan, "organisation_class": organisations.category_of(person.current_organisation)}


def _size(workload: Workload) -> str:
    parts = []
    if workload.km2 is not None:
        parts.append(_("%(area)s km²") % {"area": number(Decimal(f"{workload.km2:.4g}"))})
    if workload.time_steps is not None:
        steps = ngettext("%(count)s time step", "%(count)s time steps", workload.time_steps)
        parts.append(steps % {"count": localised(f"{workload.time_steps:,}")})
    return " × ".join(parts)


def _figure(option: Option, dearest: int, records: Mapping[str, estimates.CalibrationView], now: datetime) -> Figure:
    one = option.estimate
    return Figure(
        backend=option.backend_name,
        source=one.source,
        rates_href=reverse("rate-card", args=[one.backend]),
        p10=one.p10,
        median=one.median,
        p90=one.p90,
        interval=_interval(one, dearest),
        why=_why(one),
        method=_method(one.method),
        extrapolated=one.extrapolated,
        duration=_duration(one.duration_seconds),
        failures=_failures(one),
        record=_record(records.get(one.source)),
        checked=option.checked,
        until=min(filter(None, [now + VALID, one.tariff_ends_at])),
    )


def _interval(one: Estimate, dearest: int) -> Interval:
    start, middle, end = (place * 1000 // dearest if dearest else 0 for place in (one.p10, one.median, one.p90))
    return Interval(
        start=f"{start / 10:.1f}",
        width=f"{max(end - start, 5) / 10:.1f}",
        middle=f"{min(max(middle, 5), 995) / 10:.1f}",
        label=_("From %(low)s to %(high)s %% of the dearest figure, the middle at %(middle)s %%")
        % {"low": start // 10, "high": end // 10, "middle": middle // 10},
    )


def _why(one: Estimate) -> str:
    here = ngettext("%(count)s job like it", "%(count)s jobs like it", one.jobs) % {"count": _count(one.jobs)}
    away = ngettext("%(count)s on another back end", "%(count)s on other back ends", one.jobs_elsewhere)
    elsewhere = away % {"count": _count(one.jobs_elsewhere)}
    if one.level == "own":
        return _("From %(here)s that finished here.") % {"here": here}
    if one.level == "pooled":
        return _("From %(here)s that finished here, with %(elsewhere)s.") % {"here": here, "elsewhere": elsewhere}
    return _("None like it finished here: from %(elsewhere)s.") % {"elsewhere": elsewhere}


def _count(count: int) -> str:
    return localised(f"{count:,}")


def _method(method: str) -> str:
    said = {
        "per_km2_step": _("Counted by square kilometre and time step."),
        "per_km2": _("Counted by square kilometre; time steps are not known of both."),
        "per_job": _("Counted by job, whatever its size; areas are not known of both."),
        "free": _("All of them cost nothing."),
    }
    return said[method]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes = max(1, round(seconds / 60))
    hours, rest = divmod(minutes, 60)
    if not hours:
        return _("%(minutes)s min") % {"minutes": minutes}
    return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": rest}


def _failures(one: Estimate) -> str:
    if one.failure_rate is None:
        return ""
    percent = localised(f"{100 * one.failure_rate:.0f}")
    if one.failures_alike:
        return _("%(percent)s %% of such jobs failed") % {"percent": percent}
    return _("%(percent)s %% of its jobs failed") % {"percent": percent}


def _record(view: estimates.CalibrationView | None) -> str:
    if view is None or view.recent is None:
        return ""
    said = ngettext(
        "%(percent)s %% of %(count)s job in 30 days cost what its interval said",
        "%(percent)s %% of %(count)s jobs in 30 days cost what their interval said",
        view.recent.jobs,
    )
    return said % {"percent": localised(f"{100 * view.recent.coverage:.0f}"), "count": _count(view.recent.jobs)}


def _without(one: Obstacle) -> Without:
    missing = ", ".join(one.missing[:10])
    said = {
        COLLECTION_MISSING: _("It does not offer %(names)s.") % {"names": missing},
        PROCESS_MISSING: _("It does not offer %(names)s.") % {"names": missing},
        NOT_PRICED: _("It has no rates in force."),
    }
    reason = said.get(one.reason) or _("Too little is known of jobs like this one there.")
    return Without(one.backend_name, one.source, reason)
