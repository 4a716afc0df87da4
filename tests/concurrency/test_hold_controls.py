"""Each race of holds with its safeguard taken away: a test that stays green then proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from accounting import holds, limits
from accounting.holds import Reserved
from tests.concurrency.crowd import SIZE, Crowd
from tests.concurrency.hold_races import CREDIT, capture, kinds, report, reserve, wallet
from tests.concurrency.test_hold_deadlines import beat_families, beat_near_the_deadline
from tests.conftest import Federation
from tests.faults import Fault, planted

pytestmark = pytest.mark.slow

READ_THEN_WRITE = Fault("hold_open", "PERFORM 1 FROM accounting_account WHERE id = w.wallet FOR NO KEY UPDATE;", "")
CHILDREN_UNLOCKED = Fault(
    "hold_open_child",
    """PERFORM 1 FROM accounting_account WHERE id = p.wallet_id FOR NO KEY UPDATE;
    instant := accounting_now();
    SELECT * INTO o FROM accounting_openhold WHERE hold_id = p.id FOR UPDATE;""",
    """instant := accounting_now();
    SELECT * INTO o FROM accounting_openhold WHERE hold_id = p.id;""",
)
ENDED_OR_NOT = Fault("usage_prepare_holds", "IF o.hold_id IS NULL AND e.endpoint = 'captures' THEN", "IF false THEN")
NOTHING_REPLACED = Fault("usage_prepare_holds", "PERFORM hold_restore(a_hold, instant);", "")
CHILD_FIRST = Fault("hold_lock", "ORDER BY o.hold_id FOR UPDATE", "ORDER BY o.hold_id DESC FOR UPDATE")
BEATS_IGNORED = Fault("hold_sweep", "hold_id = ANY (due) AND expires_at <= instant", "hold_id = ANY (due)")
TWO_HOLDS = Fault(
    "hold_write", "ON CONFLICT (client_id, source_id, key) DO NOTHING RETURNING", "RETURNING", net="hold_once_a_key"
)


@pytest.fixture
def home(committed_federation: Federation) -> int:
    committed_federation.grant(committed_federation.alice.personal_organisation, 60 * CREDIT, "g")
    return committed_federation.alice.personal_organisation


def test_without_the_lock_more_is_held_than_there_is(committed_federation: Federation, home: int, crowd: Crowd) -> None:
    """On overdraft, where no check of a grant catches it."""
    federation, lab = committed_federation, committed_federation.lab
    limits.set_rules(lab, overdraft=10 * CREDIT)
    lab_pays = {"organisation": lab}
    with planted(READ_THEN_WRITE):
        outcomes = crowd.rush(lambda number: reserve(federation, f"h-{number}", CREDIT, payer=lab_pays))
        assert kinds(outcomes)["held"] > 10
        assert wallet(lab)[1] > 10 * CREDIT


def test_without_it_the_same_key_opens_several(committed_federation: Federation, home: int, crowd: Crowd) -> None:
    with planted(TWO_HOLDS):
        found: dict[str, int] = {}
        for n in range(5):
            for kind, count in kinds(crowd.rush(lambda _, n: _reserve_fast(committed_federation, n), n)).items():
                found[kind] = found.get(kind, 0) + count
        assert found != {"held": 5, "again": 5 * (SIZE - 1)}


def _reserve_fast(federation: Federation, n: int) -> Reserved:
    return reserve(federation, f"h-{n}", CREDIT)


def test_without_the_locks_children_share_credits(committed_federation: Federation, home: int, crowd: Crowd) -> None:
    """The check on what the parent keeps then refuses what the function should have."""
    federation = committed_federation
    with planted(CHILDREN_UNLOCKED):
        parent = reserve(federation, "p", 10 * CREDIT)
        outcomes = crowd.rush(lambda number: reserve(federation, f"c-{number}", CREDIT, parent=parent.id))
        assert kinds(outcomes) != {"held": 10, "PaymentRequired": SIZE - 10}


def test_without_the_check_a_hold_is_captured_again_and_again(
    committed_federation: Federation, home: int, crowd: Crowd
) -> None:
    federation = committed_federation
    with planted(ENDED_OR_NOT):
        made = reserve(federation, "h", 2 * CREDIT)
        outcomes = crowd.rush(lambda number: capture(federation, made, 1, f"c-{number}", final=True))
        assert kinds(outcomes)["booked"] > 1


def test_without_taking_back_a_job_is_charged_more_than_once(
    committed_federation: Federation, home: int, crowd: Crowd
) -> None:
    federation = committed_federation
    with planted(NOTHING_REPLACED):
        made = reserve(federation, "h", 10 * CREDIT)
        crowd.rush(lambda number: capture(federation, made, 1, f"c-{number}"))
        report(federation, made, 1, "r")
        assert wallet(home)[0] == (60 - SIZE - 1) * CREDIT


def test_a_child_before_its_parent_deadlocks(committed_federation: Federation, home: int, crowd: Crowd) -> None:
    federation = committed_federation
    with planted(CHILD_FIRST):
        federation.grant(home, 10_000 * CREDIT, "plenty")
        heard: list[Any] = []
        for n in range(100):  # timing decides in which round; usually one of the first
            heard = beat_families(federation, crowd, n)
            if any("deadlock detected" in str(error) for error in heard):
                break
        assert any("deadlock detected" in str(error) for error in heard)


def test_a_sweep_that_ignores_heartbeats_ends_living_jobs(
    committed_federation: Federation, home: int, crowd: Crowd
) -> None:
    """It has looked before the heartbeat, waited for it, and ends the hold all the same."""
    federation = committed_federation
    with planted(BEATS_IGNORED):
        assert any(beat_near_the_deadline(federation, crowd, n) for n in range(200))
        assert holds.expire_due() >= 0
