"""What back ends hear of their running jobs without asking (H7, H13): signed, once a verdict."""

from __future__ import annotations

import json
from typing import Any

from accounting import callbacks, captures, holds, limits, outbox
from accounting.callbacks import delivery
from tests.accounting.books import book
from tests.accounting.callbacks.receiver import Receiver
from tests.accounting.hold_books import reserve
from tests.accounting.test_captures import cpu
from tests.conftest import Federation


def heard(receiver: Receiver) -> list[tuple[str, dict[str, Any]]]:
    """(type, data) of what has arrived, after everything that waits was sent."""
    while outbox.deliver():
        pass
    delivery.deliver()
    bodies = [json.loads(one.body) for one in receiver.received]
    return [(body["type"], body["data"]) for body in bodies]


def test_a_job_whose_wallet_something_else_empties_is_told_to_stop(
    federation: Federation, home: int, receiver: Receiver, client: int
) -> None:
    made = reserve(federation, amount=30)
    captures.heartbeat(federation.client, made.id, cpu(30))
    book(federation, "k-1", lines=cpu(70), job_id="other", execution_id="other")
    ((kind, data),) = heard(receiver)
    assert (kind, data["decision"], data["reason"]) == ("job.stop", "stop", "no_credit")
    assert (data["hold"], data["job_id"], data["source"]) == (str(made.id), "j-1", made.source)
    assert receiver.received[0].headers["webhook-signature"].startswith("v1,")
    book(federation, "k-2", lines=cpu(1), job_id="other", execution_id="other-2")
    assert len(heard(receiver)) == 1


def test_a_suspension_stops_and_a_resumption_is_no_news(
    federation: Federation, home: int, receiver: Receiver, client: int
) -> None:
    reserve(federation, amount=30)
    limits.suspend(home, "unpaid")
    limits.resume(home)
    limits.suspend(home, "still unpaid")
    assert [kind for kind, _ in heard(receiver)] == ["job.stop"]


def test_a_hold_that_expired_is_told_with_what_it_kept(
    federation: Federation, home: int, receiver: Receiver, client: int, database_clock: Any
) -> None:
    made = reserve(federation, amount=30)
    captures.capture(federation.client, made.id, cpu(5), key="c", raw="{}", final=False)
    database_clock(made.expires_at)
    assert holds.expire_due() == 1
    ((kind, data),) = heard(receiver)
    assert (kind, data["hold"], data["kept"], data["captured"]) == ("hold.expired", str(made.id), "25", "5")


def test_nobody_is_called_without_a_callback(federation: Federation, home: int) -> None:
    reserve(federation, amount=30)
    limits.suspend(home, "unpaid")
    assert outbox.deliver() == 1
    assert callbacks.deliveries(federation.client.client).count() == 0
