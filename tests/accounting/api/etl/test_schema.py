"""The OpenAPI document and the service agree: what it allows is accepted, what it forbids is refused (F1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from portal.api.schema import document
from tests.accounting.api.etl.wire import Caller, rows
from tests.conftest import SOURCE

ENDPOINTS = ("resources", "addedvalue")
relaxed = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def operations() -> dict[str, Any]:
    described = json.loads(document("etl"))
    for endpoint in ENDPOINTS:
        # The callers are given; only bodies are made up here.
        del described["paths"][f"/{endpoint}"]["post"]["security"]
    schema = schemathesis.openapi.from_dict(described)
    return {endpoint: schema[f"/{endpoint}"]["POST"] for endpoint in ENDPOINTS}


def bodies(operation: Any, mode: Any) -> Any:
    return operation.as_strategy(generation_mode=mode).map(lambda case: case.body)


def can_be_said(body: Any) -> bool:
    """The parser refuses two things anywhere that no schema can forbid: NUL, and numbers nobody can have measured."""
    if isinstance(body, dict):
        return all(can_be_said(inner) for pair in body.items() for inner in pair)
    if isinstance(body, list):
        return all(can_be_said(inner) for inner in body)
    if isinstance(body, str):
        return "\x00" not in body
    return isinstance(body, bool) or not isinstance(body, int | float) or body == 0 or 1e-39 < abs(body) < 1e39


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_the_document_allows_is_accepted(backend: Caller, operations: dict[str, Any], endpoint: str) -> None:
    """Except what only the books can know: a time nobody worked at, an amount nobody used. That is 422 and kept."""

    @given(body=bodies(operations[endpoint], GenerationMode.POSITIVE).filter(can_be_said))
    @relaxed
    def accepted(body: Any) -> None:
        answer = backend.post(f"/{endpoint}", body | {"sourceId": SOURCE})
        assert answer.status_code in {201, 422}, answer.content
        assert answer.status_code == 201 or answer.json()["kept"] is True, answer.content

    accepted()


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_the_document_forbids_is_refused(backend: Caller, operations: dict[str, Any], endpoint: str) -> None:
    """With 400; a unit that it does not list is 422 and kept."""

    @given(body=bodies(operations[endpoint], GenerationMode.NEGATIVE))
    @relaxed
    def refused(body: Any) -> None:
        before = rows()
        answer = backend.post(f"/{endpoint}", body)
        assert answer.status_code == 400 or answer.json()["kept"] is True, answer.content
        assert {name for name, count in rows().items() if count != before[name]} <= {"QuarantinedReport"}

    refused()
