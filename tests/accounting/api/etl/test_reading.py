"""Bodies become reports: pure, and as the OpenAPI document says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from accounting.api.etl import faults, fields, reading
from accounting.errors import IdempotencyKeyReused, InvalidInput
from accounting.reports import UsageReport
from portal.api.parsers import BodyInvalid, decode
from portal.api.schema import document
from tests.accounting.api.etl import bad
from tests.accounting.api.etl.wire import KEY, UDP, added_value, resources, sentinel_hub
from tests.conftest import SOURCE


def read(body: dict[str, Any]) -> UsageReport:
    raw = json.dumps(body).encode()
    reader = reading.read_added_value if "area" in body else reading.read_resources
    return reader(decode(raw), raw.decode())


def test_literal_body() -> None:
    report = read(resources(orgId=1234))
    assert (report.endpoint, report.source, report.user) == ("resources", SOURCE, "alice@egi.eu")
    assert (report.job_id, report.job_title, report.execution_id, report.key) == ("j-abc123", "a test", KEY, KEY)
    assert (report.kind, report.state, report.status) == ("batch", "FINISHED", "UNDEFINED")
    assert (report.organisation, report.service, report.user_issuer) == (1234, "", None)
    assert report.started_at == datetime(2024, 1, 11, 8, 29, 11, tzinfo=UTC)
    assert report.finished_at == datetime(2024, 1, 11, 8, 30, 4, tzinfo=UTC)
    assert [(line.metric, line.quantity, line.unit, line.reported) for line in report.lines] == [
        ("cpu", Decimal(53), "cpu-seconds", "53"),
        ("memory", Decimal(6784), "mb-seconds", "6784"),
        ("time", Decimal(53000), "milliseconds", "53000"),
        ("processing", Decimal(4), "shpu", "4.0"),
    ]


def test_added_value() -> None:
    report = read(added_value(service=UDP))
    assert (report.endpoint, report.service, report.state, report.organisation) == ("addedvalue", UDP, "", None)
    (line,) = report.lines
    assert (line.metric, line.quantity, line.unit, line.process) == ("area", Decimal(40), "square_meter", UDP)


@pytest.mark.parametrize(
    ("job_id", "execution_id", "kind"),
    [
        ("j-abc123", "application_1704961751000_456", "batch"),
        ("j-abc123", "a-0123456789abcdef", "batch"),
        ("j-abc123", None, "batch"),
        ("7c8f0a1e", None, "batch"),
        ("r-abc123", "r-abc123", "sync"),
        ("r-abc123", None, "sync"),
        ("anything", "anything", "sync"),
        ("alice@egi.eu_2024-08-20T10:00:00+00:00", None, "sync"),
        ("alice@egi.eu_monthly", None, "batch"),
        ("bob@egi.eu_2024-08-20T10:00:00+00:00", None, "batch"),
    ],
)
def test_kind(job_id: str, execution_id: str | None, kind: str) -> None:
    assert reading.kind_of(job_id, execution_id, "alice@egi.eu") == kind


@pytest.mark.parametrize(
    ("number", "instant"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1704961751000.5, datetime(2024, 1, 11, 8, 29, 11, 500, tzinfo=UTC)),
        ("1704961751000", datetime(2024, 1, 11, 8, 29, 11, tzinfo=UTC)),
        (2**31 * 1000, datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        (-(10**38), datetime(1, 1, 1, tzinfo=UTC)),
        (1e39, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_instants(number: object, instant: datetime) -> None:
    assert read(resources(jobFinish=number)).finished_at == instant


@pytest.mark.parametrize(
    ("value", "quantity", "reported"),
    [
        (0, "0", "0"),
        (-0.0, "0", "-0.0"),
        ("0.33", "0.33", "0.33"),
        (0.1, "0.1", "0.1"),
        ("1e3", "1000", "1e3"),
        (123456789012345678, "123456789012345678", "123456789012345678"),
        ("0." + "3" * 38, "0." + "3" * 38, "0." + "3" * 38),
    ],
)
def test_quantities_are_exact(value: object, quantity: str, reported: str) -> None:
    (line,) = read(resources(metrics={"cpu": {"value": value, "unit": "cpu-seconds"}})).lines
    assert (line.quantity, line.reported) == (Decimal(quantity), reported)
    assert not line.quantity.is_signed()


@pytest.mark.parametrize(
    ("organisation", "expected"),
    [(1, 1), ("4938", 4938), (7.0, 7), (None, None), (-5, -5), (10**30, 2**63 - 1), (-(10**30), 1 - 2**63)],
)
def test_organisations(organisation: object, expected: int | None) -> None:
    assert read(resources(orgId=organisation)).organisation == expected


def test_every_name_of_accounting_has_one_on_the_wire() -> None:
    report, added = read(resources()), read(added_value())
    known = {
        "source": "sourceId",
        "user": "userId",
        "job_id": "jobId",
        "execution_id": "executionId",
        "organisation": "orgId",
        "started_at": "jobStart",
        "finished_at": "jobFinish",
        "key": "idempotencyKey",
        "lines": "metrics",
        "lines[1].unit": "metrics.memory.unit",
        "lines[3].quantity": "metrics.processing.value",
        "lines[0]": "metrics.cpu",
        "another": "another",
        None: None,
    }
    assert {name: faults.field_of(name, report) for name in known} == known
    assert faults.field_of("lines[0].unit", added) == "area.unit"
    assert faults.field_of("lines", added) == "area"


def test_an_amount_that_no_receipt_can_show() -> None:
    """The parser lets none through; what counts is that the database is never asked to keep one."""
    with pytest.raises(InvalidInput, match="at most 60 characters"):
        fields.quantity(Decimal("0." + "1" * 59), "area.value")


def test_an_error_that_keeps_nothing_does_not_say_so() -> None:
    error = IdempotencyKeyReused("use another key", field="key", original={"id": 7})
    renamed = faults.in_words_of_the_body(error, read(resources()), kept=False)
    assert (type(renamed), renamed.detail, renamed.field) == (IdempotencyKeyReused, "use another key", "idempotencyKey")
    assert renamed.extra == {"original": {"id": 7}}


# --- the OpenAPI document -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def described() -> dict[str, Draft202012Validator]:
    paths = json.loads(document("etl"))["paths"]
    return {
        endpoint: Draft202012Validator(
            paths[f"/{endpoint}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        )
        for endpoint in ("resources", "addedvalue")
    }


GOOD = [
    ("resources", resources()),
    ("resources", resources(orgId="4938", jobName=None, jobStart=None, jobFinish=1704961804000.0)),
    ("resources", resources(metrics={}, state=None, status=None, executionId=None, idempotencyKey=None)),
    ("resources", resources(metrics={"cpu": None, "network": {"value": 1, "unit": "gb"}})),
    ("resources", sentinel_hub()),
    ("resources", sentinel_hub(jobId="alice@egi.eu_2024-08-20T10:00:00+00:00", more=1)),
    ("addedvalue", added_value()),
    ("addedvalue", added_value(area={"value": "40", "unit": "m2"}, jobName="Wälder\n")),
]


@pytest.mark.parametrize(("endpoint", "body"), GOOD)
def test_the_document_allows_what_is_read(
    described: dict[str, Draft202012Validator], endpoint: str, body: dict[str, Any]
) -> None:
    described[endpoint].validate(body)  # raises, saying where
    assert read(body).endpoint == endpoint


def test_the_document_forbids_what_is_refused(described: dict[str, Draft202012Validator]) -> None:
    allowed = []
    for name, (endpoint, body, _) in bad.cases().items():
        if isinstance(body, bytes):
            continue
        if described[endpoint].is_valid(body):
            allowed.append(name)
    assert allowed == []


def test_refusals_name_a_field() -> None:
    for endpoint, body, field in bad.cases().values():
        if isinstance(body, bytes):
            continue
        reader = reading.read_added_value if endpoint == "addedvalue" else reading.read_resources
        with pytest.raises((InvalidInput, BodyInvalid)) as raised:
            reader(decode(json.dumps(body).encode()), "")
        assert getattr(raised.value, "field", "") == field
