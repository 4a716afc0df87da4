"""What goes over the wire: the bodies that existing clients send, and somebody who sends them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from accounting.models import (
    Entry,
    Execution,
    Job,
    OutboxEvent,
    Person,
    QuarantinedReport,
    Transaction,
    UsageReport,
)
from tests.conftest import SOURCE

SENTINEL_HUB = "sentinel-hub-openeo"
UDP = "crop_type"
KEY = "application_1704961751000_456"

JOB: dict[str, Any] = {
    "jobId": "j-abc123",
    "jobName": "a test",
    "executionId": KEY,
    "userId": "alice@egi.eu",
    "sourceId": SOURCE,
    "orchestrator": "openeo",
    "jobStart": 1704961751000,
    "jobFinish": 1704961804000,
}
METRICS: dict[str, Any] = {
    "cpu": {"value": 53, "unit": "cpu-seconds"},
    "memory": {"value": 6784, "unit": "mb-seconds"},
    "time": {"value": 53000, "unit": "milliseconds"},
    "processing": {"value": 4.0, "unit": "shpu"},
}
COST = 0.022083 + 0.00184 + 0.6
"""Of `METRICS` at the documented rates: 53 cpu-seconds, 6784 mb-seconds and 4 units, each rounded once."""


def resources(**changes: Any) -> dict[str, Any]:
    """The GeoPySpark driver's body; `...` as a value takes the field away."""
    body = JOB | {"idempotencyKey": KEY, "state": "FINISHED", "status": "UNDEFINED", "metrics": METRICS}
    return _changed(body, changes)


def added_value(**changes: Any) -> dict[str, Any]:
    body = JOB | {
        "idempotencyKey": f"{KEY}_load_stac",
        "service": "load_stac",
        "area": {"value": 40.0, "unit": "square_meter"},
    }
    return _changed(body, changes)


def sentinel_hub(**changes: Any) -> dict[str, Any]:
    """The Sentinel Hub driver's body: no execution, name, times, key or organisation; the amount as a text."""
    body = {
        "jobId": "7c8f0a1e",
        "userId": "alice@egi.eu",
        "sourceId": SENTINEL_HUB,
        "state": "FINISHED",
        "status": "SUCCEEDED",
        "orchestrator": "openeo",
        "metrics": {"processing": {"value": "0.33", "unit": "shpu"}},
    }
    return _changed(body, changes)


def _changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (body | changes).items() if value is not ...}


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, or without one."""

    token: str | None
    prefix: str = ""
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.prefix}{self.token}"} if self.token is not None else {}

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, body: Any, content_type: str = "application/json", **headers: str) -> Any:
        """`body` is sent as it is when it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.generic("POST", path, data, content_type, headers=self.headers | headers)

    def resources(self, body: Any) -> Any:
        return self.post("/resources", body)

    def added_value(self, body: Any) -> Any:
        return self.post("/addedvalue", body)


TABLES = (Transaction, Entry, UsageReport, Job, Execution, QuarantinedReport, Person, OutboxEvent)


def rows() -> dict[str, int]:
    """How many rows the tables have that a report can touch."""
    return {table.__name__: table._default_manager.count() for table in TABLES}


def billed(answer: Any) -> float:
    """What the GeoPySpark driver computes from an answer."""
    assert answer.status_code == 201, answer.content
    total: float = sum(line["cost"] for line in answer.json())
    return total
