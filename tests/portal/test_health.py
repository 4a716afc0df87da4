"""`/health/ready` tells apart what is wrong, and tells nobody a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from portal import health

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_proven() -> Iterator[None]:
    health._proven.clear()
    yield
    health._proven.clear()


def run(sql: str, *parameters: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


@pytest.fixture
def living_worker() -> None:
    run("INSERT INTO accounting_heartbeat (name, sent_at, ran_at) VALUES ('beat', now(), now())")


def test_everything_works(client: Client, living_worker: None) -> None:
    answer = client.get("/health/ready")
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["status"] == "ok"
    assert body["error"] == {}
    assert set(body["info"]) == {"database", "migrations", "worker", "outbox"}
    assert body["info"]["worker"]["lag_seconds"] < 60
    assert answer["Cache-Control"] == "no-store"


def test_no_worker_yet(client: Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["error"] == {"worker": {"status": "down", "message": "No worker has run a task yet."}}


def test_worker_is_silent(client: Client, living_worker: None) -> None:
    run("UPDATE accounting_heartbeat SET sent_at = clock_timestamp() - interval '121 seconds'")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["error"]["worker"]["message"] == "The last sign of life of a worker is 121 s old."


@pytest.mark.parametrize(("age", "status"), [(290, 200), (310, 503)])
def test_outbox(client: Client, living_worker: None, age: int, status: int) -> None:
    run(
        "INSERT INTO accounting_outboxevent (topic, payload, created_at)"
        " VALUES ('x', '{}', clock_timestamp() - %s * interval '1 second')",
        age,
    )
    answer = client.get("/health/ready")
    assert answer.status_code == status
    assert ("outbox" in answer.json()["error"]) == (status == 503)


def test_migrations_that_are_missing(client: Client, living_worker: None) -> None:
    run("DELETE FROM django_migrations WHERE app = 'sessions'")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "1 migrations are not applied" in answer.json()["error"]["migrations"]["message"]


def test_migrations_are_looked_up_once(client: Client, living_worker: None, django_assert_max_num_queries: Any) -> None:
    client.get("/health/ready")
    with django_assert_max_num_queries(4):
        client.get("/health/ready")


def test_a_database_that_may_lose_money_is_not_ready(client: Client, living_worker: None, settings: Any) -> None:
    """The database of the tests is one: durability is off, and its role is a superuser."""
    settings.REFUSE_UNSAFE_START = True
    body = client.get("/health/ready").json()
    assert "portal.E301" in body["error"]["database"]["message"]
    assert "portal.E302" in body["error"]["database"]["message"]


def test_no_database_and_no_secret(client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        from django.db import OperationalError

        raise OperationalError("connection to server at db.internal (10.0.0.7) failed: password hunter2")

    monkeypatch.setattr(connection, "cursor", broken)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert set(answer.json()["error"]) == {"database", "migrations", "worker", "outbox"}
    text = answer.content.decode()
    assert not any(secret in text for secret in ("hunter2", "db.internal", "10.0.0.7"))
    assert client.get("/health").status_code == 200
