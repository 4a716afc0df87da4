"""Many who want the same credits, or the same hold, at one moment (H1, H4, H8, H10, H11). Counts are exact."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from time import sleep
from typing import Any

import pytest

from accounting import holds, limits
from accounting.errors import HoldNotOpen, PaymentRequired
from accounting.holds import Reserved
from accounting.models import BackEnd
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


@pytest.fixture
def home(committed_federation: Federation) -> int:
    """Alice's own organisation with 60 credits in three grants."""
    home = committed_federation.alice.personal_organisation
    for n, part in enumerate((7, 40, 13)):
        committed_federation.grant(home, part * CREDIT, f"g-{n}", priority=n % 2)
    return home


@pytest.fixture(autouse=True)
def _books(committed_federation: Federation) -> Iterator[None]:
    """Set up before the crowd, so the sessions of the crowd have ended when deadlocks are counted."""
    with without_deadlocks():
        yield
        check_books()


def winners(n: int) -> int:
    return 1 + n * 7 % (SIZE - 1)


def test_as_many_win_as_there_are_credits(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    """Every second round the floor is lower: the last ones win on overdraft."""
    federation = committed_federation
    for n in rounds:
        overdraft = n % 2 * 5 * CREDIT
        limits.set_rules(home, overdraft=overdraft)
        amount = (60 * CREDIT + overdraft) // winners(n)
        outcomes = crowd.rush(lambda number, n, amount: reserve(federation, f"{n}-{number}", amount), n, amount)
        assert kinds(outcomes) == {"held": winners(n), "PaymentRequired": SIZE - winners(n)}
        assert {one.extra["reason"] for one in outcomes if isinstance(one, PaymentRequired)} == {"no_credit"}
        assert wallet(home) == (60 * CREDIT, winners(n) * amount, winners(n))
        for one in outcomes:
            if isinstance(one, Reserved):
                holds.release(federation.client, one.id)


def test_as_many_win_as_a_limit_allows(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    federation = committed_federation
    for n in rounds:
        limits.set_limit(home, winners(n) * CREDIT, period="total", person=federation.alice.pk)
        outcomes = crowd.rush(lambda number, n: reserve(federation, f"{n}-{number}", CREDIT), n)
        assert kinds(outcomes) == {"held": winners(n), "PaymentRequired": SIZE - winners(n)}
        for one in outcomes:
            if isinstance(one, Reserved):
                holds.release(federation.client, one.id)


def test_the_same_key_opens_one_hold(committed_federation: Federation, home: int, crowd: Crowd, rounds: range) -> None:
    """There is enough for one of them only, so the others must be recognised, not refused."""
    for n in rounds:
        outcomes = crowd.rush(lambda _, n: reserve(committed_federation, f"h-{n}", 60 * CREDIT), n)
        assert kinds(outcomes) == {"held": 1, "again": SIZE - 1}
        assert len({one.id for one in outcomes}) == 1
        assert wallet(home) == (60 * CREDIT, 60 * CREDIT, 1)
        holds.release(committed_federation.client, outcomes[0].id)


def test_a_hold_grows_once_a_key(committed_federation: Federation, home: int, crowd: Crowd, rounds: range) -> None:
    federation = committed_federation
    for n in rounds:
        made = reserve(federation, f"h-{n}", CREDIT)
        keys = winners(n)
        outcomes = crowd.rush(
            lambda number, made, keys: holds.extend(federation.client, made.id, CREDIT, f"e-{number % keys}"),
            made,
            keys,
        )
        assert kinds(outcomes) == {"held": keys, "again": SIZE - keys}
        assert wallet(home)[1:] == ((1 + keys) * CREDIT, 1)
        holds.release(federation.client, made.id)


def test_one_final_capture_ends_a_hold(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    """With different keys one charges and the others hear that it is over; with one key all hear the same answer."""
    federation = committed_federation
    for n in rounds:
        made = reserve(federation, f"h-{n}", 2 * CREDIT)
        before = wallet(home)[0]

        def end(number: int, made: Reserved = made, one_key: int = n % 2) -> Any:
            return capture(federation, made, 1, "c" if one_key else f"c-{number}", final=True)

        outcomes = crowd.rush(end)
        others = "replayed" if n % 2 else "HoldNotOpen"
        assert kinds(outcomes) == {"booked": 1, others: SIZE - 1}
        assert wallet(home) == (before - CREDIT, 0, 0)
        assert ends(made) == {"captured": 1}
        federation.grant(home, CREDIT, f"back-{n}")


def test_capture_against_release(committed_federation: Federation, home: int, crowd: Crowd, rounds: range) -> None:
    federation = committed_federation
    for n in rounds:
        made = reserve(federation, f"h-{n}", 2 * CREDIT)
        before = wallet(home)[0]

        def end(number: int, made: Reserved = made) -> Any:
            if number // 2 % 2:
                return capture(federation, made, 1, f"c-{number}", final=True)
            return holds.release(federation.client, made.id)

        found = kinds(crowd.rush(end))
        if ends(made) == {"captured": 1}:
            assert found == {"booked": 1, "HoldNotOpen": SIZE - 1}
            assert wallet(home) == (before - CREDIT, 0, 0)
            federation.grant(home, CREDIT, f"back-{n}")
        else:
            assert ends(made) == {"released": 1}
            assert found == {"held": 1, "again": SIZE // 2 - 1, "HoldNotOpen": SIZE // 2}
            assert wallet(home) == (before, 0, 0)


def test_children_never_share_a_credit(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    """They take and grow at once; all of the parent is lent, and nothing twice."""
    federation = committed_federation
    for n in rounds:
        amount = 50 * CREDIT // winners(n)
        parent = reserve(federation, f"p-{n}", 50 * CREDIT)

        def take(number: int, n: int = n, amount: int = amount, parent: Reserved = parent) -> Any:
            return reserve(federation, f"{n}-{number}", amount, parent=parent.id)

        outcomes = crowd.rush(take)
        assert kinds(outcomes) == {"held": winners(n), "PaymentRequired": SIZE - winners(n)}
        assert {one.extra["reason"] for one in outcomes if isinstance(one, PaymentRequired)} == {"over_budget"}
        assert wallet(home) == (60 * CREDIT, 50 * CREDIT, 1 + winners(n))
        children = [one for one in outcomes if isinstance(one, Reserved)]
        for number, one in enumerate((parent, *children) if n % 2 else (*children, parent)):
            holds.release(federation.client, one.id, f"round {n}, {number}")
        assert wallet(home) == (60 * CREDIT, 0, 0)


def test_interim_captures_at_once_leave_one(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    """Each replaces the one before, so the last one stands, whichever it was; the job's own report replaces that."""
    federation = committed_federation
    for n in rounds:
        made = reserve(federation, f"h-{n}", 20 * CREDIT, execution_id=f"run {n}")
        before = wallet(home)[0]
        outcomes = crowd.rush(lambda number, made: capture(federation, made, 1 + number, f"c-{number}"), made)
        assert kinds(outcomes) == {"booked": SIZE}
        charged = (before - wallet(home)[0]) // CREDIT
        assert 1 <= charged <= SIZE
        newest = max(outcomes, key=lambda one: one.transaction or 0)
        assert newest.booking is not None
        assert newest.booking.amount == charged * CREDIT
        assert report(federation, made, 3, f"r-{n}", execution_id=f"run {n}").status == "booked"
        assert wallet(home) == (before - 3 * CREDIT, 0, 0)
        federation.grant(home, 3 * CREDIT, f"back-{n}")


def test_what_a_back_end_waives_is_never_charged(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range
) -> None:
    """Captures are cut down to what the hold keeps at that moment, while it grows; nobody pays more than it kept."""
    federation = committed_federation
    BackEnd.objects.filter(pk=federation.backend).update(excess=BackEnd.Excess.WAIVE)
    for n in rounds:
        made = reserve(federation, f"h-{n}", 4 * CREDIT)
        before = wallet(home)[0]

        def use(number: int, n: int = n, made: Reserved = made) -> Any:
            if number % 8 == 0:
                return holds.extend(federation.client, made.id, CREDIT, f"e-{number}")
            return capture(federation, made, 7, f"c-{n}-{number}")

        assert kinds(crowd.rush(use)) == {"held": 4, "booked": SIZE - 4}
        assert report(federation, made, 50, f"r-{n}").status == "booked"
        assert wallet(home) == (before - 8 * CREDIT, 0, 0)
        federation.grant(home, 8 * CREDIT, f"back-{n}")


@pytest.mark.parametrize("job", ["lives long", "dies"])
def test_a_job_is_charged_once_whatever_is_said_of_it(
    committed_federation: Federation, home: int, crowd: Crowd, rounds: range, job: str
) -> None:
    """Its own report, in every order with captures, releases, growth, heartbeats and its hold's expiry."""
    federation = committed_federation
    for n in rounds:
        dice = Random(n)
        moments = [dice.random() * 0.12 for _ in range(SIZE)]
        life = timedelta(hours=1) if job == "lives long" else timedelta(milliseconds=60)
        made = reserve(federation, f"h-{n}", 20 * CREDIT, lifetime=life)
        before = wallet(home)[0]

        def say(number: int, n: int = n, made: Reserved = made, life: timedelta = life, moments: Any = moments) -> Any:
            sleep(moments[number])
            match number % 8:
                case 0 | 1:
                    return report(federation, made, 5, f"r-{n}")
                case 2 | 3:
                    return capture(federation, made, number, f"c-{number}", final=number % 3 == 0)
                case 4:
                    return holds.extend(federation.client, made.id, CREDIT, f"e-{number}")
                case 5:
                    return holds.release(federation.client, made.id) if number > SIZE // 2 else None
                case 6:
                    return holds.beat(federation.client, made.id, lifetime=life)
                case _:
                    return holds.expire_due()

        outcomes = crowd.rush(say)
        assert unexpected(outcomes, HoldNotOpen) == []
        assert kinds([one for number, one in enumerate(outcomes) if number % 8 < 2]) == {"booked": 1, "replayed": 7}
        assert wallet(home) == (before - 5 * CREDIT, 0, 0)
        assert sum(ends(made).values()) == 1
        federation.grant(home, 5 * CREDIT, f"back-{n}")
