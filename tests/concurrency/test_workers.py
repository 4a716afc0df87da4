"""Events of postings reach people once, whatever happens to workers and broker (reliability Q1 to Q3, Q5)."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from celery import Celery
from django.db import connection
from kombu import Connection, Queue

from accounting import usage
from devtools.paths import PYTHON, ROOT
from devtools.processes import Child, Command, free_ports, wait_until
from devtools.rabbitmq import Broker
from portal.celery import transport
from tests.concurrency.crowd import broken_rules
from tests.conftest import Federation
from tests.faults import figures

pytestmark = [pytest.mark.slow, pytest.mark.broker]

EVENTS = 120


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A node of our own, because it is going to be killed and emptied."""
    node = Broker(tmp_path_factory.mktemp("rabbitmq"), free_ports(1)[0])
    node.start()
    yield node
    node.stop()


def environment(broker: Broker) -> dict[str, str]:
    database = connection.settings_dict
    user, password = quote(str(database["USER"])), quote(str(database["PASSWORD"]))
    where = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return {
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "DATABASE_URL": f"postgresql://{user}:{password}@{where}",
        "CELERY_BROKER_URL": broker.url,
    }


@contextmanager
def running(broker: Broker, folder: Path, *words: str) -> Iterator[Child]:
    """A worker or the beat, as production starts them; a killed worker's name stays taken for a while."""
    name = ("--hostname", f"{time.monotonic_ns()}@%h") if words[0] == "worker" else ()
    command: Command = [PYTHON, "-m", "celery", "-A", "portal", *words, *name]
    child = Child.start(words[0], command, folder, env=environment(broker), cwd=ROOT)
    try:
        yield child
    finally:
        child.signal(signal.SIGKILL)
        child.process.wait()


WORKER = ("worker", "--concurrency", "2", "--without-gossip", "--without-mingle")


def send(broker: Broker, messages: int, limit: int) -> None:
    """Messages that ask for a delivery of so many events each, as the beat sends them."""
    queue = Celery("sender", broker=broker.url, set_as_current=False)
    queue.conf.update(transport(broker.url, ""), task_default_queue="portal", task_ignore_result=True)
    with queue.connection_for_write(broker.url) as line:  # CELERY_BROKER_URL would win over `broker`
        for _ in range(messages):
            queue.send_task("accounting.tasks.deliver_outbox", kwargs={"limit": limit}, connection=line)


def book_events(federation: Federation) -> None:
    """Jobs that name somebody else's organisation: each leaves an event for Alice, the first also one for credits."""
    stranger = federation.charlie.personal_organisation
    reports = [
        federation.report(key=f"k-{n}", job_id=f"j-{n}", execution_id=f"e-{n}", organisation=stranger)
        for n in range(EVENTS)
    ]
    assert {outcome.status for outcome in usage.ingest(federation.client, reports, on_reuse="replay")} == {"booked"}
    assert outbox() == (EVENTS + 1, 0)


def outbox() -> tuple[int, int]:
    """How many events there are, and how many of them were delivered."""
    events, delivered = figures("SELECT count(*), count(delivered_at) FROM accounting_outboxevent")
    return int(events), int(delivered)


def notices() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, count(*) FROM accounting_notice GROUP BY kind")
        return dict(cursor.fetchall())


def delivered(count: int) -> bool:
    return outbox()[1] >= count


def drained() -> bool:
    events, delivered = outbox()
    return events == delivered


def until(ready: Callable[[], bool], what: str, child: Child, seconds: float = 60) -> None:
    wait_until(ready, what, seconds=seconds, child=child, pause=0.05)


ONCE = {"organisation_refused": EVENTS, "credits_exhausted": 1}


def test_killed_workers_deliver_each_event_once(
    committed_federation: Federation, broker: Broker, tmp_path: Path
) -> None:
    """The whole worker twice, one of its children once, in the middle of its work.

    Several times as many messages as needed: two children that look at the same events leave them to one another.
    """
    book_events(committed_federation)
    send(broker, messages=2 * EVENTS, limit=3)
    for kill in ("all", "child", "all"):
        before = outbox()[1]
        with running(broker, tmp_path, *WORKER) as worker:
            until(partial(delivered, before + 9), "a few deliveries", worker)
            if kill == "child":
                children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
                os.kill(int(random.choice(children)), signal.SIGKILL)
                until(partial(delivered, before + 18), "more deliveries", worker)
    assert not drained()
    with running(broker, tmp_path, *WORKER) as worker:
        until(drained, "the outbox", worker)
    assert notices() == ONCE
    assert figures("SELECT count(*) FROM accounting_outboxevent WHERE attempts > 0") == (0,)
    assert broken_rules() == []


def test_two_workers_and_doubled_messages_deliver_each_event_once(
    committed_federation: Federation, broker: Broker, tmp_path: Path
) -> None:
    book_events(committed_federation)
    with running(broker, tmp_path / "a", *WORKER) as worker, running(broker, tmp_path / "b", *WORKER):
        send(broker, messages=30, limit=EVENTS)
        until(drained, "the outbox", worker)
    assert notices() == ONCE


def test_reports_do_not_need_the_broker_and_events_survive_its_loss(
    committed_federation: Federation, broker: Broker, tmp_path: Path
) -> None:
    """Dead while reports come in, and emptied of the messages it had: the beat asks again, for rows say what is due."""
    send(broker, messages=5, limit=500)
    broker.kill()
    book_events(committed_federation)
    assert outbox() == (EVENTS + 1, 0)
    broker.start()
    with Connection(broker.url) as line:
        Queue("portal")(line).purge()
    schedule = ("beat", "--schedule", str(tmp_path / "schedule"), "--pidfile", "")
    with running(broker, tmp_path, *WORKER) as worker, running(broker, tmp_path, *schedule):
        until(drained, "the outbox", worker, seconds=90)
    assert notices() == ONCE
