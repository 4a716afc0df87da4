"""What a client is answered: the ETL's array of costs, or our own object; JSON numbers there, decimal text here."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from accounting import answers
from accounting.rating import Rule, UsageLine, rate
from accounting.reports import Booking, UsageReport

RULES = (
    Rule(11, "CPU", "cpu", "cpu-hour", "per_unit", Decimal("1.5")),
    Rule(12, "NDVI", "area", "km2", "per_unit", Decimal(2), beneficiary="publisher:veggies"),
)
CPU = UsageLine("cpu", Decimal(5099), "cpu-seconds", "5099")
AREA = UsageLine("area", Decimal("1.50"), "km2", "1.50", process="ndvi")


def render(lines: tuple[UsageLine, ...] = (CPU,), *, refused: bool = False, **terms: Any) -> Any:
    report = UsageReport(
        **(
            {"endpoint": "resources", "source": "A b/C", "user": "alice", "job_id": "j 1", "lines": lines, "raw": ""}
            | terms
        )
    )
    rated = rate(lines, RULES, {})
    booked_at = datetime(2026, 6, 1, 12, 0, 5, 123_999, tzinfo=UTC)
    booking = Booking(UUID(int=7), report, 42, refused, 3, rated, booked_at)
    return msgspec.json.decode(answers.render(booking))


class TestTheEtlAnswer:
    def test_is_an_object_for_each_metric(self) -> None:
        assert render(execution_id="e-1", state="FINISHED") == [
            {
                "jobId": "j 1",
                "executionId": "e-1",
                "userId": "alice",
                "sourceId": "A b/C",
                "orchestrator": "openeo",
                "state": "FINISHED",
                "status": "billed",
                "type": "cpu",
                "value": 5099,
                "unit": "cpu-seconds",
                "cost": 2.124583,
                "date": "2026-06-01T12:00:05.123Z",
            }
        ]

    def test_says_only_what_was_said(self) -> None:
        (line,) = render()
        assert not {"executionId", "state", "service", "orgId", "orgIdRefused"} & set(line)

    def test_names_the_organisation_that_paid_when_one_was_asked_for(self) -> None:
        (line,) = render(organisation=4711, refused=True)
        assert (line["orgId"], line["orgIdRefused"]) == (42, True)

    def test_names_the_process_of_an_added_value_report(self) -> None:
        (line,) = render((AREA,), endpoint="addedvalue", service="ndvi")
        assert (line["service"], line["value"], line["cost"]) == ("ndvi", 1.5, 3)
        assert type(line["cost"]) is int

    def test_of_a_report_without_metrics_is_empty(self) -> None:
        assert render(()) == []


class TestOurOwnAnswer:
    def test_says_who_paid_what_and_why(self) -> None:
        answer = render((CPU, AREA), endpoint="usage-reports", execution_id="e-1", organisation=4711, refused=True)
        lines = answer.pop("lines")
        assert answer == {
            "id": str(UUID(int=7)),
            "source": "A b/C",
            "user": "alice",
            "user_issuer": None,
            "job_id": "j 1",
            "execution_id": "e-1",
            "organisation": 42,
            "requested_organisation": 4711,
            "organisation_refused": True,
            "tariff": 3,
            "cost": "5.124583",
            "currency": "credits",
            "booked_at": "2026-06-01T12:00:05.123999Z",
            "job": "/api/v1/jobs/A%20b/C/j%201",
        }
        assert lines[0] == {
            "metric": "cpu",
            "reported": "5099",
            "unit": "cpu-seconds",
            "quantity": "1.416388888889",
            "canonical_unit": "cpu-hour",
            "rule": 11,
            "formula": "q * 1.5",
            "amount": "2.124583",
            "process": None,
            "payee": "provider",
        }
        assert (lines[1]["process"], lines[1]["payee"], lines[1]["quantity"]) == ("ndvi", "publisher:veggies", "1.5")


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        ("0", "0"),
        ("100", "100"),
        ("1.50", "1.5"),
        ("0.0000000000005", "0"),
        ("0.0000000000015", "0.000000000002"),
        ("99999999999999999.999999999999", "99999999999999999.999999999999"),
        ("1E+3", "1000"),
    ],
)
def test_a_quantity_is_printed_plainly_with_at_most_twelve_decimals(quantity: str, text: str) -> None:
    assert answers.trim(Decimal(quantity)) == text
