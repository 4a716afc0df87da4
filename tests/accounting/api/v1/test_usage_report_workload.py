"""What a report says of its job's workload: no reason to refuse a charge, read later from the report as it came."""

from __future__ import annotations

from typing import Any

import pytest

from accounting import estimates
from accounting.models import Observation, UsageReport
from tests.accounting.api.v1.conftest import Callers, report, report_body
from tests.accounting.api.v1.test_usage_report_batch import EVENTS, event
from tests.conftest import Federation

TOLD: dict[str, Any] = {
    "udp": {"url": "https://algorithms.example.org/udp/ndvi"},
    "area_m2": 5_000_000,
    "time_steps": 4,
}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "workload",
    [
        None,
        7,
        "ndvi",
        [],
        {},
        {"udp": {"url": "no address"}},
        {**TOLD, "area_m2": 1e300},
        {**TOLD, "area_m2": float("nan")},
        {**TOLD, "collections": ["half \ud800", "\x00"]},
        {**TOLD, "udp": deep(100)},
        {**TOLD, "geometry": {"type": "Polygon", "coordinates": [[[1e99, 2]]]}},
        {**TOLD, "unknown": 1},
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_whatever_it_is_the_job_is_charged(callers: Callers, federation: Federation, workload: Any) -> None:
    bodies = [report_body(job_id=f"j-{n}", execution_id=f"e-{n}") | {"workload": workload} for n in range(3)]
    post = callers.backend.post
    alone = post("/usage-reports", bodies[0], **{"Idempotency-Key": "k-0"})
    batch = post("/usage-reports/batch", {"reports": [bodies[1]]}, **{"Idempotency-Key": "k-1"})
    events = post("/usage-reports/batch", [event(2, data=bodies[2])], **EVENTS)
    assert [answer.status_code for answer in (alone, batch, events)] == [201, 200, 200]
    assert set(UsageReport.objects.values_list("amount", flat=True)) == {5_759_775}
    assert estimates.collect() == 0


def test_what_can_be_read_is_learnt(callers: Callers, federation: Federation) -> None:
    bodies = [report_body(job_id=f"j-{n}", execution_id=f"e-{n}") | {"workload": TOLD} for n in range(3)]
    post = callers.backend.post
    assert post("/usage-reports", bodies[0], **{"Idempotency-Key": "k-0"}).status_code == 201
    assert post("/usage-reports/batch", {"reports": [bodies[1]]}, **{"Idempotency-Key": "k-1"}).status_code == 200
    assert post("/usage-reports/batch", [event(2, data=bodies[2])], **EVENTS).status_code == 200
    assert estimates.collect() == 3
    assert set(Observation.objects.values_list("area_km2", "time_steps", "cost")) == {(5.0, 4, 5_759_775)}


def test_another_workload_is_no_other_report(callers: Callers, federation: Federation) -> None:
    """It is no part of what is charged, so the same key with another one is the same report again."""
    first = report(callers.backend, "k", workload=TOLD)
    again = report(callers.backend, "k", workload={**TOLD, "time_steps": 9})
    without = report(callers.backend, "k")
    assert [answer.status_code for answer in (first, again, without)] == [201, 201, 201]
    assert first.content == again.content == without.content
    assert UsageReport.objects.count() == 1
