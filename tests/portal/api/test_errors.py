"""Every exception has one face on each API, and none of them shows the inside."""

from __future__ import annotations

import json
from typing import Any

import psycopg2
import psycopg2.errors
import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from django.http import Http404
from django.http.request import UnreadablePostError
from django.test import Client
from rest_framework import exceptions

from accounting import openeo_errors
from accounting.errors import DomainError, IdempotencyKeyReused, LedgerRefused, PaymentRequired, UnitUnknown
from portal import connections, logs
from portal.api.parsers import BodyInvalid, BodyTooLarge
from tests.portal.api import probe

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.portal.api.probe")]

SECRET = "postgresql://portal:hunter2@db.internal/portal"


def database_error(kind: type[Exception], cause: Exception | None) -> Exception:
    error = kind(SECRET)
    error.__cause__ = cause
    return error


class Busy(DomainError):
    code, status, title = "busy", 409, "Busy"


@pytest.fixture
def fail(client: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    client.raise_request_exception = False

    def ask(error: BaseException, path: str = "/probe/fail") -> Any:
        monkeypatch.setattr(probe.Failing, "error", error)
        return client.get(path)

    return ask


TABLE: list[tuple[BaseException, int, str]] = [
    (UnitUnknown("parsec is no unit", field="metrics.cpu.unit"), 422, "unit_unknown"),
    (IdempotencyKeyReused("again"), 422, "idempotency-key-reused"),
    (Busy("wait", retry_after=2), 409, "busy"),
    (exceptions.ValidationError({"a": ["bad"]}), 400, "invalid_input"),
    (exceptions.ParseError("no"), 400, "invalid_json"),
    (BodyInvalid("no", "a.b"), 400, "invalid_json"),
    (BodyTooLarge("much"), 413, "body_too_large"),
    (exceptions.NotAuthenticated(), 401, "authentication_required"),
    (exceptions.AuthenticationFailed(), 401, "token_invalid"),
    (exceptions.PermissionDenied(), 403, "permission_denied"),
    (exceptions.NotFound(), 404, "not_found"),
    (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
    (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
    (exceptions.Throttled(wait=1.2), 429, "rate_limited"),
    (Http404(SECRET), 404, "not_found"),
    (PermissionDenied(SECRET), 403, "permission_denied"),
    (SuspiciousOperation(SECRET), 400, "suspicious_request"),
    (RequestDataTooBig(SECRET), 413, "body_too_large"),
    (UnreadablePostError(SECRET), 400, "invalid_json"),
    (database_error(OperationalError, psycopg2.OperationalError(SECRET)), 503, "temporarily_unavailable"),
    (
        database_error(InterfaceError, psycopg2.InterfaceError("connection already closed")),
        503,
        "temporarily_unavailable",
    ),
    (
        database_error(DatabaseError, psycopg2.DatabaseError("no message from the libpq")),
        503,
        "temporarily_unavailable",
    ),
    (database_error(IntegrityError, psycopg2.IntegrityError(SECRET)), 500, "internal_error"),
    (LedgerRefused(SECRET), 500, "internal_error"),
    (exceptions.APIException(SECRET), 500, "internal_error"),
    (RuntimeError(SECRET), 500, "internal_error"),
    (KeyError("password"), 500, "internal_error"),
    (RecursionError(SECRET), 500, "internal_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), TABLE, ids=lambda value: getattr(value, "code", None))
def test_problem(fail: Any, error: BaseException, status: int, code: str, settings: Any) -> None:
    answer = fail(error)
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer["Content-Type"] == "application/problem+json"
    assert problem["code"] == code
    assert problem["type"] == f"{settings.PUBLIC_URL}/problems/{code}"
    assert problem["title"]
    assert problem["instance"] == answer["X-Request-ID"]
    assert "hunter2" not in answer.content.decode()
    assert ("Retry-After" in answer) == (status in {429, 503} or code == "busy")


@pytest.mark.parametrize(("error", "status", "code"), TABLE, ids=lambda value: getattr(value, "code", None))
def test_etl_body(fail: Any, error: BaseException, status: int, code: str) -> None:
    answer = fail(error, "/probe/fail-etl")
    body = answer.json()
    assert answer.status_code == body["statusCode"] == status
    assert answer["Content-Type"] == "application/json"
    assert body["code"] == code
    assert isinstance(body["message"], list)
    assert all(isinstance(text, str) and text for text in body["message"])
    assert body["requestId"] == answer["X-Request-ID"]
    assert "hunter2" not in answer.content.decode()


@pytest.mark.parametrize(("error", "status", "code"), TABLE, ids=lambda value: getattr(value, "code", None))
def test_openeo_body(fail: Any, error: BaseException, status: int, code: str, settings: Any) -> None:
    answer = fail(error, "/probe/fail-openeo")
    body = answer.json()
    named = openeo_errors.find(code, status)
    assert (answer.status_code, body["code"]) == (named.status, named.code)
    assert answer["Content-Type"] == "application/json"
    assert body.keys() == {"id", "code", "message", "links"}
    assert body["id"] == answer["X-Request-ID"]
    assert body["message"]
    assert body["links"][0]["href"] == f"{settings.PUBLIC_URL}/problems/{code}"
    assert "hunter2" not in answer.content.decode()


class TooComplex(DomainError):
    code, status, title = "EstimateComplexity", 422, "Nothing is known to estimate from"


def test_a_domain_error_has_openeos_status_where_openeo_is_spoken(fail: Any) -> None:
    assert fail(TooComplex("no job like it")).status_code == 422
    answer = fail(TooComplex("no job like it"), "/probe/fail-openeo")
    assert (answer.status_code, answer.json()["code"]) == (500, "EstimateComplexity")
    assert answer.json()["message"] == "no job like it"


def test_openeo_links_where_to_pay(fail: Any) -> None:
    pay = {"rel": "payment", "href": "https://pay.example.org/"}
    body = fail(PaymentRequired("12 credits are missing", links=[pay]), "/probe/fail-openeo").json()
    assert (body["code"], body["message"]) == ("PaymentRequired", "12 credits are missing")
    assert [link["rel"] for link in body["links"]] == ["about", "payment"]


@pytest.mark.parametrize(("error", "status", "code"), TABLE[14:], ids=lambda value: getattr(value, "code", None))
@pytest.mark.parametrize("path", ["/api/v1/probe/page", "/api/v1/openeo/probe/page", "/probe/page"])
def test_outside_of_the_views(fail: Any, error: BaseException, status: int, code: str, path: str) -> None:
    """Plain Django views, and everything that fails before a view is reached."""
    if isinstance(error, LedgerRefused | exceptions.APIException | UnreadablePostError):
        status, code = (400, code) if isinstance(error, UnreadablePostError) else (500, "internal_error")
    answer = fail(error, path)
    openeo = openeo_errors.find(code, status)
    assert answer.status_code == (openeo.status if "/openeo/" in path else status)
    assert "hunter2" not in answer.content.decode()
    if "/openeo/" in path:
        assert answer.json()["code"] == openeo.code
    elif path.startswith("/api/"):
        assert answer.json()["code"] == code
    else:
        assert answer["Content-Type"].startswith("text/html")
        assert answer["X-Request-ID"] in answer.content.decode()


def test_every_fault_of_a_nested_body_has_its_path(fail: Any) -> None:
    detail: Any = {
        "lines": [{}, {"unit": ["unknown"], "value": ["negative"]}],
        "non_field_errors": ["odd"],
        "user": "empty",
    }
    problem = fail(exceptions.ValidationError(detail)).json()
    assert problem["field"] == "lines.1.unit"
    assert problem["errors"] == [
        {"field": "lines.1.unit", "detail": "unknown"},
        {"field": "lines.1.value", "detail": "negative"},
        {"field": "", "detail": "odd"},
        {"field": "user", "detail": "empty"},
    ]
    assert fail(exceptions.ValidationError(detail), "/probe/fail-etl").json()["message"] == [
        "lines.1.unit: unknown",
        "lines.1.value: negative",
        "odd",
        "user: empty",
    ]


def test_a_list_of_faults(fail: Any) -> None:
    assert fail(exceptions.ValidationError(["a", "b"])).json()["detail"] == "a; b"


def test_the_field_stands_once_in_the_message(fail: Any) -> None:
    plain = fail(UnitUnknown("parsec is no unit", field="metrics.cpu.unit"), "/probe/fail-etl").json()
    assert plain["message"] == ["metrics.cpu.unit: parsec is no unit"]
    named = fail(UnitUnknown("metrics.cpu.unit must be known", field="metrics.cpu.unit"), "/probe/fail-etl").json()
    assert named["message"] == ["metrics.cpu.unit must be known"]
    assert named["field"] == "metrics.cpu.unit"


def test_extra_members_cannot_replace_ours(fail: Any) -> None:
    problem = fail(Busy("wait", retry_after=7, status=200, hint="later"))
    assert problem.json()["status"] == 409
    assert problem.json()["hint"] == "later"
    assert problem["Retry-After"] == "7"
    assert "retry_after" not in problem.json()


@pytest.mark.parametrize(
    ("path", "content_type", "name"),
    [
        ("/api/v1/nothing", "application/problem+json", "status"),
        ("/api/", "application/problem+json", "status"),
        ("/api/v1/openeo", "application/problem+json", "status"),
        ("/user/permissions/", "application/json", "statusCode"),
        ("/resources/", "application/json", "statusCode"),
        ("//addedvalue/", "application/json", "statusCode"),
    ],
)
def test_unknown_addresses(client: Client, path: str, content_type: str, name: str) -> None:
    answer = client.get("/", PATH_INFO=path)
    assert answer.status_code == 404
    assert answer["Content-Type"] == content_type
    assert answer.json()[name] == 404


def test_unknown_page(client: Client) -> None:
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/v1/usage-reports", "/resources", "/dashboard/"])
def test_a_host_that_is_not_ours(client: Client, path: str) -> None:
    answer = client.get(path, headers={"host": "evil.example.org"})
    assert answer.status_code == 400


def test_a_view_that_says_nothing_is_closed(client: Client) -> None:
    assert client.get("/probe/silent").status_code == 401


@pytest.mark.parametrize(("method", "path"), [("PUT", "/probe/who"), ("DELETE", "/resources"), ("PATCH", "/user")])
def test_methods(client: Client, method: str, path: str) -> None:
    answer = client.generic(method, path)
    assert answer.status_code in {401, 405}
    assert answer["Content-Type"] in {"application/json", "application/problem+json"}


# --- the database -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "wait"),
    [
        ("SET LOCAL statement_timeout = 20; SELECT pg_sleep(1)", "3"),
        ("DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$", "1"),
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", "1"),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", "1"),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", "3"),
        ("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$", "3"),
        ("DO $$ BEGIN RAISE SQLSTATE '08006'; END $$", "3"),
        ("DO $$ BEGIN RAISE SQLSTATE '25006'; END $$", "3"),
    ],
)
def test_what_the_database_says_about_trying_again(fail: Any, sql: str, wait: str) -> None:
    from django.db import transaction

    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    answer = fail(caught.value, "/probe/fail-etl")
    assert answer.status_code == 503
    assert answer["Retry-After"] == wait


@pytest.mark.parametrize("sql", ["SELECT 1/0", "SELECT nothing", "DO $$ BEGIN RAISE SQLSTATE '23514'; END $$"])
def test_what_trying_again_does_not_mend(fail: Any, sql: str) -> None:
    from django.db import transaction

    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert not connections.is_transient(caught.value)
    assert fail(caught.value).status_code == 500


def test_only_the_log_says_what_happened(fail: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = fail(RuntimeError("the inside: password=hunter2"))
    lines = [json.loads(logs.Formatter().format(record)) for record in caplog.records]
    (failure,) = [line for line in lines if line["event"] == "failed"]
    assert "the inside" in failure["exception"]
    assert "hunter2" not in json.dumps(lines)
    assert failure["request_id"] == answer["X-Request-ID"]
