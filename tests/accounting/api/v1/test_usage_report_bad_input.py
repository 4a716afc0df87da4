"""POST /usage-reports with what nobody should send: a 4xx that names the field, nothing written, never a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accounting.api.v1 import intake
from tests.accounting import books
from tests.accounting.api.v1 import bad
from tests.accounting.api.v1.conftest import Callers, report, report_body
from tests.conftest import Federation

FIELDS = list(bad.fields())
DOCUMENTS = list(bad.documents())


def check_problem(answer: Any, *statuses: int) -> dict[str, Any]:
    """It is a complete problem (RFC 9457) with one of the statuses."""
    body: dict[str, Any] = answer.json()
    assert answer.status_code in statuses, body
    assert answer["Content-Type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    assert body["type"].endswith(f"/problems/{body['code']}")
    assert body["instance"] == answer["X-Request-ID"]
    assert body["title"]
    assert body["detail"]
    return body


def test_the_tables_are_long_enough() -> None:
    assert len(FIELDS) + len(DOCUMENTS) > 150
    assert len({name for name, _, _ in FIELDS}) == len(FIELDS)


def test_a_field(federation: Federation, callers: Callers) -> None:
    """One federation for the whole table: nothing is written, so nothing can be in the way of the next case."""
    before = books.rows()
    wrong = {}
    for name, body, field in FIELDS:
        answer = callers.backend.post("/usage-reports", body, **{"Idempotency-Key": "k"})
        if answer.status_code != 400 or check_problem(answer, 400).get("field") != field:
            wrong[name] = answer.content
    assert wrong == {}
    assert books.rows() == before


def test_a_document(federation: Federation, callers: Callers) -> None:
    before = books.rows()
    wrong = {}
    for name, raw in DOCUMENTS:
        answer = callers.backend.post("/usage-reports", raw, **{"Idempotency-Key": "k"})
        if answer.status_code not in (400, 413) or not check_problem(answer, 400, 413):
            wrong[name] = answer.content
    assert wrong == {}
    assert books.rows() == before


@pytest.mark.parametrize("name", ["jobId", "orgId", "metrics.1.price"])
def test_an_unknown_field_has_a_code_of_its_own(federation: Federation, callers: Callers, name: str) -> None:
    body = report_body(**{name: 1}) if "." not in name else bad._metric(price=1)
    answer = callers.backend.post("/usage-reports", body, **{"Idempotency-Key": "k"})
    assert check_problem(answer, 400)["code"] == "unknown_field"


KEYS = {
    "missing": None,
    "empty": "",
    "blank": " ",
    "space inside": "a b",
    "tab": "a\tb",
    "long": "k" * 256,
    "no ASCII": "schl\u00fcssel",
    "delete": "k\x7f",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_key(federation: Federation, callers: Callers, key: str | None) -> None:
    before = books.rows()
    headers = {} if key is None else {"Idempotency-Key": key}
    problem = check_problem(callers.backend.post("/usage-reports", report_body(), **headers), 400)
    assert (problem["code"], problem["field"]) == ("idempotency-key-invalid", "Idempotency-Key")
    assert books.rows() == before


@pytest.mark.parametrize("key", ["k", "k" * 255, '"quoted"', "a/b?c#d;e,f", "~!@$%^&*()"])
def test_any_visible_key_will_do(federation: Federation, callers: Callers, key: str) -> None:
    assert report(callers.backend, key).status_code == 201


CONTENT = {
    "text": ("text/plain", 415),
    "form": ("application/x-www-form-urlencoded", 415),
    "multipart": ("multipart/form-data; boundary=x", 415),
    "none": ("", 415),
    "problem": ("application/problem+json", 415),
    "other charset": ("application/json; charset=latin-1", 415),
    "CloudEvents are for batches": ("application/cloudevents-batch+json", 415),
}


@pytest.mark.parametrize(("content_type", "status"), CONTENT.values(), ids=CONTENT.keys())
def test_a_content_type(federation: Federation, callers: Callers, content_type: str, status: int) -> None:
    before = books.rows()
    headers = {"Idempotency-Key": "k", "Content-Type": content_type}
    raw = json.dumps(report_body()).encode()
    check_problem(callers.backend.send("POST", "/usage-reports", raw, headers=headers), status)
    assert books.rows() == before


def test_a_compressed_body(federation: Federation, callers: Callers) -> None:
    headers = {"Idempotency-Key": "k", "Content-Encoding": "gzip"}
    check_problem(callers.backend.post("/usage-reports", report_body(), **headers), 415)


def test_a_query_parameter(federation: Federation, callers: Callers) -> None:
    raw = json.dumps(report_body()).encode()
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = callers.backend.send("POST", "/usage-reports", raw, query={"dry_run": "1"}, headers=headers)
    assert check_problem(answer, 400)["field"] == "dry_run"


UNBOOKABLE: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "an unknown source": ({"source": "nobody"}, 422, "source_unknown", "source"),
    "somebody else's source": ({"source": "cdse"}, 403, "source_not_allowed", "source"),
    "an unknown unit": (
        {"metrics": [{"metric": "cpu", "quantity": 1, "unit": "parsecs"}]},
        422,
        "unit_unknown",
        "metrics.0.unit",
    ),
    "the unit of another metric": (
        {"metrics": [{"metric": "cpu", "quantity": 1, "unit": "mb-seconds"}]},
        422,
        "unit_unknown",
        "metrics.0.unit",
    ),
    "too much": (
        {"metrics": [{"metric": "cpu", "quantity": 10**30, "unit": "cpu-seconds"}]},
        422,
        "quantity_impossible",
        "metrics.0.quantity",
    ),
    "too dear": (
        {"metrics": [{"metric": "cpu", "quantity": 10**16, "unit": "cpu-hours"}]},
        422,
        "quantity_impossible",
        "metrics",
    ),
    "before openEO": ({"finished_at": "1970-01-20T00:00:00Z"}, 422, "times_impossible", "finished_at"),
    "the year 1": ({"finished_at": "0001-01-02T00:00:00+23:59"}, 422, "times_impossible", "finished_at"),
    "the year 9999": ({"started_at": "9999-12-30T23:59:59-23:59"}, 422, "times_impossible", "started_at"),
    "finished before it started": (
        {"started_at": "2026-01-02T00:00:00Z", "finished_at": "2026-01-01T00:00:00Z"},
        422,
        "times_impossible",
        "finished_at",
    ),
    "an unknown issuer": ({"user_issuer": "https://elsewhere.example.org"}, 422, "issuer_unknown", "user_issuer"),
    "no tariff then": ({"finished_at": "2020-01-01T00:00:00Z"}, 422, "tariff_missing", "source"),
}


@pytest.mark.parametrize(("change", "status", "code", "field"), UNBOOKABLE.values(), ids=UNBOOKABLE.keys())
def test_what_cannot_be_booked_is_refused_and_kept(
    federation: Federation, callers: Callers, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    before = books.rows()
    problem = check_problem(report(callers.backend, "k", **change), status)
    assert (problem["code"], problem["field"], problem["kept"]) == (code, field, True)
    assert problem["detail"].endswith(intake.KEPT)
    after = books.rows()
    assert after.pop("accounting_quarantinedreport") == before.pop("accounting_quarantinedreport") + 1
    # A user whom nobody knew may have got an account; money has not moved.
    assert after == before


CHOICES = {
    "state": "created, queued, running, canceled, finished, error",
    "kind": "batch, sync",
}


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["FINISHED", 7, ["batch"]])
def test_a_wrong_choice_is_told_the_right_ones(federation: Federation, callers: Callers, name: str, value: Any) -> None:
    problem = check_problem(report(callers.backend, **{name: value}), 400)
    assert (problem["field"], problem["detail"]) == (name, f"must be one of: {CHOICES[name]}")
