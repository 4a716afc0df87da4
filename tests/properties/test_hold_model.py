"""Holds against their model, and the model against planted faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import IntegrityError

from tests.accounting.books import prove
from tests.faults import Fault, plant
from tests.properties import ledger_world
from tests.properties.hold_machine import HoldMachine
from tests.properties.test_ledger_model import EXAMPLES, STEPS, run, world_at_start

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

FAULTS = {
    "a hold binds nothing": Fault("hold_open", "PERFORM grants_bind(t.bound, t.amounts, 1);", ""),
    "plans do not matter": Fault("hold_assess", "WHERE lower(p.name) IN (g.plan, g.kind, g.slug)", ""),
    "limits keep what was given back": Fault("ledger_take_back", "-1, r.amount, r.received_at", "-1, 0, r.received_at"),
    "a child spends what its parent keeps": Fault(
        "hold_open_child", "PERFORM hold_move(p.id, t.bound, t.amounts, t.unbacked, -1);", ""
    ),
    "a parent does not get back what it lent": Fault(
        "hold_close", "hold_id = o.parent AND expires_at > instant", "hold_id = o.parent AND false"
    ),
    "a heartbeat shortens a life": Fault(
        "hold_beat", "SET expires_at = greatest(expires_at, until), beat_at", "SET expires_at = until, beat_at"
    ),
    "captures add up": Fault("usage_prepare_holds", "PERFORM hold_restore(a_hold, instant);", ""),
    "a released hold is forgotten": Fault(
        "hold_candidates", "OR EXISTS (SELECT 1 FROM accounting_usagereport r WHERE r.hold_id = h.id)", ""
    ),
    "the excess is not written down": Fault("hold_burn", "excess := excess + need - part;", ""),
}


class OnlyHolds(HoldMachine):
    """Leaves out what has little to do with holds, so that a fault of theirs shows sooner."""

    report = replay = switch = None  # type: ignore[assignment]


@pytest.fixture
def federation(db: None) -> Iterator[ledger_world.World]:
    with world_at_start() as world:
        yield world


def test_any_life_of_holds_agrees_with_the_model(federation: ledger_world.World) -> None:
    run(federation, EXAMPLES, STEPS, shrink=True, machine=HoldMachine)
    prove()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_model_finds_a_planted_fault(federation: ledger_world.World, fault: Fault) -> None:
    plant(fault)
    with pytest.raises((AssertionError, IntegrityError)):
        run(federation, 150, 40, shrink=False, machine=OnlyHolds)
