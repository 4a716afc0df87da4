"""What is due is sent until it arrives (C1, C4), in order, and a receiver that fails rests as a whole."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from accounting import callbacks, tasks
from accounting.callbacks import claims, delivery, timing, transport
from accounting.models import Callback
from tests.accounting.callbacks.receiver import Receiver, Reply, receiving
from tests.conftest import Federation

Move = Callable[[datetime | None], None]
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def send(client: int, *causes: str) -> None:
    for cause in causes:
        callbacks.send(client, "job.stop", {"cause": cause}, cause)


def row(client: int, cause: str = "a") -> Any:
    return callbacks.deliveries(client).get(cause=cause)


def causes(receiver: Receiver) -> list[str]:
    return [json.loads(one.body)["data"]["cause"] for one in receiver.received]


class Clock:
    """Stands at START and is set forward."""

    def __init__(self, move: Move) -> None:
        self.now, self.move = START, move
        move(START)

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)
        self.move(self.now)


@pytest.fixture
def clock(database_clock: Move, federation: Federation) -> Clock:
    return Clock(database_clock)


@pytest.fixture
def standing(clock: Clock, client: int) -> Clock:
    """For tests in which the callback is as old as the clock."""
    Callback.objects.update(next_at=START, created_at=START)
    return clock


def test_a_message_arrives_once_as_it_was_written(client: int, receiver: Receiver, settings: Any) -> None:
    send(client, "a")
    assert tasks.deliver_callbacks() == 1
    assert tasks.deliver_callbacks() == 0
    (got,) = receiver.received
    assert got.path == "/hook?who=us"
    assert uuid.UUID(got.id) == row(client).uuid
    assert got.body.decode() == row(client).body
    document = json.loads(got.body)
    assert (document["type"], document["data"]) == ("job.stop", {"cause": "a"})
    assert abs(datetime.fromisoformat(document["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert abs(int(got.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"] == f"openeo-credits (+{settings.PUBLIC_URL})"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    sent = row(client)
    assert (sent.attempts, sent.last_status, sent.last_error, sent.abandoned_at) == (1, 204, "", None)
    assert sent.delivered_at is not None


def test_a_receiver_that_fails_gets_the_same_message_again(standing: Clock, client: int, receiver: Receiver) -> None:
    """C1: the same id and body, with a new timestamp and so another signature."""
    send(client, "a")
    receiver.replies.append(Reply(500))
    with capture_logs() as logs:
        assert delivery.deliver() == 0
    assert [(entry["event"], entry["status"], entry["failures"]) for entry in logs] == [("callback_failed", 500, 1)]
    assert (row(client).attempts, row(client).last_status) == (1, 500)
    assert timedelta(seconds=4) <= row(client).due_at - START <= timedelta(seconds=6)
    standing.forward(seconds=3)
    assert (delivery.deliver(), len(receiver.received)) == (0, 1)
    standing.forward(seconds=3)
    assert delivery.deliver() == 1
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) in {6, 7}
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert (row(client).attempts, Callback.objects.get().failures) == (2, 0)


def test_a_dead_receiver_is_tried_for_two_days_and_then_given_up(
    standing: Clock, client: int, receiver: Receiver
) -> None:
    """C4: 5 s, 30 s, 2 min, 10 min, 1 h, 3 h, 6 h, then every 6 h, 20 % more or less."""
    receiver.usual = Reply(503)
    send(client, "a")
    gaps = []
    while True:
        before = row(client)
        delivery.deliver(client)
        after = row(client)
        if after.abandoned_at is not None:
            break
        assert after.attempts == before.attempts + 1
        gaps.append((after.next_at - standing.now).total_seconds())
        standing.move(after.due_at)
        standing.now = after.due_at
    expected = [*timing.DELAYS, *[6 * 3600] * 10]
    for gap, delay in zip(gaps[:-1], expected, strict=False):
        assert 0.8 * delay <= gap <= 1.2 * delay
    assert len(gaps) >= 12
    assert timing.GIVE_UP <= standing.now - START <= timing.GIVE_UP + 1.2 * timing.LONGEST_REST
    tried = len(receiver.received)
    standing.forward(days=30)
    assert (delivery.deliver(), len(receiver.received)) == (0, tried)


def test_giving_up_is_an_error_in_the_log(standing: Clock, client: int, receiver: Receiver) -> None:
    receiver.usual = Reply(500)
    send(client, "a", "b", "c")
    delivery.deliver()
    standing.forward(hours=48)
    with capture_logs() as logs:
        delivery.deliver()
    told = [(entry["event"], entry["log_level"], entry["client"], entry["count"]) for entry in logs]
    assert told == [("callbacks_abandoned", "error", client, 3)]


def test_what_no_worker_tried_is_not_too_old(standing: Clock, client: int, receiver: Receiver) -> None:
    """Workers that were away for three days send what waited."""
    send(client, "a")
    standing.forward(days=3)
    assert delivery.deliver() == 1
    assert row(client).delivered_at == standing.now


def test_messages_come_in_the_order_in_which_they_were_written(client: int, receiver: Receiver) -> None:
    names = [f"c-{number}" for number in range(2 * delivery.MESSAGES + 3)]
    send(client, *names)
    assert delivery.deliver() == len(names)
    assert causes(receiver) == names


def test_a_receiver_rests_as_a_whole_after_a_failure(standing: Clock, client: int, receiver: Receiver) -> None:
    receiver.usual = Reply(502)
    send(client, "a", "b", "c")
    for _ in range(3):
        delivery.deliver()
    assert causes(receiver) == ["a"]
    assert row(client, "b").due_at == row(client, "a").due_at > standing.now
    assert row(client, "b").attempts == 0


def test_it_never_rests_so_long_that_a_newer_message_is_of_no_use(
    standing: Clock, client: int, receiver: Receiver
) -> None:
    receiver.usual = Reply(500)
    send(client, "a")
    for _ in range(5):
        delivery.deliver()
        standing.forward(hours=7)
    delivery.deliver()
    send(client, "b")
    receiver.usual = Reply(200)
    standing.forward(seconds=timing.LONGEST_REST.total_seconds() - 1)
    assert row(client, "a").next_at > standing.now
    delivery.deliver()
    standing.forward(seconds=2)
    delivery.deliver()
    # It is back, so what it missed is not kept for hours more.
    assert causes(receiver)[-2:] == ["b", "a"]


def test_a_failure_after_an_outage_is_a_first_one(standing: Clock, client: int, receiver: Receiver) -> None:
    receiver.replies += [Reply(500), Reply(500), Reply(500), Reply(204), Reply(500)]
    send(client, "a", "b")
    for _ in range(4):
        delivery.deliver()
        standing.forward(minutes=3)
    assert causes(receiver) == ["a"] * 4 + ["b"]
    assert Callback.objects.get().failures == 1


def test_a_message_that_the_receiver_refuses_keeps_back_no_other(
    standing: Clock, client: int, receiver: Receiver
) -> None:
    receiver.replies.append(Reply(422))
    send(client, "a", "b")
    assert delivery.deliver() == 1
    assert causes(receiver) == ["a", "b"]
    assert (row(client).last_status, row(client).last_error) == (422, "it answered 422")
    standing.forward(seconds=6)
    assert delivery.deliver() == 1


@pytest.mark.parametrize(
    ("asked", "waits"),
    [("90", 90), ("0", 1), ("86400", 3600), ("soon", None), ("-5", None), ("Wed, 01 Jan 2020 00:00:00 GMT", 1)],
)
def test_retry_after_is_honoured_within_bounds(
    standing: Clock, client: int, receiver: Receiver, asked: str, waits: int | None
) -> None:
    send(client, "a")
    receiver.replies.append(Reply(429, {"Retry-After": asked}))
    delivery.deliver()
    waited = (row(client).due_at - START).total_seconds()
    assert waited == waits if waits else 4 <= waited <= 6


def test_410_switches_the_callback_off(client: int, receiver: Receiver, federation: Federation) -> None:
    send(client, "a", "b")
    receiver.replies.append(Reply(410))
    with capture_logs() as logs:
        assert delivery.deliver() == 0
    assert [(entry["event"], entry["abandoned"]) for entry in logs] == [("callback_switched_off", 2)]
    found = callbacks.find(client)
    assert found is not None
    assert not found.active
    assert (row(client, "a").last_status, row(client, "a").last_error) == (410, "the receiver is gone")
    assert row(client, "b").last_error == "the callback was switched off"
    send(client, "c")
    assert (delivery.deliver(), len(receiver.received)) == (0, 1)
    assert not callbacks.deliveries(client).filter(cause="c").exists()


def test_a_redirect_is_not_followed(client: int, receiver: Receiver) -> None:
    with receiving() as other:
        send(client, "a")
        receiver.replies.append(Reply(307, {"Location": other.url}))
        assert delivery.deliver() == 0
        assert (len(receiver.received), other.received) == (1, [])
    assert (row(client).last_status, row(client).last_error) == (307, "it answered 307")


def test_a_receiver_that_is_not_there_is_a_failure_without_status(client: int, receiver: Receiver) -> None:
    with receiving() as gone:
        callbacks.register(client, gone.url)
    send(client, "a")
    delivery.deliver()
    assert (row(client).last_status, row(client).last_error) == (None, "it cannot be reached: Connection refused")


def test_a_slow_receiver_keeps_back_nobody_else(
    federation: Federation, client: int, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are served while it is waited for; then it rests (C4)."""
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 2.5)
    released, other_client = threading.Event(), federation.other_client.client
    receiver.replies.append(Reply(before=lambda: released.wait(10)))
    with receiving() as quick:
        callbacks.register(other_client, quick.url)
        send(client, "slow", "after")
        send(other_client, "x", "y")
        assert delivery.deliver() == 2
        assert causes(quick) == ["x", "y"]
    released.set()
    assert causes(receiver) == ["slow"]
    assert row(client, "slow").last_error == "it took too long"
    assert row(client, "after").due_at > datetime.now(UTC) + timedelta(seconds=2)


