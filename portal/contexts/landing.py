"""What strangers are shown first: rates at a glance, which back ends report, what many people use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounting import popularity, tariff_queries
from portal.contexts import backends, rates
from portal.contexts.backends import BackEndRow
from portal.contexts.rates import Comparison

GLANCE = 3
"""Prices that are compared."""
HIGHLIGHTS = 6


@dataclass(frozen=True, slots=True)
class Highlight:
    """An algorithm that many organisations used. `organisations` is how many, never who."""

    process: str
    organisations: int
    backends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LandingPage:
    """`highlights` is empty where fewer than the least number of organisations and persons share anything."""

    comparison: Comparison
    backends: tuple[BackEndRow, ...]
    highlights: tuple[Highlight, ...]
    period_days: int


def page_of(now: datetime) -> LandingPage:
    return LandingPage(
        comparison=rates.comparison_of(tariff_queries.in_force(now), most=GLANCE),
        backends=backends.page_of(now).rows,
        highlights=tuple(
            Highlight(one.process, one.organisations, one.backends) for one in popularity.most_used(HIGHLIGHTS)
        ),
        period_days=popularity.PERIOD.days,
    )
