"""Which jobs become known to estimates, and where the word about them comes from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounting import estimates, registry, tariffs, workloads
from accounting.estimates import observing
from accounting.models import EstimateMark, JobWorkload, Observation, ObservationKey
from accounting.rating import UsageLine
from accounting.tariffs import RuleSpec
from tests.accounting.estimates.jobs import NOW, URL, Past, body, source_of, workload
from tests.conftest import ISSUER, RATES, SOURCE

DAY = timedelta(days=1)
ECO = "eco"
TOLD: Mapping[str, Any] = {"udp": {"url": URL}, "area_m2": 5_000_000, "time_steps": 4}


def test_a_job_with_a_workload_is_one_small_row(past: Past) -> None:
    past.run(NOW - DAY, told=workload(100, 10, collections=["SENTINEL2_L2A"]), noise=0)
    assert estimates.collect(now=NOW) == 1
    one = Observation.objects.get()
    assert (one.state, one.kind, one.area_km2, one.time_steps, one.seconds) == ("FINISHED", "batch", 100, 10, 1500)
    assert one.cost == 15_000_000
    assert one.started_at < one.known_at == NOW - DAY
    assert set(one.keys.values_list("key", flat=True)) == {
        "batch|any",
        workload().label,
        workloads.collection_key("SENTINEL2_L2A"),
    }


def test_doing_it_again_changes_nothing(past: Past) -> None:
    past.days(2, 3)
    assert estimates.collect(now=NOW) == 6
    Observation.objects.update(judged=True)
    assert estimates.collect(now=NOW) == 0
    assert estimates.collect(now=NOW + DAY) == 0
    assert Observation.objects.filter(judged=True).count() == 6
    assert EstimateMark.objects.get().report > 0


def test_what_came_within_minutes_is_looked_at_again(past: Past) -> None:
    """A report that was being committed meanwhile may have a lower number than one that was seen."""
    past.run(NOW - timedelta(minutes=1))
    estimates.collect(now=NOW)
    assert EstimateMark.objects.get().report == 0
    estimates.collect(now=NOW + timedelta(hours=1))
    assert EstimateMark.objects.get().report > 0


def test_a_job_that_did_not_end_or_told_nothing_is_left_out(past: Past) -> None:
    past.run(NOW - DAY, state="RUNNING")
    past.report(NOW - DAY, "silent", seconds=100)
    assert estimates.collect(now=NOW) == 0
    workloads.record(source_of(SOURCE), "silent", None, None, workload(), at=NOW)
    assert estimates.collect(now=NOW) == 1


def test_what_is_told_later_is_looked_up_in_reports_of_before(past: Past) -> None:
    past.report(NOW - 3 * DAY, "late", seconds=100)
    estimates.collect(now=NOW - 2 * DAY)
    workloads.record(source_of(SOURCE), "late", "e-late", past.federation.alice.pk, workload(), at=NOW - DAY)
    assert estimates.collect(now=NOW) == 1
    workloads.record(source_of(SOURCE), "late", "another run", None, workload(1, 1), at=NOW)
    workloads.record(source_of(SOURCE), "late", None, past.federation.bob.pk, workload(2, 2), at=NOW)
    estimates.collect(now=NOW)
    assert Observation.objects.get().area_km2 == 100


def test_added_value_that_comes_later_is_part_of_the_cost(past: Past) -> None:
    _price_ndvi(past)
    past.run(NOW - DAY, job_id="j", noise=0, told=workload(100, 10), source=ECO)
    estimates.collect(now=NOW - DAY)
    Observation.objects.update(judged=True)
    _added_value(past, NOW - DAY / 2, "j", "ndvi", 100)
    assert estimates.collect(now=NOW) == 1
    one = Observation.objects.get()
    assert one.cost == 15_000_000 + 2_000_000
    assert not one.judged
    assert one.known_at == NOW - DAY / 2


def test_the_services_of_a_job_tell_its_workload_when_nobody_else_does(past: Past) -> None:
    _price_ndvi(past)
    past.report(NOW - DAY, "j", seconds=3600, source=ECO)
    _added_value(past, NOW - DAY, "j", "ndvi", 40)
    _added_value(past, NOW - DAY, "j", "load_stac", 40)
    assert estimates.collect(now=NOW) == 1
    one = Observation.objects.get()
    assert one.workload == {"process": "ndvi", "kind": "batch", "area_m2": 40_000_000.0}
    assert one.label == workloads.key_of("batch", "process", "ndvi")
    (found,) = estimates.estimate(workload(80, None, udp={"process": "ndvi"}), at=NOW)
    assert (found.method, found.jobs) == ("per_km2", 1)


def test_services_without_a_price_tell_nothing(past: Past) -> None:
    past.report(NOW - DAY, "j", seconds=3600)
    _added_value(past, NOW - DAY, "j", "load_stac", 40, SOURCE)
    assert estimates.collect(now=NOW) == 0


@pytest.mark.parametrize(
    "raw",
    [body(jobId="j", workload=TOLD), body(specversion="1.0", data={"job_id": "j", "workload": TOLD})],
    ids=["report", "event"],
)
def test_a_report_may_tell_it_itself(past: Past, raw: str) -> None:
    past.report(NOW - DAY, "j", seconds=3600, raw=raw)
    assert estimates.collect(now=NOW) == 1
    assert (Observation.objects.get().area_km2, Observation.objects.get().time_steps) == (5, 4)
    assert not JobWorkload.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [
        body(workload=None),
        body(workload=7),
        body(workload={"udp": {"url": "no address"}}),
        body(workload={**TOLD, "geometry": {"type": "Point"}}),
        body(title="workload"),
        '["workload"]',
        '{"workload": {',
        '{"data": [], "workload": 7}',
        body(workload={**TOLD, "options": {"x": "y" * 400_000}}),
    ],
    ids=lambda raw: raw[:40],
)
def test_what_cannot_be_read_is_left_out(past: Past, raw: str) -> None:
    past.report(NOW - DAY, "j", seconds=3600, raw=raw)
    assert estimates.collect(now=NOW) == 0


def test_the_newest_word_wins_wherever_it_came_from(past: Past) -> None:
    past.report(NOW - DAY, "j", seconds=3600, raw=body(workload=TOLD))
    workloads.record(source_of(SOURCE), "j", "e-j", None, workload(7, 7), at=NOW - 2 * DAY)
    estimates.collect(now=NOW - 2 * timedelta(hours=1))
    assert Observation.objects.get().area_km2 == 5
    workloads.record(source_of(SOURCE), "j", "e-j", None, workload(7, 7), at=NOW - timedelta(hours=1))
    estimates.collect(now=NOW)
    assert Observation.objects.get().area_km2 == 7
    assert ObservationKey.objects.count() == 2


def test_the_number_of_queries_does_not_grow_with_the_jobs(past: Past) -> None:
    counts = []
    for round_, jobs in enumerate((2, 3, 40)):
        past.days(1, jobs, until=NOW + round_ * DAY)
        with CaptureQueriesContext(connection) as queries:
            assert estimates.collect(now=NOW + round_ * DAY) == jobs
        counts.append(len(queries))
    assert counts[1] == counts[2]


def test_many_reports_are_taken_batch_by_batch(past: Past, monkeypatch: Any) -> None:
    monkeypatch.setattr(observing, "BATCH", 2)
    past.days(1, 5)
    assert estimates.collect(now=NOW) == 5


def _price_ndvi(past: Past) -> None:
    """A back end where NDVI has a price, two hundredths of a credit for a square kilometre, beside the usual ones."""
    backend = registry.register_backend("eco", "Eco", past.federation.provider)
    registry.register_source(ECO, backend, ISSUER)
    registry.register_client(ISSUER, "other-tracker", "other-tracker", ["cdse", ECO])
    ndvi = RuleSpec("NDVI", "area", "km2", Decimal("0.02"), when={"process": ["ndvi"]})
    tariffs.publish(ECO, "With NDVI", [*RATES, ndvi], starts_at=NOW - 400 * DAY)


def _added_value(past: Past, at: Any, job_id: str, process: str, km2: float, source: str = ECO) -> None:
    metres = f"{km2 * 1e6:.1f}"
    line = UsageLine("area", Decimal(metres), "square_meter", metres, process=process)
    past.report(
        at,
        job_id,
        source=source,
        seconds=0,
        endpoint="addedvalue",
        service=process,
        lines=(line,),
        state="",
        key=f"{job_id}-{process}",
    )