def test_a_fault_of_ours_with_one_receiver_costs_no_other_its_message(
    federation: Federation, client: int, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For instance a machine that has no threads left."""
    other = federation.other_client.client
    callbacks.register(other, receiver.url)
    callbacks.register(client, receiver.url.replace("127.0.0.1", "localhost"))
    send(client, "a")
    send(other, "b")
    real = socket.getaddrinfo

    def resolve(host: str, *words: Any, **named: Any) -> Any:
        if host == "localhost":
            raise RuntimeError("can't start new thread")
        return real(host, *words, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with capture_logs() as logs:
        assert delivery.deliver() == 1
    assert [entry["event"] for entry in logs] == ["callback_fault", "callback_failed"]
    assert causes(receiver) == ["b"]
    assert row(client).last_error == "our fault: RuntimeError"


def test_a_client_that_was_switched_off_is_not_called(client: int, receiver: Receiver, federation: Federation) -> None:
    send(client, "a")
    federation_client = Callback.objects.get().client
    federation_client.active = False
    federation_client.save()
    send(client, "b")
    assert (delivery.deliver(), receiver.received) == (0, [])
    assert not callbacks.deliveries(client).filter(cause="b").exists()


def test_a_lease_begins_anew_with_every_message(standing: Clock, client: int, receiver: Receiver) -> None:
    """C3: nobody else may call a receiver while its messages are sent."""
    leases: list[Any] = []
    send(client, "a", "b")
    (claimed,) = claims.claim(10)
    leases.append(Callback.objects.get().next_at - standing.now)
    message = claims.next_message(client)
    assert message is not None
    standing.forward(seconds=60)
    claims.settle_delivered(claimed, message, 200)
    leases.append(Callback.objects.get().next_at - standing.now)
    assert leases == [claims.LEASE] * 2
    assert claims.claim(10) == []
    standing.forward(seconds=91)
    assert [one.client for one in claims.claim(10)] == [client]
