"""Whatever budgets are set and moved, in whatever order: the sum rule holds, and a model agrees (M3, M4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounting import invariants, limit_queries, limits, organisations, projects
from accounting.errors import DomainError, LimitInvalid, TransferInvalid
from accounting.limits import Move, Terms
from tests.conftest import ISSUER
from tests.faults import Fault, plant

pytestmark = pytest.mark.slow

AMOUNTS = st.integers(0, 4)
"""Small, so that sums meet their bound often."""
SUM_RULE = next(one.query for one in invariants.INVARIANTS if one.rule == "M3")
PROJECTS = st.sampled_from(["alps", "andes"])
PERIODS = st.sampled_from(["month", "year"])


@dataclass
class Books:
    """What the organisation and its projects may spend, by period; no limit: not there."""

    whole: dict[str, int] = field(default_factory=dict)
    budgets: dict[tuple[str, str], int] = field(default_factory=dict)

    def assigned(self, period: str) -> int:
        return sum(amount for (_, other), amount in self.budgets.items() if other == period)

    def fits(self, period: str) -> bool:
        return period not in self.whole or self.assigned(period) <= self.whole[period]


def attempt(deed: Callable[[], object]) -> DomainError | None:
    """What the deed was refused with."""
    try:
        deed()
    except (LimitInvalid, TransferInvalid) as error:
        return error
    return None


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        owner = organisations.ensure_person(ISSUER, "owner")
        self.lab = organisations.create_organisation("Lab", owner.pk)
        self.projects = {slug: projects.create(self.lab, slug, slug) for slug in ("alps", "andes")}
        self.books = Books()
        self.bound("month", 6)
        self.budget("alps", "month", 2, fallback=False)
        self.budget("andes", "month", 2, fallback=True)

    def teardown(self) -> None:
        """Every run begins with the same rows, so that a failing one can be repeated."""
        transaction.set_rollback(True)
        self.block.__exit__(None, None, None)

    @rule(period=PERIODS, amount=st.none() | st.integers(0, 9))
    def bound(self, period: str, amount: int | None) -> None:
        """Sets what the organisation as a whole may spend, or takes it away."""
        after = Books({**self.books.whole}, self.books.budgets)
        if amount is None:
            after.whole.pop(period, None)
        else:
            after.whole[period] = amount
        self._try(after, period, lambda: limits.change(self.lab, amount, Terms(period)))

    @rule(slug=PROJECTS, period=PERIODS, amount=st.none() | AMOUNTS, fallback=st.booleans())
    def budget(self, slug: str, period: str, amount: int | None, fallback: bool) -> None:
        after = Books(self.books.whole, {**self.books.budgets})
        if amount is None:
            after.budgets.pop((slug, period), None)
        else:
            after.budgets[slug, period] = amount
        terms = Terms(period, project=self.projects[slug], fallback=fallback)
        self._try(after, period, lambda: limits.change(self.lab, amount, terms))

    def _try(self, after: Books, period: str, deed: Callable[[], object]) -> None:
        refused = attempt(deed)
        if after.fits(period):
            assert refused is None
            self.books = after
        else:
            assert refused is not None
            assert refused.extra == {"most": after.whole[period], "assigned": after.assigned(period)}

    @precondition(lambda self: self.books.budgets)
    @rule(data=st.data(), period=PERIODS, amount=st.integers(1, 4))
    def move(self, data: st.DataObject, period: str, amount: int) -> None:
        source, target = (data.draw(st.none() | PROJECTS) for _ in range(2))
        books = self.books
        sides = [one for one in (source, target) if one is not None]
        possible = (
            source != target
            and all((side, period) in books.budgets for side in sides)
            and self._left(source, period, amount) >= amount
        )
        terms = Move(period, self.projects.get(source or ""), self.projects.get(target or ""), amount, "why")
        refused = attempt(lambda: limits.move(self.lab, terms))
        assert (refused is None) == possible
        if refused is not None:
            return
        for side, sign in ((source, -1), (target, 1)):
            if side is not None:
                books.budgets[side, period] += sign * amount

    def _left(self, source: str | None, period: str, amount: int) -> int:
        if source is not None:
            return self.books.budgets[source, period]
        if period not in self.books.whole:
            return amount
        return self.books.whole[period] - self.books.assigned(period)

    @invariant()
    def the_sum_rule_holds(self) -> None:
        assert all(self.books.fits(period) for period in ("month", "year"))
        with connection.cursor() as cursor:
            cursor.execute(SUM_RULE)
            assert cursor.fetchall() == []

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        uses = limit_queries.of_organisation(self.lab)
        assert {use.period: use.amount for use in uses if use.is_whole} == self.books.whole
        assert {(use.project, use.period): use.amount for use in uses if use.is_budget} == self.books.budgets
        for period in ("month", "year"):
            part = limit_queries.unassigned(uses, period)
            if part is not None:
                assert part == (self.books.whole[period] - self.books.assigned(period), 0, 0)


def run(*, shrink: bool = True) -> None:
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15 if shrink else 200,  # a fault ends the search
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            phases=phases,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_is_set_and_moved(db: None) -> None:
    run()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("limits_prove_sums", "HAVING sum(b.amount) > w.amount", "HAVING sum(b.amount) > w.amount + 1"),
        Fault("limit_move", "SET amount = b.amount + a_amount", "SET amount = b.amount + a_amount + 1"),
        Fault("limit_move", "IF left_over < a_amount THEN", "IF left_over <= a_amount THEN"),
    ],
    ids=["a sum one too large", "credit out of nothing", "the last credit stays"],
)
def test_the_model_finds_a_planted_fault(db: None, fault: Fault) -> None:
    plant(fault)
    with pytest.raises(AssertionError):
        run(shrink=False)
