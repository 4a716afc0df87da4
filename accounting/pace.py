"""How fast credits go, and what follows: when they run out, what the month will cost. Pure; amounts are micro-credits.

What the last four weeks cost a day is played on into the future many times, by a block bootstrap: stretches of up to a
week from weeks drawn at random, each day in the place of its own weekday. How busy a future is is drawn as well: four
weeks say only so much about what is usual. The draws are seeded, so the same figures always give the same answer;
it is remembered until one of them is another one.
The interval holds nine of ten of these futures, and in trials eight of ten of what came: a short past hides chance.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from random import Random

WEEK = 7
MOST_WEEKS, FEWEST_WEEKS = 4, 3
"""Of history: the last ones that are looked at, and how many there must be before anything is said."""
HORIZON = 180
"""Days; what lasts longer is not told apart."""
_FUTURES = 200
_SEED = 4711


@dataclass(frozen=True, slots=True)
class Interval:
    """What comes lies in `[low, high]` eight times of ten, and as often below `middle` as above."""

    low: int
    middle: int
    high: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """Credits that can be used on `days` days, today the first of them; None: they never expire."""

    amount: int
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Runway:
    """`days` full days pass before nothing is left, HORIZON at most. `unused` is what expires of each bucket before it
    is needed; `expires`: it is an expiry that ends it, not use. Both are the middle of all futures.
    """

    days: Interval
    unused: tuple[int, ...]
    expires: bool


def history(spends: Sequence[int]) -> tuple[int, ...]:
    """What can be learnt from what full days cost, until yesterday: whole weeks, empty when there are too few.

    Days before the first use are no history. What was given back lessens the days before it.
    """
    first = next((place for place, amount in enumerate(spends) if amount > 0), len(spends))
    weeks = min((len(spends) - first) // WEEK, MOST_WEEKS)
    known = _net(spends[len(spends) - weeks * WEEK :]) if weeks >= FEWEST_WEEKS else ()
    return known if any(known) else ()


def _net(spends: Sequence[int]) -> tuple[int, ...]:
    days, owed = list(spends), 0
    for place in reversed(range(len(days))):
        left = days[place] + owed
        days[place], owed = max(left, 0), min(left, 0)
    return tuple(days)


@lru_cache(maxsize=1024)
def forecast(known: tuple[int, ...], today: int, days: int) -> Interval:
    """What is spent from this morning on in `days` days, of which today is the first and has cost `today` so far.

    :param known: from `history`.
    """
    return _interval([total[-1] for total in _futures(known, today, days)])


@lru_cache(maxsize=1024)
def runway(known: tuple[int, ...], today: int, buckets: tuple[Bucket, ...]) -> Runway:
    """How long the credits last, and what of them expires unused.

    :param known: from `history`. :param buckets: what is left now, in the order in which it burns.
    """
    ends = sorted(_end(total, today, buckets) for total in _futures(known, today, HORIZON))
    middle = len(ends) // 2
    return Runway(
        days=_interval([day for day, _, _ in ends]),
        unused=tuple(sorted(lapsed)[middle] for lapsed in zip(*(lapsed for _, _, lapsed in ends), strict=True)),
        expires=ends[middle][1],
    )


def _futures(known: Sequence[int], today: int, days: int) -> Iterator[Sequence[int]]:
    """What will be spent in 0, 1, 2 .. `days` days from this morning on, in each of many futures."""
    rng = Random(_SEED)  # noqa: S311  chance of a simulation, no secret
    for _ in range(_FUTURES):
        future = _future(known, days, rng)
        future[:1] = [max(amount, today) for amount in future[:1]]
        yield [0, *accumulate(future)]


def _future(known: Sequence[int], days: int, rng: Random) -> list[int]:
    """Day n stands in the place of the same weekday as `known[n % WEEK]`."""
    weeks = [sum(known[place : place + WEEK]) for place in range(0, len(known), WEEK)]
    # One week less than there are: else the mean of what is drawn would vary less than the mean of four weeks does.
    level, usual = sum(weeks[int(rng.random() * len(weeks))] for _ in weeks[1:]), sum(weeks) * (len(weeks) - 1)
    scaled = [amount * level * len(weeks) // usual for amount in known] * 2
    future: list[int] = []
    while len(future) < days:
        start = WEEK * int(rng.random() * len(weeks)) + len(future) % WEEK
        future += scaled[start : start + 1 + int(rng.random() * WEEK)]
    return future[:days]


def _end(total: Sequence[int], today: int, buckets: Sequence[Bucket]) -> tuple[int, bool, Sequence[int]]:
    """The day on which nothing is left, whether an expiry did that, and how much of each bucket has expired by then."""
    left, lapsed = [bucket.amount for bucket in buckets], [0] * len(buckets)
    ends = [HORIZON if bucket.days is None else min(bucket.days, HORIZON) for bucket in buckets]
    burnt = today
    for stop in sorted({*ends, HORIZON}):
        if total[stop] - burnt >= sum(left):
            return max(bisect_left(total, burnt + sum(left)) - 1, 0), False, lapsed
        _burn(left, total[stop] - burnt)
        burnt = total[stop]
        for place, end in enumerate(ends):
            if end == stop < HORIZON:
                lapsed[place], left[place] = left[place], 0
        if not any(left):
            return stop, True, lapsed
    return HORIZON, False, lapsed


def _burn(left: list[int], wanted: int) -> None:
    for place, amount in enumerate(left):
        part = min(amount, wanted)
        left[place] -= part
        wanted -= part


def _interval(values: Sequence[int]) -> Interval:
    ordered = sorted(values)
    outside = len(ordered) // 20
    return Interval(ordered[outside], ordered[len(ordered) // 2], ordered[-1 - outside])
