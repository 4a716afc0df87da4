"""The ledger against its model, and the model against planted faults: a model that finds nothing proves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from devtools import clock
from tests.faults import NO_UNIQUE_KEY, Fault, plant
from tests.properties import ledger_world
from tests.properties.ledger_machine import LedgerMachine

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "60"))
STEPS = int(os.environ.get("MODEL_STEPS", "30"))


FAULTS = {
    "a grant does not repay debts": Fault("grant_issue", "PERFORM debts_repay(a_wallet, w.ids[1], w.instant);", ""),
    "priorities burn backwards": Fault("grants_open", "ORDER BY g.priority,", "ORDER BY g.priority DESC,"),
    "the earliest expiry does not go first": Fault("grants_open", "g.expires_at NULLS LAST, ", ""),
    "expired grants still pay": Fault("grants_open", "OR g.expires_at > instant", "OR true"),
    "a grant pays at any back end": Fault("grants_burn", "c.backend = ANY (g.backends)", "true"),
    "a grant pays for any process": Fault("grants_burn", "c.process = ANY (g.processes)", "true"),
    "a grant repays debts out of its scope": Fault(
        "debts_repay", "CONTINUE WHEN NOT grant_covers(g, d.backend, d.process);", ""
    ),
    "the newest debt is repaid first": Fault(
        "debts_repay", "outstanding > 0 ORDER BY id LOOP", "outstanding > 0 ORDER BY id DESC LOOP"
    ),
    "a reversal refills nothing": Fault("ledger_take_back", "g.remaining + s.amount", "g.remaining"),
    "a reversal leaves the debt": Fault("ledger_take_back", "SET outstanding = 0", "SET outstanding = outstanding"),
    "a reversal leaves the job's cost": Fault("ledger_take_back", "ELSE r.amount END", "ELSE 0 END"),
    "an expired grant keeps its credits": Fault("grants_expire", "SET remaining = held", "SET remaining = remaining"),
    "a reversal refills the newest grant": Fault(
        "ledger_take_back",
        "WHERE g.id = s.grant_id",
        "WHERE g.id = (SELECT max(o.id) FROM accounting_grant o JOIN accounting_grant x USING (wallet_id)"
        " WHERE x.id = s.grant_id)",
    ),
    "keys are not kept": Fault("ledger_write_transactions", "service, ''), t.key,", "service, ''), NULL::text,"),
    "keys are not unique": NO_UNIQUE_KEY,
    "numbers have gaps": Fault("ledger_write_entries", "seq = a.seq + s.entries", "seq = a.seq + s.entries + 1"),
    "balance_after forgets its batch": Fault(
        "ledger_write_entries", "THEN posted + run END", "THEN posted + amount END"
    ),
    "anybody's organisation pays": Fault(
        "usage_resolve", "hl.organisation_id, own.organisation_id,", "hl.organisation_id, t.organisation,"
    ),
    "late reports pay today's price": Fault(
        "usage_resolve", "coalesce(t.finished_at, accounting_now())", "accounting_now()"
    ),
}


@contextmanager
def world_at_start() -> Iterator[ledger_world.World]:
    """Inside the test's transaction, which is rolled back: functions replaced here are themselves again after it."""
    with connection.cursor() as cursor, clock.movable(cursor):
        yield ledger_world.build()
        clock.move(cursor, None)


@pytest.fixture
def federation(db: None) -> Iterator[ledger_world.World]:
    with world_at_start() as world:
        yield world


def run(
    federation: ledger_world.World,
    examples: int,
    steps: int,
    *,
    shrink: bool,
    machine: type[LedgerMachine] = LedgerMachine,
) -> None:
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    run_state_machine_as_test(
        type("Machine", (machine,), {"federation": federation}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=phases,
            derandomize=not shrink,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_life_of_the_ledger_agrees_with_the_model(federation: ledger_world.World) -> None:
    run(federation, EXAMPLES, STEPS, shrink=True)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_model_finds_a_planted_fault(federation: ledger_world.World, fault: Fault) -> None:
    plant(fault)
    # Either the model disagrees or a constraint of the database does; an error of syntax would be neither.
    with pytest.raises((AssertionError, IntegrityError)):
        run(federation, 300, 40, shrink=False)
