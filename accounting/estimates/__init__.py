"""What a job will cost on each back end, from finished jobs like it; and how good such estimates were.

docs/estimates.md explains the method. Nothing here moves credits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils import timezone

from accounting.estimates.comparing import Comparison, Obstacle, Option, compare, load_capabilities
from accounting.estimates.disclosure import ANYBODY, FEWEST, Audience
from accounting.estimates.forecasting import Estimate, Forecaster
from accounting.estimates.judging import CalibrationView, Span, calibrate, calibration, judge, remember
from accounting.estimates.observing import collect
from accounting.estimates.stored import Said, of_jobs
from accounting.workloads import Workload

__all__ = [
    "ANYBODY",
    "FEWEST",
    "Audience",
    "CalibrationView",
    "Comparison",
    "Estimate",
    "Obstacle",
    "Option",
    "Said",
    "Span",
    "calibrate",
    "calibration",
    "collect",
    "compare",
    "estimate",
    "judge",
    "load_capabilities",
    "of_jobs",
    "remember",
]


def estimate(
    workload: Workload,
    sources: Sequence[str] | None = None,
    *,
    plan: str | None = None,
    organisation_class: str | None = None,
    at: datetime | None = None,
    audience: Audience | None = None,
) -> list[Estimate]:
    """What the workload would cost on each back end of which enough is known, cheapest median first.

    :param sources: source ids to look at; None: all. One of which nothing is known is left out, never invented (E1).
    :param plan, organisation_class: of who would pay, for tariffs that ask; None: as those who ran jobs like it.
    :param at: what was known and in force then; default: now.
    :param audience: the people who are told, from whom single users' jobs are kept (E4); None: a back end.
    """
    facts = _facts(plan, organisation_class)
    forecaster = Forecaster(at or timezone.now(), workload.kind, workload.search_keys(), facts=facts, audience=audience)
    return forecaster.estimate_all(workload, sources)


def _facts(plan: str | None, organisation_class: str | None) -> Mapping[str, str]:
    told = {"plan": plan, "organisation_class": organisation_class}
    return {name: value for name, value in told.items() if value is not None}
