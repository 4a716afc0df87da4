"""Several workers, and workers that die: at most once each while receivers answer, at least once always (C3)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection, transaction

from accounting import callbacks
from accounting.callbacks import claims, delivery
from accounting.models import Callback
from devtools.paths import ROOT
from tests.accounting.callbacks.receiver import Receiver, Reply, receiving
from tests.conftest import Federation
from tests.faults import figures

MESSAGES = 25
WORKERS = 4


@pytest.fixture
def client(committed_federation: Federation, receiver: Receiver) -> int:
    callbacks.register(committed_federation.client.client, receiver.url)
    return committed_federation.client.client


@pytest.fixture
def second(committed_federation: Federation, demonstration: None) -> Iterator[Receiver]:
    with receiving() as other:
        callbacks.register(committed_federation.other_client.client, other.url)
        yield other


def work(_: int = 0) -> int:
    """A run of a worker with a connection of its own."""
    try:
        return sum(delivery.deliver() for _ in range(3))
    finally:
        connection.close()


def run_workers() -> int:
    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(work, range(WORKERS)))


def write(client: int) -> None:
    for number in range(MESSAGES):
        callbacks.send(client, "job.stop", {}, f"c-{number}")


def test_workers_at_the_same_time_send_each_message_once_and_in_order(
    client: int, receiver: Receiver, second: Receiver, committed_federation: Federation
) -> None:
    receiver.usual = Reply(before=lambda: time.sleep(0.005))
    write(client)
    write(committed_federation.other_client.client)
    assert run_workers() == 2 * MESSAGES
    for owner, place in ((client, receiver), (committed_federation.other_client.client, second)):
        written = callbacks.deliveries(owner).order_by("id").values_list("uuid", flat=True)
        assert place.ids == [str(one) for one in written]


def test_without_claims_messages_would_come_twice(
    client: int, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: with leases that are over at once, the test above would fail."""
    monkeypatch.setattr(claims, "LEASE", timedelta(0))
    receiver.usual = Reply(before=lambda: time.sleep(0.02))
    write(client)
    run_workers()
    assert max(Counter(receiver.ids).values()) > 1


def open_transactions(client: int, receiver: Receiver) -> list[Any]:
    """How many there are in the database, besides the one that looks, each time the receiver is called."""
    seen: list[Any] = []

    def look() -> None:
        try:
            seen.append(
                figures(
                    "SELECT count(xact_start) FROM pg_stat_activity WHERE datname = current_database()"
                    "   AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )[0]
            )
        finally:
            connection.close()

    receiver.usual = Reply(before=look)
    write(client)
    assert delivery.deliver() == MESSAGES
    return seen


def test_no_transaction_is_open_while_a_receiver_is_waited_for(client: int, receiver: Receiver) -> None:
    assert open_transactions(client, receiver) == [0] * MESSAGES


def test_one_that_is_open_would_be_seen(client: int, receiver: Receiver) -> None:
    """Negative control of the test above."""
    with transaction.atomic():
        assert open_transactions(client, receiver) == [1] * MESSAGES


def test_what_is_written_meanwhile_does_not_wait_for_a_slow_receiver(
    client: int, receiver: Receiver, second: Receiver, committed_federation: Federation
) -> None:
    """Within one run: a message for somebody else, written while the slow one is waited for."""
    came = threading.Event()

    def write_for_another() -> None:
        try:
            callbacks.send(committed_federation.other_client.client, "job.stop", {}, "meanwhile")
        finally:
            connection.close()
        assert came.wait(8)

    second.usual = Reply(before=came.set)
    receiver.usual = Reply(before=write_for_another)
    callbacks.send(client, "job.stop", {}, "slow")
    assert delivery.deliver() == 2
    assert (len(second.received), len(receiver.received)) == (1, 1)


WORKER = """
import django; django.setup()
from accounting.callbacks import delivery
delivery.deliver()
"""


def environment() -> dict[str, str]:
    database = connection.settings_dict
    user, password = quote(str(database["USER"])), quote(str(database["PASSWORD"]))
    where = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
    settings = {"DJANGO_SETTINGS_MODULE": "portal.settings.test", "DEMONSTRATION": "on"}
    return {**os.environ, **settings, "DATABASE_URL": f"postgresql://{user}:{password}@{where}"}


def test_a_worker_that_is_killed_during_a_call_is_followed_by_another(client: int, receiver: Receiver) -> None:
    """The message was claimed and may have arrived: it comes again, after the lease, under the same id (C1)."""
    asked, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        go_on.wait(20)

    receiver.replies.append(Reply(before=hang))
    callbacks.send(client, "job.stop", {}, "a")
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, env=environment())
    try:
        assert asked.wait(20)
        worker.send_signal(signal.SIGKILL)
        assert worker.wait(10) == -signal.SIGKILL
    finally:
        worker.kill()
        go_on.set()
    assert delivery.deliver() == 0
    assert callbacks.deliveries(client).get().attempts == 0
    # The lease is over: moved, because the test does not wait for it.
    assert Callback.objects.update(next_at=Callback.objects.get().next_at - claims.LEASE) == 1
    assert delivery.deliver() == 1
    assert len(receiver.received) == 2
    assert len(set(receiver.ids)) == 1
    assert receiver.received[0].body == receiver.received[1].body
