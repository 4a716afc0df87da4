"""Whatever is wrong with a body: a 4xx that names the field, nothing written, never a 500."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounting import quarantine, registry, tariffs, usage
from accounting.models import QuarantinedReport
from tests.accounting.api.etl import bad
from tests.accounting.api.etl.wire import METRICS, UDP, Caller, added_value, billed, resources, rows
from tests.conftest import ISSUER, RATES, SOURCE

CASES = bad.cases()


def test_there_are_many_of_them() -> None:
    assert len(CASES) >= 150


def test_every_malformed_body(backend: Caller) -> None:
    """One test for all, so that the table costs one set-up; each failure says which body it was."""
    before = rows()
    wrong: dict[str, str] = {}
    for name, (endpoint, body, field) in CASES.items():
        answer = backend.post(f"/{endpoint}", body)
        content = answer.json()
        problems = [
            answer.status_code != 400 and f"status {answer.status_code}",
            content.get("statusCode") != 400 and "statusCode",
            content.get("error") != "Bad Request" and "error",
            not content.get("code") and "code",
            content.get("field") != field and f"field {content.get('field')!r} instead of {field!r}",
            field and field not in content["message"][0] and "message",
            content.get("requestId") != answer["X-Request-ID"] and "requestId",
            answer["Content-Type"] != "application/json" and "content type",
        ]
        if found := [problem for problem in problems if problem]:
            wrong[name] = f"{', '.join(found)}: {content}"
    assert wrong == {}
    assert rows() == before


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/xml", 415),
        ("application/problem+json", 415),
        ("application/json; charset=latin-1", 415),
        ("", 415),
        ("nonsense", 415),
        ("application/json; charset=utf-8", 201),
        ("application/JSON", 201),
    ],
)
def test_content_types(backend: Caller, content_type: str, status: int) -> None:
    before = rows()
    answer = backend.post("/resources", resources(), content_type)
    assert answer.status_code == status
    assert (rows() == before) is (status == 415)


def test_compressed_body(backend: Caller) -> None:
    answer = backend.post("/resources", resources(), **{"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["statusCode"]) == (415, 415)


def test_too_large_a_body(backend: Caller) -> None:
    before = rows()
    answer = backend.resources(resources(jobName="x" * 2**23))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert rows() == before


def test_far_too_large_a_body(backend: Caller) -> None:
    answer = backend.resources(b" " * (11 * 2**20))
    assert (answer.status_code, answer.json()["statusCode"]) == (413, 413)


def _in(**delta: float) -> int:
    return int((datetime.now(UTC) + timedelta(**delta)).timestamp() * 1000)


UNBOOKABLE: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown unit": ("resources", {"metrics": {"cpu": {"value": 1, "unit": "parsecs"}}}, "metrics.cpu.unit"),
    "unit of another metric": ("resources", {"metrics": {"cpu": METRICS["memory"]}}, "metrics.cpu.unit"),
    "unit in another case": (
        "resources",
        {"metrics": {"cpu": {"value": 1, "unit": "CPU-seconds"}}},
        "metrics.cpu.unit",
    ),
    "second unit": ("resources", {"metrics": METRICS | {"time": METRICS["cpu"]}}, "metrics.time.unit"),
    "unit of an unknown metric": ("resources", {"metrics": {"x.y": {"value": 1, "unit": "?"}}}, "metrics.x.y.unit"),
    "huge value": ("resources", {"metrics": {"cpu": {"value": 1e17, "unit": "cpu-seconds"}}}, "metrics.cpu.value"),
    "huge converted": ("resources", {"metrics": {"disk": {"value": 9e16, "unit": "tb"}}}, "metrics.disk.value"),
    "huge cost": ("resources", {"metrics": {"processing": {"value": 9e16, "unit": "shpu"}}}, "metrics"),
    "huge text": ("resources", {"metrics": {"cpu": {"value": "9e19", "unit": "cpu-seconds"}}}, "metrics.cpu.value"),
    "seconds instead of milliseconds": ("resources", {"jobStart": 1704961751, "jobFinish": 1704961804}, "jobStart"),
    "microseconds": ("resources", {"jobStart": None, "jobFinish": 1704961804000000}, "jobFinish"),
    "before the first computer": ("resources", {"jobStart": -1704961751000}, "jobStart"),
    "beyond every calendar": ("resources", {"jobStart": -(10**30)}, "jobStart"),
    "after the end of time": ("resources", {"jobStart": None, "jobFinish": 1e35}, "jobFinish"),
    "tomorrow": ("resources", {"jobStart": None, "jobFinish": _in(days=1)}, "jobFinish"),
    "finished before it started": ("resources", {"jobFinish": 1704961750999}, "jobFinish"),
    "longer than a year": ("resources", {"jobFinish": 1704961751000 + 401 * 86_400_000}, "jobStart"),
    "unknown area unit": ("addedvalue", {"area": {"value": 1, "unit": "acres"}}, "area.unit"),
    "area in hours": ("addedvalue", {"area": {"value": 1, "unit": "hours"}}, "area.unit"),
    "huge area": ("addedvalue", {"area": {"value": 1e17, "unit": "km2"}}, "area.value"),
    "huge price of an area": ("addedvalue", {"service": UDP, "area": {"value": 9e16, "unit": "km2"}}, "area"),
    "no tariff then": ("resources", {"jobStart": None, "jobFinish": 1600000000000}, "sourceId"),
    "unknown source": ("resources", {"sourceId": "nobody"}, "sourceId"),
}


@pytest.mark.parametrize("name", UNBOOKABLE)
def test_what_cannot_be_booked_is_kept(backend: Caller, name: str) -> None:
    endpoint, changes, field = UNBOOKABLE[name]
    before = rows()
    body = resources(**changes) if endpoint == "resources" else added_value(**changes)
    for attempts in (1, 2):
        answer = backend.post(f"/{endpoint}", body)
        content = answer.json()
        assert answer.status_code == 422
        assert (content["field"], content["kept"]) == (field, True)
        assert content["message"][0].startswith(f"{field}: ")
        assert "kept" in content["message"][0]
        assert "?." not in content["message"][0]
        kept = QuarantinedReport.objects.get()
        assert (kept.status, kept.attempts, json.loads(kept.raw)) == ("open", attempts, body)
    assert rows() == before | {"QuarantinedReport": 1}


def test_a_kept_report_is_booked_once_the_cause_is_mended(backend: Caller) -> None:
    body = resources(sourceId="new-backend")
    assert backend.resources(body).status_code == 422
    made = registry.register_backend("new", "New", registry.register_provider("new", "New"))
    registry.register_source("new-backend", made, ISSUER)
    registry.register_client(ISSUER, "job-tracker", "job-tracker", [SOURCE, "new-backend"])
    tariffs.publish("new-backend", "First", RATES, starts_at=datetime(2023, 1, 1, tzinfo=UTC))
    (pk,) = quarantine.open_reports()
    outcome = usage.replay(pk)
    assert outcome.status == "booked"
    again = backend.resources(body)
    assert (again.content.decode(), again["Idempotency-Replayed"]) == (outcome.answer, "true")
    assert billed(again) == pytest.approx(0.623923)


def test_messages_help(backend: Caller) -> None:
    """The old service answered 400 without saying where; its clients' authors had to guess."""
    said = [
        backend.resources(resources(state=["FAILED"])).json()["message"],
        backend.added_value(added_value(area=...)).json()["message"],
        backend.resources(resources(metrics={"cpu": {"value": "x", "unit": "s"}})).json()["message"],
        backend.resources(resources(orgId="geo")).json()["message"],
    ]
    assert said == [
        ["state: must be one of ACCEPTED, FAILED, FINISHED, KILLED, RUNNING, UNDEFINED, not a list"],
        ['area: is required, for example {"value": 40.0, "unit": "square_meter"}'],
        ["metrics.cpu.value: must be a number, for example 53 or \"0.33\", not the text 'x'"],
        ["orgId: must be the whole number of an organisation, not the text 'geo'"],
    ]
