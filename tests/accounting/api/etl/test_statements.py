"""What a report costs the database, and what a client hears when the database cannot answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounting import queries
from tests.accounting.api.etl.conftest import Sign, open_more_sources
from tests.accounting.api.etl.wire import COST, Caller, added_value, billed, resources, rows
from tests.conftest import Federation

# The tests run inside a transaction, so that the application's own one becomes a savepoint.
_BRACKETS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@pytest.fixture
def warm(backend: Caller) -> Caller:
    """The client's registration and the tariff's rules are known to the process."""
    backend.resources(resources(idempotencyKey="warm"))
    return backend


def statements(captured: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in captured.captured_queries if not query["sql"].startswith(_BRACKETS)]


@pytest.mark.parametrize("endpoint", ["resources", "addedvalue"])
def test_a_report_is_one_read_and_one_write(warm: Caller, endpoint: str) -> None:
    body = resources() if endpoint == "resources" else added_value()
    with CaptureQueriesContext(connection) as captured:
        assert warm.post(f"/{endpoint}", body).status_code == 201
    read, write = statements(captured)
    assert "usage_resolve" in read
    assert "usage_book" in write


def test_a_repetition_is_one_read(warm: Caller) -> None:
    warm.resources(resources())
    with CaptureQueriesContext(connection) as captured:
        assert warm.resources(resources())["Idempotency-Replayed"] == "true"
    (read,) = statements(captured)
    assert "usage_resolve" in read


def test_malformed_bodies_never_reach_the_database(warm: Caller) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert warm.resources(resources(state=["FAILED"])).status_code == 400
    assert captured.captured_queries == []


@pytest.mark.parametrize(("path", "most"), [("/user", 2), ("/user/permissions", 2)])
def test_checks_before_a_job(alice: Caller, path: str, most: int) -> None:
    alice.get(path)
    with CaptureQueriesContext(connection) as captured:
        assert alice.get(path).status_code == 200
    assert len(captured.captured_queries) <= most


@pytest.fixture
def committed_backend(committed_federation: Federation, service_token: Sign) -> Caller:
    open_more_sources()
    return Caller(service_token())


@pytest.fixture
def somebody_else(committed_federation: Federation) -> Iterator[Any]:
    """Another session of the same database."""
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    session = psycopg2.connect(**{name: parameters[name] for name in names if name in parameters})
    yield session
    session.close()


def wallet_locked(session: Any, organisation: int) -> None:
    with session.cursor() as cursor:
        cursor.execute("SELECT 1 FROM accounting_account WHERE organisation_id = %s FOR UPDATE", [organisation])


def assert_unavailable(answer: Any, wait: str) -> None:
    assert answer.status_code == 503
    assert answer["Retry-After"] == wait
    body = answer.json()
    assert (body["statusCode"], body["code"]) == (503, "temporarily_unavailable")


def test_a_wallet_that_stays_locked(
    committed_backend: Caller, committed_federation: Federation, somebody_else: Any
) -> None:
    organisation = committed_federation.alice.current_organisation
    wallet_locked(somebody_else, organisation)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    before = rows()
    assert_unavailable(committed_backend.resources(resources()), "1")
    assert rows() == before
    somebody_else.rollback()
    answer = committed_backend.resources(resources())
    assert billed(answer) == pytest.approx(COST)
    assert "Idempotency-Replayed" not in answer
    assert queries.balance(organisation).posted == -623_923


def test_a_statement_that_takes_too_long(committed_backend: Caller, somebody_else: Any) -> None:
    with somebody_else.cursor() as cursor:
        cursor.execute("LOCK TABLE accounting_source")
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '50ms'")
    assert_unavailable(committed_backend.resources(resources()), "3")
    somebody_else.rollback()
    with connection.cursor() as cursor:
        cursor.execute("RESET statement_timeout")
    assert committed_backend.resources(resources()).status_code == 201


@pytest.mark.parametrize("endpoint", ["resources", "addedvalue"])
def test_a_connection_that_was_cut(committed_backend: Caller, somebody_else: Any, endpoint: str) -> None:
    body = resources() if endpoint == "resources" else added_value()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone()
    with somebody_else.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
    somebody_else.rollback()
    assert_unavailable(committed_backend.post(f"/{endpoint}", body), "3")
    answer = committed_backend.post(f"/{endpoint}", body)
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer


def test_cut_between_reading_and_writing(committed_backend: Caller, somebody_else: Any) -> None:
    """The session dies while the posting waits for the wallet: nothing is half written, the retry is the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone()
    with somebody_else.cursor() as cursor:
        cursor.execute("SELECT 1 FROM accounting_account WHERE kind = 'wallet' FOR UPDATE")

    def cut() -> None:
        with somebody_else.cursor() as cursor:
            for _ in range(500):
                cursor.execute("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", [process])
                if cursor.fetchone() == ("Lock",):
                    break
                time.sleep(0.01)
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
        somebody_else.rollback()

    cutter = threading.Thread(target=cut)
    cutter.start()
    answer = committed_backend.resources(resources())
    cutter.join()
    assert_unavailable(answer, "3")
    connection.close()
    assert rows()["Transaction"] == 0
    assert billed(committed_backend.resources(resources())) == pytest.approx(COST)
    assert rows()["Transaction"] == 1
