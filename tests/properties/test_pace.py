"""What is said about the future follows from the past alone, agrees with itself, and comes true often enough."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting import pace
from accounting.pace import HORIZON, Bucket, Interval

amounts = st.integers(0, 10**12)
weeks = st.integers(pace.FEWEST_WEEKS, pace.MOST_WEEKS)
pasts = weeks.flatmap(lambda n: st.lists(amounts, min_size=n * 7, max_size=n * 7)).filter(any).map(tuple)
buckets = st.lists(
    st.builds(Bucket, st.integers(1, 10**13), st.none() | st.integers(1, 400)), min_size=1, max_size=5
).map(tuple)


def ordered(interval: Interval) -> bool:
    return interval.low <= interval.middle <= interval.high


class TestHistory:
    @given(st.lists(st.integers(-(10**12), 10**12), max_size=70))
    def test_whole_weeks_of_use_or_nothing(self, spends: list[int]) -> None:
        known = pace.history(spends)

        assert len(known) in {0, 21, 28}
        assert all(amount >= 0 for amount in known)
        assert not known or sum(known) == sum(spends[-len(known) :]) or min(spends) < 0

    def test_days_before_the_first_use_do_not_count(self) -> None:
        assert pace.history([0] * 40 + [5] * 20) == ()
        assert pace.history([0] * 40 + [5] * 21) == (5,) * 21
        assert pace.history([5] + [0] * 27) == (5,) + (0,) * 27

    def test_weeks_without_use_say_nothing(self) -> None:
        assert pace.history([5] + [0] * 40) == ()

    def test_what_was_given_back_lessens_the_days_before(self) -> None:
        spends = [10] * 26 + [4, -17]

        assert pace.history(spends) == (10,) * 24 + (7, 0, 0, 0)


class TestForecast:
    @given(pasts, amounts, st.integers(0, 31))
    def test_it_contains_what_is_spent_already(self, known: tuple[int, ...], today: int, days: int) -> None:
        interval = pace.forecast(known, today, days)

        assert ordered(interval)
        assert interval.low >= (today if days else 0)
        assert interval == pace.forecast.__wrapped__(known, today, days)

    @given(pasts, st.integers(1, 30))
    def test_a_day_more_never_costs_less(self, known: tuple[int, ...], days: int) -> None:
        """The draws of a longer future are others, so only what cannot be undercut is compared."""
        assert pace.forecast(known, 0, days).high <= days * max(known) * 2 * len(known) // 7

    @given(weeks, st.lists(amounts, min_size=7, max_size=7).filter(any), st.integers(1, 31))
    def test_weeks_that_are_alike_leave_no_doubt(self, count: int, week: list[int], days: int) -> None:
        certain = sum(week[day % 7] for day in range(days))

        assert pace.forecast(tuple(week * count), 0, days) == Interval(certain, certain, certain)


class TestRunway:
    @given(pasts, amounts, buckets)
    def test_it_agrees_with_itself(self, known: tuple[int, ...], today: int, credits: tuple[Bucket, ...]) -> None:
        found = pace.runway(known, today, credits)

        assert ordered(found.days)
        assert found.days.low >= 0
        assert found.days.high <= HORIZON
        assert all(0 <= lost <= bucket.amount for lost, bucket in zip(found.unused, credits, strict=True))
        assert all(bucket.days is not None for lost, bucket in zip(found.unused, credits, strict=True) if lost)
        assert found == pace.runway.__wrapped__(known, today, credits)

    @given(pasts, amounts, buckets, st.integers(1, 10**12))
    def test_more_credits_never_last_shorter(
        self, known: tuple[int, ...], today: int, credits: tuple[Bucket, ...], more: int
    ) -> None:
        richer = pace.runway(known, today, (*credits, Bucket(more))).days
        days = pace.runway(known, today, credits).days

        assert (richer.low, richer.middle, richer.high) >= (days.low, days.middle, days.high)
        assert richer.high >= days.high

    @given(pasts, buckets, st.integers(2, 1000))
    def test_the_unit_does_not_matter(self, known: tuple[int, ...], credits: tuple[Bucket, ...], factor: int) -> None:
        """Up to a day, because micro-credits are whole."""
        scaled = tuple(amount * factor for amount in known)
        here = pace.runway(known, 0, credits).days
        there = pace.runway(scaled, 0, tuple(Bucket(b.amount * factor, b.days) for b in credits)).days

        assert max(known) < 1000 or abs(here.middle - there.middle) <= 1

    @pytest.mark.parametrize(
        ("today", "credits", "days", "unused", "expires"),
        [
            (0, [Bucket(100)], 9, [0], False),
            (0, [Bucket(95)], 9, [0], False),
            (10, [Bucket(100)], 10, [0], False),
            (4, [Bucket(6)], 0, [0], False),
            (0, [Bucket(100, 3)], 3, [70], True),
            (0, [Bucket(20, 3), Bucket(30)], 4, [0, 0], False),
            (0, [Bucket(50, 3), Bucket(30)], 5, [20, 0], False),
            (0, [Bucket(30), Bucket(50, 3)], 3, [0, 50], True),
            (0, [Bucket(10**6)], HORIZON, [0], False),
            (0, [Bucket(10**6, HORIZON + 5)], HORIZON, [0], False),
        ],
    )
    def test_ten_a_day(self, today: int, credits: list[Bucket], days: int, unused: list[int], expires: bool) -> None:
        found = pace.runway((10,) * 28, today, tuple(credits))

        assert found.days == Interval(days, days, days)
        assert (list(found.unused), found.expires) == (unused, expires)


class TestTruth:
    """Worlds whose future is known: people who run a few jobs a working day, seldom, or all the time."""

    @pytest.mark.parametrize(("jobs_a_day", "spread", "weekend"), [(6, 1.0, 0.12), (1, 1.0, 0.12), (20, 0.5, 1.0)])
    def test_about_eight_of_ten_come_true(self, jobs_a_day: float, spread: float, weekend: float) -> None:
        """Not far fewer, and not so many that the interval says nothing."""
        months, runs = 0, 0
        for seed in range(100):
            world = _world(Random(seed), jobs_a_day, spread, weekend)
            known = pace.history(world[:28])
            month = pace.forecast(known, 0, 15)
            months += month.low <= sum(world[28:43]) <= month.high
            credits = sum(known)
            found = pace.runway(known, 0, (Bucket(credits),)).days
            runs += found.low <= _lasting(world[28:], credits) <= found.high

        assert 70 <= months <= 95
        assert 70 <= runs <= 95


def _world(rng: Random, jobs_a_day: float, spread: float, weekend: float) -> list[int]:
    return [
        sum(
            int(1_000_000 * rng.lognormvariate(2, spread))
            for _ in range(_poisson(rng, jobs_a_day * (weekend if day % 7 >= 5 else 1)))
        )
        for day in range(28 + HORIZON)
    ]


def _poisson(rng: Random, mean: float) -> int:
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def _lasting(days: list[int], credits: int) -> int:
    for day, amount in enumerate(days):
        credits -= amount
        if credits <= 0:
            return day
    return HORIZON
