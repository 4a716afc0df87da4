"""The task queue: what it is told to do, when, and that the request id goes along."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from amqp.exceptions import PreconditionFailed
from celery import Celery
from celery.contrib.testing.worker import start_worker

from portal import celery as portal_celery
from portal import logs
from portal.celery import SCHEDULE, app, transport


def test_tasks_are_given_back_and_carry_json_only() -> None:
    conf = app.conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.accept_content == ["json"]
    assert conf.task_serializer == conf.result_serializer == "json"
    assert conf.task_ignore_result
    assert 0 < conf.task_soft_time_limit < conf.task_time_limit
    assert str(conf.timezone) == "UTC"


def test_the_schedule_names_tasks_that_exist() -> None:
    app.loader.import_default_modules()
    for entry in SCHEDULE.values():
        assert entry["task"] in app.tasks
    assert SCHEDULE["heartbeat"]["schedule"] == 15.0
    assert SCHEDULE["deliver-outbox"]["schedule"] == 10.0
    assert SCHEDULE["deliver-callbacks"]["schedule"] == 5.0
    assert SCHEDULE["expire-grants"]["schedule"] == 60.0


@pytest.mark.parametrize("url", ["amqp://x//", "amqps://x//", "pyamqp://x//"])
def test_rabbitmq_keeps_tasks_on_a_majority_of_disks(url: str) -> None:
    options = transport(url, "")
    assert options["task_default_queue_type"] == "quorum"
    assert options["broker_transport_options"] == {"confirm_publish": True}


def test_redis_gives_tasks_back_within_minutes() -> None:
    assert transport("redis://x/0", "")["broker_transport_options"] == {"visibility_timeout": 600}


def test_other_transports_need_nothing() -> None:
    assert transport("memory://", "") == {}


def run_one_task(queue: Celery) -> tuple[str, str]:
    """Send a task under a request id to a worker of its own thread; return its text and the id that it saw."""
    seen: list[tuple[str, str]] = []

    @queue.task(name="note", shared=False)
    def note(text: str) -> None:
        seen.append((text, logs.current_request_id()))

    queue.set_current()
    try:
        with start_worker(queue, pool="solo", perform_ping_check=False, shutdown_timeout=20):
            logs.begin("request-0001")
            note.delay("hello")
            logs.end()
            deadline = time.monotonic() + 15
            while not seen and time.monotonic() < deadline:
                time.sleep(0.02)
    finally:
        app.set_current()
    assert logs.current_request_id() == ""
    return seen[0]


def queue_at(url: str, folder: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Celery:
    # Celery lets this variable win over every other way to say where the broker is.
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    queue = Celery("queue", broker=url, set_as_current=False)
    queue.conf.update(transport(url, folder), task_default_queue=name, task_ignore_result=True)
    return queue


def test_messages_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = queue_at("filesystem://localhost", str(tmp_path / "broker"), "portal", monkeypatch)
    assert run_one_task(queue) == ("hello", "request-0001")
    assert (tmp_path / "broker" / "control").is_dir()
    assert list((tmp_path / "broker" / "messages").iterdir()) == []


@pytest.mark.broker
def test_a_quorum_queue_of_a_real_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = queue_at(os.environ["TEST_BROKER_URL"], "", f"portal-{time.monotonic_ns()}", monkeypatch)
    assert run_one_task(queue) == ("hello", "request-0001")
    with queue.connection_for_write() as connection:
        ours = queue.amqp.queues[queue.conf.task_default_queue](connection.default_channel)
        # Declaring it as another type is refused by the broker: it is a quorum queue.
        ours.queue_arguments = {"x-queue-type": "classic"}
        with pytest.raises(PreconditionFailed):
            ours.declare()
    with queue.connection_for_write() as connection:
        queue.amqp.queues[queue.conf.task_default_queue](connection.default_channel).delete()


def test_an_id_from_outside_is_checked_for_tasks_too(caplog: pytest.LogCaptureFixture) -> None:
    class Task:
        name = "x"

        class request:  # noqa: N801  # as Celery calls it
            request_id = "bad\nid"

    portal_celery._begin_task(Task(), "task-1")
    try:
        assert logs.well_formed(logs.current_request_id())
    finally:
        portal_celery._end_task("SUCCESS")
    assert logs.current_request_id() == ""
