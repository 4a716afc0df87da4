"""The description of our API: valid, complete, and changed only on purpose.

After an intended change: `SNAPSHOT=write .venv/bin/pytest tests/contracts/test_openapi.py`, and review the diff.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from accounting.api.v1 import filters

SNAPSHOT = Path(__file__).parent / "openapi-v1.json"
PUBLIC = {"/api/v1/openeo/billing", "/api/v1/tariffs", "/api/v1/tariffs/{tariff}"}
WRITES_NOTHING = {"/api/v1/quotes", "/api/v1/precheck", "/api/v1/estimates", "/api/v1/openeo/estimate"}
"""Posted only because what is asked about does not fit an address: nothing to be done once."""
PAGE_PARAMETERS = {"cursor", "limit"}
WITHOUT_KEY = {*WRITES_NOTHING, "/api/v1/holds/{hold}/release"}
"""Posting these again changes nothing."""


def description() -> dict[str, Any]:
    from portal.api import schema

    document: dict[str, Any] = json.loads(schema.document("v1"))
    del document["servers"]  # where this one runs
    return document


def dump(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in description()["paths"].items()
        for method, operation in methods.items()
    ]


def test_is_the_snapshot() -> None:
    if os.environ.get("SNAPSHOT") == "write":
        SNAPSHOT.write_text(dump(description()))
    assert dump(description()) == SNAPSHOT.read_text(), "see the module's docstring"


def test_says_it_is_openapi_31_and_holds_our_operations_only() -> None:
    assert description()["openapi"].startswith("3.1")
    assert {(method, path) for method, path, _ in operations()} == {
        ("POST", "/api/v1/usage-reports"),
        ("POST", "/api/v1/usage-reports/batch"),
        ("POST", "/api/v1/precheck"),
        ("POST", "/api/v1/holds"),
        ("GET", "/api/v1/holds"),
        ("GET", "/api/v1/holds/{hold}"),
        ("GET", "/api/v1/holds/{hold}/receipt"),
        ("POST", "/api/v1/holds/{hold}/heartbeat"),
        ("POST", "/api/v1/holds/{hold}/capture"),
        ("POST", "/api/v1/holds/{hold}/extend"),
        ("POST", "/api/v1/holds/{hold}/release"),
        ("POST", "/api/v1/quotes"),
        ("GET", "/api/v1/openeo/billing"),
        ("GET", "/api/v1/openeo/me"),
        ("GET", "/api/v1/balance"),
        ("GET", "/api/v1/callbacks"),
        ("GET", "/api/v1/callbacks/deliveries"),
        ("GET", "/api/v1/entries"),
        ("GET", "/api/v1/jobs"),
        ("GET", "/api/v1/jobs/{source}/{job_id}"),
        ("GET", "/api/v1/tariffs"),
        ("GET", "/api/v1/tariffs/{tariff}"),
        ("POST", "/api/v1/estimates"),
        ("GET", "/api/v1/estimates/comparison"),
        ("GET", "/api/v1/estimates/calibration"),
        ("POST", "/api/v1/openeo/estimate"),
    }


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    document = description()
    for name, component in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(component), name
    for reference in _references(document):
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for inner in value.values() for reference in _references(inner)]
    if isinstance(value, list):
        return [reference for inner in value for reference in _references(inner)]
    return []


@pytest.mark.parametrize("index", range(24))
def test_every_operation_says_what_it_is_needs_answers_and_refuses(index: int) -> None:
    method, path, operation = operations()[index]
    public, openeo = path in PUBLIC, path.startswith("/api/v1/openeo/")
    assert operation["operationId"]
    assert operation["summary"]
    assert operation["tags"]
    needs = operation.get("security", [])
    assert needs[:1] == ([] if public else [{"bearer": []}])
    # Which scope each takes is proved with real tokens (tests/portal/api/test_script_tokens.py).
    assert [list(need) for need in needs[1:]] in ([], [["scriptToken"]])
    for status, response in operation["responses"].items():
        (media_type,) = response["content"]
        assert media_type == ("application/json" if status < "300" or openeo else "application/problem+json")
        if status < "300":
            assert {"RateLimit", "RateLimit-Policy"} <= set(response["headers"])
    assert {"400", "429", "500", "503"} <= set(operation["responses"])
    assert ({"401", "403"} <= set(operation["responses"])) is not public
    if method == "POST":
        assert {"413", "415", "422"} <= set(operation["responses"])
        assert all(body.get("examples") for body in operation["requestBody"]["content"].values())
        keyed = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
        assert keyed is (path not in WITHOUT_KEY)
        assert ("409" in operation["responses"]) is (path not in WRITES_NOTHING)


@pytest.mark.parametrize(
    ("path", "filterset"),
    [
        ("/api/v1/entries", filters.EntryFilter),
        ("/api/v1/jobs", filters.JobFilter),
        ("/api/v1/holds", filters.HoldFilter),
    ],
)
def test_lists_document_every_filter(path: str, filterset: Any) -> None:
    documented = {one["name"] for one in description()["paths"][path]["get"]["parameters"] if one["in"] == "query"}
    assert documented == set(filterset.base_filters) | PAGE_PARAMETERS


def test_examples_fit_their_schemas() -> None:
    document = description()
    for _, _, operation in operations():
        for body in operation.get("requestBody", {}).get("content", {}).values():
            validator = Draft202012Validator({**document, **body["schema"]})
            for example in body["examples"].values():
                validator.validate(example["value"])
