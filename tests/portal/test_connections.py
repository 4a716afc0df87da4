"""A database that restarts costs a caller one 503, not a worker."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import InterfaceError, connection, connections
from django.test import Client

from portal import connections as ours

pytestmark = pytest.mark.usefixtures("committed_db")


def backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def terminate(*pids: int) -> None:
    """Ends server processes as a restart of the database would, from a connection of its own."""
    with connections.create_connection("default").cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid, 2000) FROM unnest(%s) AS pid", [list(pids)])


def test_limits_are_set_on_the_connection() -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(names)])
        found = dict(cursor.fetchall())
    assert found == {
        "statement_timeout": "60000",
        "lock_timeout": "3000",
        "idle_in_transaction_session_timeout": "30000",
        "TimeZone": "UTC",
    }


def test_a_dead_connection_is_one_503_and_then_works(client: Client) -> None:
    ready = client.get("/health/ready").json()
    assert ready["details"]["database"]["status"] == "up"
    terminate(backend_pid())
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["details"]["database"]["status"] == "down"
    assert "terminat" not in answer.content.decode()
    assert client.get("/health/ready").json()["details"]["database"]["status"] == "up"


def test_one_failure_renews_the_connections_of_all_threads() -> None:
    """Sixteen threads with dead connections: without the generation, sixteen callers would meet a 503."""
    barrier = threading.Barrier(16)

    def open_one(_: int) -> int:
        barrier.wait(10)
        return backend_pid()

    def ask(_: int) -> str:
        barrier.wait(10)
        return str(Client().get("/health/ready").json()["details"]["database"]["status"])

    def leave(_: int) -> None:
        barrier.wait(10)
        connection.close()

    with ThreadPoolExecutor(16) as pool:
        pids = list(pool.map(open_one, range(16)))
        assert len(set(pids)) == 16
        terminate(*pids)
        first = pool.submit(lambda: Client().get("/health/ready").status_code).result()
        second = list(pool.map(ask, range(16)))
        list(pool.map(leave, range(16)))
    assert first == 503
    assert second == ["up"] * 16


def test_contention_does_not_renew_anything() -> None:
    from django.db import OperationalError

    before = ours._trusted_generation
    with pytest.raises(OperationalError) as caught, connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
    ours.distrust(caught.value)
    assert ours._trusted_generation == before


def test_a_transaction_that_is_open_is_left_alone(client: Client) -> None:
    from django.db import transaction

    error = InterfaceError("gone")
    with transaction.atomic():
        pid = backend_pid()
        ours.distrust(error)
        client.get("/health")
        assert backend_pid() == pid
