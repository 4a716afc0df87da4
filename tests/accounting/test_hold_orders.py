"""Orders of events that a hold must survive: reports after a release, late reports in one batch, other processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from accounting import holds, queries, usage
from accounting.errors import HoldNotOpen
from accounting.models import Job
from tests.accounting.books import GOLDEN, book, booked, micros, paid_by
from tests.accounting.hold_books import held, reserve, state
from tests.accounting.test_captures import capture, cpu
from tests.conftest import Federation

MoveClock = Callable[[datetime | None], None]
pytestmark = pytest.mark.usefixtures("sound_books")


def test_the_report_of_a_canceled_job_replaces_what_was_captured_before_the_release(
    federation: Federation, home: int
) -> None:
    """It has run, although its hold was released: charged once, by whoever pays for the hold (H8)."""
    made = reserve(federation, amount=30)
    capture(federation, made, 10, "c-1")
    holds.release(federation.client, made.id, "canceled")
    assert queries.balance(home).posted == micros(90)
    book(federation, state="KILLED")
    assert queries.balance(home).posted == micros(100) - GOLDEN
    assert (state(made), held(home)) == ("released", (0, 0))
    assert Job.objects.get().cost_compute == GOLDEN


def test_late_reports_of_one_job_may_share_a_batch(
    federation: Federation, home: int, database_clock: MoveClock
) -> None:
    """The first takes back what was captured before the expiry; the second finds nothing to take back."""
    made = reserve(federation, amount=30)
    capture(federation, made, 10, "c-1")
    database_clock(made.expires_at + timedelta(days=1))
    holds.expire_due()
    first = federation.report()
    outcomes = usage.ingest(federation.client, [first, replace(first, key="k-2")], on_reuse="replay")
    assert [outcome.status for outcome in outcomes] == ["booked", "booked"]
    assert queries.balance(home).posted == micros(100) - 2 * GOLDEN
    assert (state(made), held(home)) == ("expired", (0, 0))


def test_late_reports_of_two_jobs_may_share_a_batch(
    federation: Federation, home: int, database_clock: MoveClock
) -> None:
    """One hold was swept, the other not yet."""
    one = reserve(federation, amount=30)
    two = reserve(federation, "h-2", amount=30, job_id="j-2", lifetime=timedelta(hours=2))
    capture(federation, one, 10, "c-1")
    database_clock(one.expires_at)
    assert holds.expire_due() == 1
    database_clock(two.expires_at)
    reports = [federation.report(), federation.report("k-2", job_id="j-2", execution_id="application_2")]
    outcomes = usage.ingest(federation.client, reports, on_reuse="replay")
    assert [outcome.status for outcome in outcomes] == ["booked", "booked"]
    assert queries.balance(home).posted == micros(100) - 2 * GOLDEN
    assert (state(one), state(two), held(home)) == ("expired", "expired", (0, 0))


def test_credits_for_a_process_pay_for_no_other_although_a_capture_took_them(federation: Federation, home: int) -> None:
    """Taken back, they are not bound to the hold: what it keeps may pay for anything (H5, H6)."""
    ndvi = federation.grant(home, micros(50), "ndvi only", processes=["ndvi"])
    made = reserve(federation, amount=30)
    of_ndvi = (replace(cpu(8)[0], process="ndvi"),)
    outcome = usage.ingest(
        federation.client,
        [
            federation.report(
                "r-1", lines=of_ndvi, state="RUNNING", endpoint="captures", service=str(made.id), hold=made.pk
            )
        ],
        on_reuse="refuse",
    )[0]
    assert outcome.transaction is not None
    assert paid_by(outcome.transaction) == [(ndvi, micros(8))]
    pk = booked(federation, lines=cpu(35))
    assert ndvi not in dict(paid_by(pk))
    assert queries.balance(home).posted == micros(150 - 35)


def test_a_heartbeat_of_an_ended_child_does_not_keep_its_parent(
    federation: Federation, home: int, database_clock: MoveClock
) -> None:
    parent = reserve(federation, "p", amount=30, job_id="whole", lifetime=timedelta(hours=1))
    child = reserve(federation, "c", amount=10, job_id="part", parent=parent.id)
    holds.release(federation.client, child.id)
    database_clock(parent.created_at + timedelta(minutes=50))
    with pytest.raises(HoldNotOpen):
        holds.beat(federation.client, child.id)
    database_clock(child.expires_at)
    assert holds.expire_due() == 1
    assert held(home) == (0, 0)
