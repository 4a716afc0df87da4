"""What the client is told about a booked report: rendered once, stored, and replayed byte for byte (L3)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from accounting.credits import EXACT, to_number, to_text
from accounting.rating import RatedLine
from accounting.reports import CAPTURES, USAGE_REPORTS, Booking

_TWELVE_DECIMALS = Decimal("1E-12")


def render(booking: Booking) -> str:
    """The answer in the shape of the endpoint that took the report."""
    answer = _render_v1(booking) if booking.report.endpoint in (USAGE_REPORTS, CAPTURES) else _render_etl(booking)
    return msgspec.json.encode(answer).decode()


def preview(booking: Booking) -> str:
    """The same members for a report that is not booked: no id, no time, and marked."""
    return msgspec.json.encode(_render_v1(booking) | {"id": None, "booked_at": None, "dry_run": True}).decode()


def mark_dry_run(answer: str) -> str:
    """A stored answer that is shown and not given: the report was booked before."""
    return msgspec.json.encode(msgspec.json.decode(answer) | {"dry_run": True}).decode()


def _render_etl(booking: Booking) -> list[dict[str, Any]]:
    """An array with an object per metric, `cost` a JSON number, because the clients sum them up (contract 1.3)."""
    report = booking.report
    common: dict[str, Any] = {"jobId": report.job_id}
    if report.execution_id is not None:
        common["executionId"] = report.execution_id
    common |= {"userId": report.user, "sourceId": report.source, "orchestrator": "openeo"}
    if report.state:
        common["state"] = report.state
    if report.service:
        common["service"] = report.service
    if report.organisation is not None:
        common["orgId"] = booking.organisation
        common["orgIdRefused"] = booking.organisation_refused
    date = _milliseconds(booking.booked_at)
    return [_etl_line(common, line, date) for line in booking.lines]


def _etl_line(common: dict[str, Any], line: RatedLine, date: str) -> dict[str, Any]:
    return {
        **common,
        "status": "billed",
        "type": line.metric,
        "value": _number(line.quantity),
        "unit": line.unit,
        "cost": to_number(line.amount),
        "date": date,
    }


def _number(quantity: Decimal) -> int | float:
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def _milliseconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _render_v1(booking: Booking) -> dict[str, Any]:
    report = booking.report
    return {
        "id": str(booking.report_id),
        "source": report.source,
        "user": report.user,
        "user_issuer": report.issuer,
        "job_id": report.job_id,
        "execution_id": report.execution_id,
        "organisation": booking.organisation,
        "requested_organisation": report.organisation,
        "organisation_refused": booking.organisation_refused,
        "tariff": booking.tariff,
        "cost": to_text(booking.amount),
        "currency": "credits",
        "lines": [_v1_line(line) for line in booking.lines],
        "booked_at": booking.booked_at.isoformat().replace("+00:00", "Z"),
        "job": f"/api/v1/jobs/{quote(report.source)}/{quote(report.job_id)}",
    }


def _v1_line(line: RatedLine) -> dict[str, Any]:
    return {
        "metric": line.metric,
        "reported": line.reported,
        "unit": line.unit,
        "quantity": trim(line.canonical_quantity),
        "canonical_unit": line.canonical_unit,
        "rule": line.rule,
        "formula": line.formula,
        "amount": to_text(line.amount),
        "process": line.process or None,
        "payee": line.beneficiary,
    }


def trim(quantity: Decimal) -> str:
    """A canonical quantity with at most 12 decimals and no trailing zeros; for reading, not for computing."""
    text = f"{EXACT.quantize(quantity, _TWELVE_DECIMALS):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
