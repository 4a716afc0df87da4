"""May a running job go on? Pure: the figures of its hold in, continue, warn or stop out (H13)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from accounting.credits import to_text

Decision = Literal["continue", "warn", "stop"]
WARN_PERCENT = 80
"""Of whatever bounds the job."""
_ORDER: dict[Decision, int] = {"continue": 0, "warn": 1, "stop": 2}


@dataclass(frozen=True, slots=True)
class Figures:
    """An open hold, in micro-credits. `used` counts what is charged already (`captured`) and what is only reported.

    `free` could still be had from the wallet beyond what is kept (`remaining`). `limits` are (amount, used by
    everybody it counts for); `family` is the budget of the parent and what all its children have used.
    """

    used: int
    captured: int
    remaining: int
    free: int
    budget: int | None = None
    limits: Sequence[tuple[int, int]] = ()
    family: tuple[int, int] | None = None
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """Something that a job may use at most: `amount`, of which `used` are used. `name` says of what, in words."""

    reason: str
    amount: int
    used: int
    name: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`left` is what may still be used until the nearest bound, never negative."""

    decision: Decision
    reason: str
    detail: str
    left: int


def judge(figures: Figures) -> Verdict:
    """Stop when a bound is reached, warn from 80 % of one; of several the nearest to its end counts."""
    if figures.suspended:
        return Verdict("stop", "organisation_suspended", "The organisation is suspended.", 0)
    worst = Verdict("continue", "", "", figures.captured + figures.remaining + figures.free - figures.used)
    left = worst.left
    for bound in bounds(figures):
        left = min(left, bound.amount - bound.used)
        decision = decide(bound.amount, bound.used)
        if _ORDER[decision] > _ORDER[worst.decision]:
            detail = f"{to_text(bound.used)} of {to_text(bound.amount)} credits {bound.name} are used."
            worst = Verdict(decision, bound.reason, detail, 0)
    return Verdict(worst.decision, worst.reason, worst.detail, max(left, 0))


def bounds(figures: Figures) -> Iterator[Bound]:
    """Everything that the job is held to, in the order in which a verdict names them."""
    if figures.budget is not None:
        yield Bound("over_budget", figures.budget, figures.used, "of the job's budget")
    if figures.family is not None:
        yield Bound("over_budget", *figures.family, "of the parent job's budget")
    for amount, used in figures.limits:
        yield Bound("over_limit", amount, used, "of a limit of the organisation")
    available = figures.captured + figures.remaining + figures.free
    yield Bound("no_credit", available, figures.used, "available")


def decide(bound: int, used: int) -> Decision:
    """What one bound alone says."""
    if used >= bound:
        return "stop"
    return "warn" if used * 100 >= bound * WARN_PERCENT else "continue"
