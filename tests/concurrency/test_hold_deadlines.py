"""Holds near their end: captures, heartbeats and reports against the sweep, and all of it at once (H4, H6, H7, H10)."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounting import grants, holds, ledger, limits, usage
from accounting.errors import HoldNotOpen, PaymentRequired
from accounting.holds import Reserved
from tests.concurrency.crowd import SIZE, Crowd, broken_rules
from tests.concurrency.hold_races import (
    CREDIT,
    capture,
    check_books,
    ends,
    kinds,
    report,
    reserve,
    unexpected,
    wallet,
    without_deadlocks,
)
from tests.conftest import Federation

pytestmark = pytest.mark.slow

SHORT = timedelta(milliseconds=150)
LONGER = timedelta(milliseconds=800)


@pytest.fixture
def home(committed_federation: Federation) -> int:
    home = committed_federation.alice.personal_organisation
    committed_federation.grant(home, 1_000_000 * CREDIT, "plenty")
    return home


@pytest.fixture(autouse=True)
def _books(committed_federation: Federation) -> Iterator[None]:
    with without_deadlocks():
        yield
        check_books()


def sweep_all(life: timedelta = SHORT) -> None:
    """Once everything that lived so long is over."""
    time.sleep(life.total_seconds())
    while holds.expire_due():
        pass


def test_a_capture_near_the_deadline_stands_or_is_refused(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    """Each of 24 holds is captured within 50 ms of its deadline while 8 sweep: 4,800 holds in 200 rounds."""
    federation = committed_federation
    for n in rounds:
        made = [reserve(federation, f"{n}-{i}", 2 * CREDIT, lifetime=SHORT) for i in range(24)]
        deadlines = [time.monotonic() + (one.expires_at - datetime.now(UTC)).total_seconds() for one in made]
        before = wallet(home)[0]

        def end(number: int, n: int = n, made: Any = made, deadlines: Any = deadlines) -> Any:
            if number >= 24:
                while time.monotonic() < max(deadlines) + 0.06:
                    holds.expire_due()
                return None
            time.sleep(max(0.0, deadlines[number] - time.monotonic() + random.uniform(-0.05, 0.05)))
            return capture(federation, made[number], 1, f"c-{n}-{number}", final=True)

        outcomes = crowd.rush(end)[:24]
        found = kinds(outcomes)
        booked = found.get("booked", 0)
        assert booked + found.get("HoldNotOpen", 0) == 24
        sweep_all()
        assert ends(*made) == {k: v for k, v in (("captured", booked), ("expired", 24 - booked)) if v}
        for one, outcome in zip(made, outcomes, strict=True):
            assert ends(one) == {"expired" if isinstance(outcome, HoldNotOpen) else "captured": 1}
        assert wallet(home) == (before - booked * CREDIT, 0, 0)


def beat_near_the_deadline(federation: Federation, crowd: Crowd, n: int) -> list[str]:
    """Heartbeats of 24 holds in their last moments while 8 sweep; returns the jobs that were told something untrue."""
    made = [reserve(federation, f"{n}-{i}", CREDIT, lifetime=SHORT) for i in range(24)]
    deadlines = [time.monotonic() + (one.expires_at - datetime.now(UTC)).total_seconds() for one in made]

    def live(number: int) -> Any:
        if number >= 24:
            while time.monotonic() < max(deadlines) + 0.04:
                holds.expire_due()
            return None
        time.sleep(max(0.0, deadlines[number] - time.monotonic() + random.uniform(-0.02, 0.005)))
        return holds.beat(federation.client, made[number].id, lifetime=timedelta(hours=1))

    outcomes = crowd.rush(live)[:24]
    while holds.expire_due():
        pass
    assert unexpected(outcomes, HoldNotOpen) == []
    heard = [{"expired": 1} if isinstance(outcome, HoldNotOpen) else {} for outcome in outcomes]
    return [one.job_id for one, end in zip(made, heard, strict=True) if ends(one) != end]


def test_a_heartbeat_that_was_heard_keeps_its_hold(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    limits.set_rules(home, most_holds=100_000)
    for n in rounds:
        assert beat_near_the_deadline(committed_federation, crowd, n) == []


def beat_families(federation: Federation, crowd: Crowd, n: int) -> list[Any]:
    """Two parents with seven children each; heartbeats, reports, releases and sweeps all at once."""
    parents = [reserve(federation, f"{n}-p{i}", 50 * CREDIT, lifetime=LONGER) for i in range(2)]
    children = [
        reserve(federation, f"{n}-c{i}", 2 * CREDIT, lifetime=SHORT * (1 + i % 3) / 2, parent=parents[i % 2].id)
        for i in range(14)
    ]
    family = [*parents, *children]

    def live(number: int) -> Any:
        dice, until = random.Random(n * SIZE + number), time.monotonic() + 0.15
        heard: list[Any] = []
        while time.monotonic() < until:
            one = dice.choice(family)
            deed = dice.randrange(10)
            try:
                if number % 4 == 0:
                    holds.expire_due()
                elif deed < 6:
                    holds.beat(federation.client, one.id, lifetime=SHORT * dice.random())
                elif deed == 6 and one in children:
                    report(federation, one, 1, f"r-{one.job_id}")
                elif deed == 7 and one in children:
                    capture(federation, one, dice.randrange(4), f"c-{n}-{number}-{time.monotonic_ns()}")
                elif deed == 8 and dice.random() < 0.05:
                    holds.release(federation.client, one.id)
            except HoldNotOpen:
                pass
            except Exception as error:  # noqa: BLE001  # the test says which it expects
                heard.append(error)
        return heard

    return [error for heard in crowd.rush(live) for error in heard]


def test_heartbeats_of_families_never_deadlock(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    for n in rounds:
        assert beat_families(committed_federation, crowd, n) == []
        sweep_all(LONGER)
        assert wallet(home)[1:] == (0, 0)


class Dabbler:
    """Does a random thing with the wallet or with one of its own holds."""

    def __init__(self, federation: Federation, home: int, dice: random.Random) -> None:
        self.federation = federation
        self.home = home
        self.dice = dice
        self.holds: list[Reserved] = []

    def act(self, key: str) -> None:
        deeds = [self.grant, self.sweep, self.report_and_reverse, self.reserve, self.reserve]
        deeds += [self.use, self.finish, self.drop] if self.holds else []
        self.dice.choice(deeds)(key)

    def grant(self, key: str) -> None:
        soon = datetime.now(UTC) + SHORT * self.dice.random()
        self.federation.grant(self.home, self.dice.randrange(1, 3 * CREDIT), key, expires_at=soon)

    def sweep(self, key: str) -> None:
        grants.expire_due()
        holds.expire_due()

    def report_and_reverse(self, key: str) -> None:
        made = self.federation.report(key, job_id=f"plain {key}", execution_id=f"plain {key}")
        pk = usage.ingest(self.federation.client, [made], on_reuse="replay")[0].transaction
        assert pk is not None
        ledger.reverse(pk, "goodwill")

    def reserve(self, key: str) -> None:
        life = SHORT * self.dice.choice([0.3, 10])
        self.holds.append(reserve(self.federation, key, self.dice.randrange(1, 9 * CREDIT), lifetime=life))

    def use(self, key: str) -> None:
        one = self.dice.choice(self.holds)
        capture(self.federation, one, self.dice.randrange(6), key)
        holds.beat(self.federation.client, one.id)

    def finish(self, key: str) -> None:
        report(self.federation, self.dice.choice(self.holds), self.dice.randrange(6), key)

    def drop(self, key: str) -> None:
        one = self.dice.choice(self.holds)
        holds.extend(self.federation.client, one.id, CREDIT, key)
        holds.release(self.federation.client, one.id)


def test_everything_on_one_wallet(committed_federation: Federation, home: int, crowd: Crowd, rounds: range) -> None:
    """Grants that come and expire, reversals, plain reports, holds that pay, grow, beat, end or are forgotten."""

    def live(number: int, n: int) -> None:
        dabbler = Dabbler(committed_federation, home, random.Random(n * SIZE + number))
        for step in range(6):
            with suppress(HoldNotOpen, PaymentRequired):
                dabbler.act(f"{n}-{number}-{step}")

    for n in rounds:
        assert crowd.rush(live, n) == [None] * SIZE
        assert n % 10 or broken_rules() == []
    sweep_all(SHORT * 10)
    assert wallet(home)[1:] == (0, 0)
