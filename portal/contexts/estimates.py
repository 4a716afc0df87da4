"""What the page about estimates shows: how often they were right, for each back end and for all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from accounting import estimates
from portal.numerals import localised

GOAL = 80
"""Percent of jobs that an interval is to hold."""
STRAYS = 5
"""Percent by which the share may be off before it is said."""
FEW = 30
"""Jobs below which a share says little."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to think of a share, in two words and a tone (`good`, `warn`, `plain`)."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Record:
    """`share` is the percentage of jobs within the interval, for the bar and in words; `off` how far the middle was
    from what jobs cost, in words."""

    jobs: int
    inside: int
    share: str
    percent: str
    meter: str
    off: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class BackEndRow:
    name: str
    source: str
    recent: Record | None
    ever: Record | None


@dataclass(frozen=True, slots=True)
class EstimatesPage:
    """`recent` and `ever` are of all back ends together; both are None before anything was compared."""

    goal: int
    recent: Record | None
    ever: Record | None
    rows: tuple[BackEndRow, ...]
    counted_at: datetime | None


def page_of() -> EstimatesPage:
    views = estimates.calibration()
    together = next((view for view in views if not view.source), None)
    return EstimatesPage(
        goal=GOAL,
        recent=_record(together.recent, _("all back ends")) if together else None,
        ever=_record(together.ever, _("all back ends")) if together else None,
        rows=tuple(
            BackEndRow(
                view.backend_name,
                view.source,
                _record(view.recent, view.backend_name),
                _record(view.ever, view.backend_name),
            )
            for view in sorted(views, key=lambda view: (view.backend_name, view.source))
            if view.source
        ),
        counted_at=together.counted_at if together else None,
    )


def _record(span: estimates.Span | None, where: str) -> Record | None:
    if span is None:
        return None
    share = f"{100 * span.coverage:.1f}"
    percent = localised(share)
    return Record(
        jobs=span.jobs,
        inside=span.inside,
        share=share,
        percent=_("%(percent)s %%") % {"percent": percent},
        meter=_("%(percent)s %% of the jobs on %(where)s cost what the interval said; the aim is %(goal)s %%")
        % {"percent": percent, "where": where, "goal": GOAL},
        off=_off(span.bias),
        verdict=_verdict(span),
    )


def _off(bias: float) -> str:
    """How the middle of all jobs compares with the middle of their estimates."""
    percent = round(100 * abs(bias - 1))
    if not percent:
        return _("On the spot")
    if bias > 1:
        return _("Cost %(percent)s %% more") % {"percent": percent}
    return _("Cost %(percent)s %% less") % {"percent": percent}


def _verdict(span: estimates.Span) -> Verdict:
    if span.jobs < FEW:
        return Verdict(_("Few jobs yet"), "plain")
    percent = 100 * span.coverage
    if percent < GOAL - STRAYS:
        return Verdict(_("Too narrow"), "warn")
    return Verdict(_("Too wide"), "warn") if percent > GOAL + STRAYS else Verdict(_("As promised"), "good")
