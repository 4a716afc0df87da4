"""The verdict on a running job: pure, so every bound can be tried (H13)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.guard import Figures, judge

FIGURES = Figures(used=10, captured=0, remaining=100, free=900)
AMOUNTS = st.integers(0, 10**12)
SETS = st.builds(
    Figures,
    used=AMOUNTS,
    captured=AMOUNTS,
    remaining=AMOUNTS,
    free=AMOUNTS,
    budget=st.none() | AMOUNTS,
    limits=st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=3),
    family=st.none() | st.tuples(AMOUNTS, AMOUNTS),
    suspended=st.booleans(),
)
ORDER = {"continue": 0, "warn": 1, "stop": 2}


@pytest.mark.parametrize(
    ("changes", "decision", "reason"),
    [
        ({}, "continue", ""),
        ({"used": 799}, "continue", ""),
        ({"used": 800}, "warn", "no_credit"),
        ({"used": 1000}, "stop", "no_credit"),
        ({"budget": 13}, "continue", ""),
        ({"budget": 12}, "warn", "over_budget"),
        ({"budget": 10}, "stop", "over_budget"),
        ({"family": (100, 80)}, "warn", "over_budget"),
        ({"family": (100, 100)}, "stop", "over_budget"),
        ({"limits": [(100, 80)]}, "warn", "over_limit"),
        ({"limits": [(100, 10), (100, 101)]}, "stop", "over_limit"),
        ({"budget": 12, "limits": [(5, 5)]}, "stop", "over_limit"),
        ({"suspended": True}, "stop", "organisation_suspended"),
        ({"used": 0, "remaining": 0, "free": 0}, "stop", "no_credit"),
    ],
)
def test_each_bound(changes: dict[str, object], decision: str, reason: str) -> None:
    verdict = judge(replace(FIGURES, **changes))  # type: ignore[arg-type]
    assert (verdict.decision, verdict.reason) == (decision, reason)
    assert bool(verdict.detail) == (decision != "continue")


@given(SETS)
def test_what_is_left_is_what_the_nearest_bound_leaves(figures: Figures) -> None:
    bounds = [figures.captured + figures.remaining + figures.free - figures.used]
    bounds += [amount - used for amount, used in figures.limits]
    bounds += [] if figures.budget is None else [figures.budget - figures.used]
    bounds += [] if figures.family is None else [figures.family[0] - figures.family[1]]
    verdict = judge(figures)
    assert verdict.left == (0 if figures.suspended else max(min(bounds), 0))
    assert (verdict.decision == "stop") == (verdict.left == 0)


@given(SETS, st.integers(1, 10**6))
def test_using_more_never_makes_it_better(figures: Figures, more: int) -> None:
    worse = replace(figures, used=figures.used + more)
    assert ORDER[judge(worse).decision] >= ORDER[judge(figures).decision]
