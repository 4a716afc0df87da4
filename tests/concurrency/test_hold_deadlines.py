"""Holds near their end: captures, heartbeats and reports against the sweep, and all of it at once (H4, H6, H7, H10)."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounting import grants, holds, ledger
from accounting.errors import HoldNotOpen, NotFound, ParentInvalid, PaymentRequired
from tests.concurrency.crowd import SIZE, Crowd
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

SHORT = timedelta(milliseconds=90)


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


def sweep_all() -> None:
    """Until nothing that is short-lived is left."""
    time.sleep(SHORT.total_seconds() * 2)
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


def beat_families(federation: Federation, crowd: Crowd, n: int) -> list[Any]:
    """Two parents with seven children each; heartbeats, reports, releases and sweeps all at once."""
    parents = [reserve(federation, f"{n}-p{i}", 50 * CREDIT, lifetime=SHORT) for i in range(2)]
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
        sweep_all()
        assert wallet(home)[1:] == (0, 0)


def test_everything_on_one_wallet(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    """Grants that come and expire, reversals, plain reports, holds that pay, grow, beat, end or are forgotten."""
    federation = committed_federation

    def live(number: int, n: int) -> Any:
        dice = random.Random(n * SIZE + number)
        mine: list[Any] = []
        for step in range(6):
            key = f"{n}-{number}-{step}"
            try:
                match dice.randrange(9):
                    case 0:
                        soon = datetime.now(UTC) + SHORT * dice.random()
                        federation.grant(home, dice.randrange(1, 3 * CREDIT), key, expires_at=soon)
                    case 1:
                        grants.expire_due()
                    case 2:
                        holds.expire_due()
                    case 3:
                        made = federation.report(key, job_id=f"plain {key}", execution_id=f"plain {key}")
                        from accounting import usage

                        pk = usage.ingest(federation.client, [made], on_reuse="replay")[0].transaction
                        assert pk is not None
                        ledger.reverse(pk, "goodwill")
                    case 4 | 5:
                        life = SHORT * dice.choice([0.5, 10])
                        mine.append(reserve(federation, key, dice.randrange(1, 9 * CREDIT), lifetime=life))
                    case 6 if mine:
                        one = dice.choice(mine)
                        capture(federation, one, dice.randrange(6), key)
                        holds.beat(federation.client, one.id)
                    case 7 if mine:
                        one = dice.choice(mine)
                        report(federation, one, dice.randrange(6), key)
                    case 8 if mine:
                        one = dice.choice(mine)
                        holds.extend(federation.client, one.id, CREDIT, key)
                        holds.release(federation.client, one.id)
            except (HoldNotOpen, PaymentRequired, ParentInvalid, NotFound):
                pass
        return None

    for n in rounds:
        outcomes = crowd.rush(live, n)
        assert unexpected(outcomes) == []
        assert outcomes == [None] * SIZE
        check_wallet_of(home)
    time.sleep(1)
    while holds.expire_due():
        pass
    assert wallet(home)[1:] == (0, 0)


def check_wallet_of(home: int) -> None:
    from tests.concurrency.crowd import broken_rules

    assert broken_rules() == []
    assert wallet(home)[1] >= 0
