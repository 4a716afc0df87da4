"""What the APIs say about themselves is true, complete, and needs nothing from elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from accounting import errors as accounting_errors
from portal.api import problems, schema

pytestmark = pytest.mark.django_db

DOCUMENTS = {"v1": "/api/v1/openapi.json", "etl": "/docs/openapi.json"}
PAGES = {"v1": "/api/v1/docs/", "etl": "/docs/"}


@pytest.fixture(params=DOCUMENTS)
def document(request: pytest.FixtureRequest, client: Client) -> Any:
    answer = client.get(DOCUMENTS[request.param])
    assert answer.status_code == 200
    return answer.json()


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [(path, method, one) for path, methods in document["paths"].items() for method, one in methods.items()]


def test_openapi(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert operations(document)
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_operation_documents_its_errors(document: Any) -> None:
    for path, method, operation in operations(document):
        for status in ("400", "401", "403", "429", "500", "503"):
            public = operation.get("security") is None and status in {"401", "403"}
            assert (status in operation["responses"]) is not public, (path, method, status)
        if method == "post":
            assert {"413", "415", "422"} <= set(operation["responses"]), path
        for status, response in operation["responses"].items():
            if status >= "400":
                assert response["description"], (path, status)
                assert response["content"], (path, status)


def test_the_styles_of_errors(client: Client) -> None:
    for which, media_type, name in (
        ("v1", "application/problem+json", "Problem"),
        ("etl", "application/json", "EtlError"),
    ):
        document = client.get(DOCUMENTS[which]).json()
        assert name in document["components"]["schemas"]
        for _, _, operation in operations(document):
            openeo = "openEO" in operation["tags"]
            assert list(operation["responses"]["400"]["content"]) == ["application/json" if openeo else media_type]
    assert "OpenEOError" in client.get(DOCUMENTS["v1"]).json()["components"]["schemas"]


def test_each_describes_its_own_addresses(client: Client) -> None:
    assert {"/resources", "/addedvalue", "/user", "/user/permissions", "/validate/auth"} <= set(
        client.get(DOCUMENTS["etl"]).json()["paths"]
    )
    assert all(path.startswith("/api/v1/") for path in client.get(DOCUMENTS["v1"]).json()["paths"])


def test_making_them_warns_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    schema.document.cache_clear()
    for which in DOCUMENTS:
        schema.document(which)
    assert "Warning" not in capsys.readouterr().err


def test_unchanged_documents_are_not_sent_again(client: Client) -> None:
    tag = client.get(DOCUMENTS["v1"])["ETag"]
    assert client.get(DOCUMENTS["v1"], headers={"if-none-match": tag}).status_code == 304


@pytest.mark.parametrize("which", PAGES)
def test_the_page_needs_only_our_own_files(client: Client, which: str) -> None:
    answer = client.get(PAGES[which])
    text = answer.content.decode()
    assert answer.status_code == 200
    assert DOCUMENTS[which] in text
    assert "http" not in text
    assert "<script>" not in text
    assert "style" not in text.replace("stylesheet", "")
    assert "'self'" in answer["Content-Security-Policy"]
    for part in text.split('"'):
        if part.startswith("/static/"):
            assert finders.find(part.removeprefix("/static/")), part


def test_every_problem_has_a_page(client: Client) -> None:
    listed = client.get("/problems/", headers={"accept": "application/json"}).json()["problems"]
    codes = {problem["code"] for problem in listed}
    assert {"token_invalid", "invalid_input", "unit_unknown", "idempotency-key-reused", "rate_limited"} <= codes
    for problem in listed:
        address = problem["type"].removeprefix("http://testserver")
        assert client.get(address, headers={"accept": "application/json"}).json() == problem
        page = client.get(address, headers={"accept": "text/html"})
        assert page.status_code == 200
        assert problem["advice"].split(";")[0].split("<")[0] in page.content.decode()
    assert client.get("/problems/nothing").status_code == 404


def test_every_error_of_the_domain_is_a_known_problem() -> None:
    known = problems.kinds()
    for error in vars(accounting_errors).values():
        if isinstance(error, type) and issubclass(error, accounting_errors.DomainError) and error.status < 500:
            assert known[error.code].status == error.status


def test_the_documents_are_the_same_each_time() -> None:
    first = {which: schema.document(which) for which in DOCUMENTS}
    schema.document.cache_clear()
    assert {which: json.loads(schema.document(which)) for which in DOCUMENTS} == {
        which: json.loads(body) for which, body in first.items()
    }
