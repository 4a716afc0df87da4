"""Sums that people ask for equal what spends and wallets say, computed another way, for random lives (S1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from accounting import breakdowns, charges, queries
from accounting.breakdowns import DIMENSIONS, STEPS, Period, Slice
from accounting.charges import Charge
from accounting.rating import UsageLine
from tests.accounting import spending_lives as lives
from tests.accounting.books import micros, prove
from tests.accounting.spending_lives import Life
from tests.conftest import Federation

EVER = Period(date(2026, 1, 1), date(2027, 1, 1))
MoveClock = Callable[[datetime | None], None]


@pytest.fixture(params=range(3))
def life(request: pytest.FixtureRequest, federation: Federation, database_clock: MoveClock) -> Life:
    lived = Life(federation, database_clock, Random(request.param))
    lived.live(70)
    return lived


def test_any_sum_is_that_of_its_spends(life: Life) -> None:
    lab, rng = life.federation.lab, life.rng
    rows = lives.spends(lab)
    for _ in range(60):
        of = lives.random_slice(rng, lab, rows)
        before = Period(of.period.since - timedelta(days=rng.randrange(1, 40)), of.period.since)
        by, split = rng.choice((*DIMENSIONS, *STEPS)), rng.choice(("", *DIMENSIONS))
        now: Counter[Any] = Counter()
        then: Counter[Any] = Counter()
        for row in rows:
            key = (lives.step_of(row["day"], by) if by in STEPS else row[by], row[split] if split else None)
            if lives.fits(row, of):
                now[key] += row["amount"]
            elif lives.fits(row, Slice(lab, before, of.values)):
                then[key] += row["amount"]
        found = breakdowns.parts(of, before, by, split)

        assert {(one.key, one.part): one.amount for one in found if one.amount} == _not_zero(now)
        assert {(one.key, one.part): one.before for one in found if one.before} == _not_zero(then)
        assert breakdowns.total(of) == sum(now.values())


def _not_zero(sums: Counter[Any]) -> dict[Any, int]:
    return {key: amount for key, amount in sums.items() if amount}


def test_all_of_it_is_what_left_the_wallet(life: Life) -> None:
    """Negative control included: another organisation's spending is none of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT -sum(e.amount) FROM accounting_entry e JOIN accounting_account a ON a.id = e.account_id"
            " JOIN accounting_transaction t ON t.id = e.transaction_id"
            " WHERE a.organisation_id = %s AND t.kind IN ('usage', 'reversal')",
            [life.federation.lab],
        )
        left = cursor.fetchone()[0]

    assert breakdowns.total(Slice(life.federation.lab, EVER)) == left > 0
    assert queries.spent(life.federation.lab, datetime(2026, 1, 1, tzinfo=UTC)) == left
    assert breakdowns.total(Slice(life.federation.alice.personal_organisation, EVER)) == 0
    prove()


def test_charges_add_up_to_any_sum(life: Life) -> None:
    lab, rng = life.federation.lab, life.rng
    rows = lives.spends(lab)
    for _ in range(40):
        of = lives.random_slice(rng, lab, rows)
        found = list(charges.stream(of))

        assert sum(charge.amount for charge in found) == breakdowns.total(of)
        assert all(sum(paid.amount for paid in charge.paid) == charge.amount != 0 for charge in found)
        places = [(charge.at, charge.booked, charge.number) for charge in found]
        assert places == sorted(set(places), reverse=True)


def test_pages_of_charges_neither_repeat_nor_miss_any(life: Life) -> None:
    lab, rng = life.federation.lab, life.rng
    rows = lives.spends(lab)
    for _ in range(6):
        of, size = lives.random_slice(rng, lab, rows), rng.randrange(1, 9)
        everything = list(charges.stream(of))
        forwards: list[Charge] = []
        while page := charges.page(of, size, after=forwards[-1].place if forwards else None):
            forwards += page
        assert forwards == everything
        backwards = everything[-1:]
        while backwards and (page := charges.page(of, size, before=backwards[0].place)):
            backwards[:0] = page
        assert backwards == everything


def test_what_a_charge_says(federation: Federation, database_clock: MoveClock) -> None:
    life = Life(federation, database_clock, Random(7))
    life.live(60)
    of = Slice(federation.lab, EVER)
    by_kind: dict[str, list[Charge]] = {"booked": [], "back": [], "replaced": []}
    for charge in charges.stream(of):
        kind = "replaced" if "superseded" in (charge.given_back, charge.reversed_because) else "booked"
        by_kind["back" if charge.given_back and kind != "replaced" else kind].append(charge)

    assert all(by_kind.values())
    for charge in by_kind["back"]:
        assert charge.amount == -charge.line_amount < 0
        assert charge.booked > charge.report
        assert charge.given_back in lives.REASONS
        (original,) = [one for one in charges.stream(of) if one.booked == charge.report and one.number == charge.number]
        assert original.reversed_because == charge.given_back
        assert original.amount == charge.line_amount
        assert original.at == charge.at < charge.recorded_at == original.reversed_at
    assert sum(charge.amount for charge in by_kind["replaced"]) == 0
    for charge in by_kind["booked"]:
        assert charge.booked == charge.report
        assert charge.amount == charge.line_amount
        assert charge.rule in {"CPU", "Sentinel Hub", "Base fee"}
        assert charge.formula


def test_the_dearest_come_first_and_nobody_elses_at_all(life: Life) -> None:
    lab = life.federation.lab
    for name in DIMENSIONS:
        of = Slice(lab, EVER)
        sums = {part.key: part.amount for part in breakdowns.parts(of, Period(EVER.since, EVER.since), name)}
        found = breakdowns.dearest(of, name, 100)
        assert [sums[key] for key in found] == sorted(sums.values(), reverse=True)
        assert breakdowns.dearest(Slice(life.federation.charlie.personal_organisation, EVER), name, 9) == []


def test_queries_do_not_grow_with_the_rows(
    federation: Federation, database_clock: MoveClock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    life = Life(federation, database_clock, Random(1))
    life.live(10)
    of = Slice(federation.lab, EVER)
    for _ in range(2):
        with django_assert_num_queries(1):
            breakdowns.parts(of, Period(EVER.since, EVER.since), "process", "grant")
        with django_assert_num_queries(2):
            breakdowns.bounds(federation.lab)
        life._job()


def test_bounds_are_the_databases_day_and_the_first_with_something_spent(
    federation: Federation, database_clock: MoveClock
) -> None:
    database_clock(datetime(2026, 3, 1, 0, 30, tzinfo=UTC))
    assert breakdowns.bounds(federation.lab) == breakdowns.Bounds(date(2026, 3, 1), None)
    federation.grant(federation.lab, micros(5), "g")
    Life(federation, database_clock, Random(2))._report(
        (UsageLine("cpu", Decimal(9000), "cpu-seconds", "9000"),),
        finished_at=datetime(2026, 2, 27, 23, 59, tzinfo=UTC),
        project=None,
    )

    assert breakdowns.bounds(federation.lab).first == date(2026, 2, 27)
