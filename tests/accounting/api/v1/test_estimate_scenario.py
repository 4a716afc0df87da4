"""Somebody asks what a job will cost, runs it where it is cheapest, and sees later how good the word was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.test import Client

from accounting import estimates, tasks
from accounting.models import JobWorkload, Source, StoredEstimate
from accounting.workloads import read
from tests.accounting.api.v1.conftest import Caller, Callers, fresh_key
from tests.conftest import SOURCE, Federation
from tests.portal.reader import sign_in, text_of

Clock = Callable[[datetime | None], None]
GRAPH = {
    "load": {"process_id": "load_collection", "arguments": {"id": "SENTINEL2_L2A", "spatial_extent": {"west": 5}}},
    "ndvi": {"process_id": "ndvi", "arguments": {"data": {"from_node": "load"}}},
    "save": {"process_id": "save_result", "arguments": {"data": {"from_node": "ndvi"}, "format": "GTiff"}},
}
BOX = {"west": 5.0, "south": 51.0, "east": 5.5, "north": 51.3}
ASKED = {"process_graph": GRAPH, "geometry": BOX, "temporal_extent": ["2026-06-01", "2026-06-21"]}


def run_jobs(caller: Caller, source: str, clock: Clock, hours_for_1000_km2_days: float) -> Iterator[Any]:
    """Twelve days of jobs, each reported with what it was to do."""
    rng = Random(source)
    now = datetime.now(UTC).replace(microsecond=0)
    for number in range(36):
        at = now - timedelta(days=12, hours=-8 * number)
        km2, steps = rng.uniform(100, 900), rng.randint(5, 30)
        hours = hours_for_1000_km2_days * km2 * steps / 1000 * rng.lognormvariate(0, 0.15)
        clock(at)
        yield caller.post(
            "/usage-reports",
            {
                "source": source,
                "user": "alice@egi.eu",
                "job_id": f"{source}-{number}",
                "execution_id": f"e-{number}",
                "state": "error" if number % 12 == 0 else "finished",
                "started_at": (at - timedelta(hours=1)).isoformat(),
                "finished_at": (at - timedelta(minutes=10)).isoformat(),
                "metrics": [{"metric": "cpu", "quantity": f"{hours:.6f}", "unit": "cpu-hours"}],
                "workload": {"process_graph": GRAPH, "area_m2": round(km2 * 1e6), "time_steps": steps},
            },
            **{"Idempotency-Key": fresh_key()},
        )
    clock(None)


@pytest.fixture
def jobs(callers: Callers, federation: Federation, database_clock: Clock) -> None:
    for caller, source, need in ((callers.backend, SOURCE, 1.0), (callers.other_backend, "cdse", 0.6)):
        assert {answer.status_code for answer in run_jobs(caller, source, database_clock, need)} == {201}


def test_from_the_first_question_to_the_verdict(callers: Callers, jobs: None, client: Client) -> None:
    alice = callers.alice

    # Nobody has learnt anything yet, so nothing is invented (E1).
    assert alice.post("/estimates", ASKED).json()["code"] == "EstimateComplexity"
    unknown = callers.backend.post("/openeo/estimate", {**ASKED, "source": SOURCE})
    assert (unknown.status_code, unknown.json()["code"]) == (500, "EstimateComplexity")

    tasks.learn_estimates.apply().get()
    found = alice.post("/estimates", ASKED).json()
    cheap, dear = found["estimates"]
    assert (cheap["source"], dear["source"]) == ("cdse", SOURCE)
    assert found["workload"]["time_steps"] == 20
    needed = found["workload"]["area_m2"] / 1e9 * 20 * 1.5
    assert Decimal(dear["p10"]) < Decimal(needed) < Decimal(dear["p90"])
    assert float(cheap["median"]) == pytest.approx(0.6 * needed, rel=0.2)
    assert cheap["failures"] == {"rate": pytest.approx(3 / 36, abs=1e-3), "jobs": 36, "alike": True}

    # The same by fingerprint, at an address; a back end without the collection and without such jobs is told apart.
    print_ = found["workload"]["fingerprint"]
    query = {"fingerprint": print_, "area_m2": found["workload"]["area_m2"], "time_steps": 20}
    linked = alice.get("/estimates/comparison", query).json()["estimates"]
    assert [one["source"] for one in linked] == ["cdse", SOURCE]

    # What the back end shows to its user is the upper end, in openEO's shape.
    shown = callers.other_backend.post("/openeo/estimate", {**ASKED, "source": "cdse"}).json()
    assert shown["costs"] == pytest.approx(float(cheap["p90"]), rel=0.01)
    assert shown["duration"] == "PT3000S"

    # A back end that asks for a job keeps the word, and the verdict is about that word.
    source = Source.objects.get(source_id="cdse").pk
    workload = read(ASKED)
    (said,) = estimates.estimate(workload, ["cdse"])
    estimates.remember(source, "asked-for", None, None, said)
    answer = callers.other_backend.post(
        "/usage-reports",
        {
            "source": "cdse",
            "user": "alice@egi.eu",
            "job_id": "asked-for",
            "state": "finished",
            "metrics": [{"metric": "cpu", "quantity": f"{0.6 * needed / 1.5:.6f}", "unit": "cpu-hours"}],
            "workload": ASKED,
        },
        **{"Idempotency-Key": fresh_key()},
    )
    assert answer.status_code == 201
    tomorrow = datetime.now(UTC) + timedelta(hours=2)
    estimates.collect(now=tomorrow)
    estimates.judge(now=tomorrow)
    estimates.calibrate(now=tomorrow)
    kept = StoredEstimate.objects.get(job_id="asked-for")
    assert (kept.asked, kept.inside, kept.median) == (True, True, said.median)
    assert not JobWorkload.objects.exists()  # the reports themselves told it

    # Everybody sees how good the words were (E3).
    span = alice.get("/estimates/calibration").json()["ever"]
    assert span["jobs"] > 50
    assert span["coverage"] > 0.6
    page = text_of(sign_in("alice@egi.eu").get("/estimates/"))
    assert f"{100 * span['coverage']:.1f} %" in page
