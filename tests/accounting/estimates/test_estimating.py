"""What is said about a job that is to run: from jobs like it, at the prices of now, or nothing (E1, E2)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounting import estimates, registry, tariffs, usage, workloads
from accounting.estimates import evidence, rerating
from accounting.models import Observation
from accounting.rating import UsageLine
from accounting.tariffs import RuleSpec
from tests.accounting.estimates.jobs import NOW, URL, Past, source_of, workload
from tests.conftest import RATES, SOURCE

DAY = timedelta(days=1)
PRICE = 0.015
"""Credits for a square kilometre and step, see `Past`."""


def credits(micros: int) -> float:
    return micros / 1e6


def test_nothing_is_said_of_what_never_ran(past: Past) -> None:
    """E1: other jobs on the same back end do not make a figure."""
    past.days(3, 4)
    estimates.collect(now=NOW)
    other = workload(udp={"url": "https://algorithms.example.org/udp/other"})
    assert estimates.estimate(other, at=NOW) == []
    assert estimates.estimate(workload(), ["cdse-unknown"], at=NOW) == []
    assert estimates.estimate(workload(), at=NOW - 30 * DAY) == []


def test_many_jobs_like_it_give_its_own_figures(past: Past) -> None:
    past.days(10, 5)
    estimates.collect(now=NOW)
    (one,) = estimates.estimate(workload(300, 12), [SOURCE], at=NOW)
    assert (one.source, one.backend, one.level, one.method) == (SOURCE, "terrascope", "own", "per_km2_step")
    assert (one.jobs, one.jobs_elsewhere) == (50, 0)
    assert credits(one.median) == pytest.approx(300 * 12 * PRICE, rel=0.15)
    assert one.p10 < one.median < one.p90
    assert math.log(one.p90 / one.p10) == pytest.approx(2 * 1.28 * 0.2, rel=0.45)
    assert one.duration_seconds == 25 * 60
    assert (one.failure_rate, one.failure_jobs, one.failures_alike) == (0, 50, True)
    assert not one.extrapolated
    assert estimates.estimate(workload(100_000, 100), at=NOW)[0].extrapolated


def test_few_jobs_lean_on_others_and_say_so(past: Past) -> None:
    past.days(5, 5, source="cdse")
    past.run(NOW - DAY, factor=3.0, noise=0)
    estimates.collect(now=NOW)
    dear, cheap = sorted(estimates.estimate(workload(), at=NOW), key=lambda one: -one.median)
    assert (dear.source, dear.level, dear.jobs, dear.jobs_elsewhere) == (SOURCE, "pooled", 1, 25)
    assert (cheap.source, cheap.level) == ("cdse", "own")
    assert PRICE * 1000 * 1.1 < credits(dear.median) < PRICE * 3000
    assert dear.p90 / dear.p10 > cheap.p90 / cheap.p10


def test_what_ran_elsewhere_only_is_carried_over(past: Past) -> None:
    past.days(5, 5, source="cdse")
    past.days(5, 5, told=workload(udp={"url": "https://algorithms.example.org/udp/other"}))
    estimates.collect(now=NOW)
    levels = {one.source: one.level for one in estimates.estimate(workload(), at=NOW)}
    assert levels == {"cdse": "own", SOURCE: "elsewhere"}


def test_a_back_end_where_nothing_finished_has_no_figure(past: Past) -> None:
    """E1"""
    past.days(5, 5)
    estimates.collect(now=NOW)
    assert [one.source for one in estimates.estimate(workload(), at=NOW)] == [SOURCE]


def test_a_price_change_moves_estimates_at_once_and_exactly(past: Past) -> None:
    """E2: past jobs are rated anew by the code that bills; no job has to run under the new prices."""
    past.days(10, 3)
    estimates.collect(now=NOW)
    (before,) = estimates.estimate(workload(), at=NOW)
    past.clock(None)
    doubled = [RuleSpec(r.name, r.metric, r.canonical_unit, r.price * 2) for r in RATES]
    starts = datetime.now(UTC) + timedelta(days=20)
    tariffs.publish(SOURCE, "Doubled", doubled, starts_at=starts)
    shift = starts - NOW
    (still,) = estimates.estimate(workload(), at=NOW)
    (after,) = estimates.estimate(workload(), at=NOW + shift)
    assert still.median == before.median
    assert still.tariff_ends_at == starts
    assert after.median == pytest.approx(2 * before.median, rel=0.02)  # ages weigh a little otherwise
    assert after.tariff != before.tariff


def test_rating_anew_by_the_same_tariff_gives_what_was_billed(past: Past) -> None:
    """E2"""
    past.days(2, 5)
    estimates.collect(now=NOW)
    place = tariffs.in_force(source_of(SOURCE), NOW)
    assert place is not None
    for one in Observation.objects.all():
        assert rerating.cost(one.charges, place) == one.cost > 0


def test_surcharges_are_not_rated_twice_and_minimums_hold(past: Past) -> None:
    backend = registry.register_backend("small", "Small", past.federation.provider)
    source = registry.register_source("small", backend, "https://aai.example.org/auth/realms/egi")
    rules = [
        RuleSpec("CPU", "cpu", "cpu-hour", Decimal(2), minimum=Decimal(1), free=Decimal("0.01")),
        RuleSpec("Levy", "surcharge", "credit", Decimal(10), model="percentage"),
    ]
    tariffs.publish("small", "Small rates", rules, starts_at=NOW - 400 * DAY)
    registry.register_client("https://aai.example.org/auth/realms/egi", "job-tracker", "t", [SOURCE, "small"])
    federation = past.federation
    lines = (UsageLine("cpu", Decimal("40.5"), "cpu-seconds", "40.5"),)
    past.clock(NOW - DAY)
    report = federation.report("s-1", source="small", lines=lines, job_id="s")
    (outcome,) = usage.ingest(federation.client, [report], on_reuse="refuse")
    assert outcome.status == "booked"
    workloads.record(source, "s", None, None, workload(), at=NOW - DAY)
    estimates.collect(now=NOW)
    (one,) = Observation.objects.filter(source_id=source)
    tariff = tariffs.in_force(source, NOW)
    assert tariff is not None
    assert rerating.cost(one.charges, tariff) == one.cost == 1_100_000


def test_who_pays_matters_where_the_tariff_says_so(past: Past) -> None:
    backend = registry.register_backend("fair", "Fair", past.federation.provider)
    registry.register_source("fair", backend, "https://aai.example.org/auth/realms/egi")
    half = RuleSpec("CPU of students", "cpu", "cpu-hour", Decimal(1), factor=Decimal("0.5"), when={"plan": ["student"]})
    tariffs.publish("fair", "Fair", [RuleSpec("CPU", "cpu", "cpu-hour", Decimal(1)), half], starts_at=NOW - 400 * DAY)
    registry.register_client("https://aai.example.org/auth/realms/egi", "other-tracker", "o", ["cdse", "fair"])
    past.days(3, 4, source="fair")
    estimates.collect(now=NOW)
    (everybody,) = estimates.estimate(workload(), at=NOW)
    (student,) = estimates.estimate(workload(), at=NOW, plan="student")
    assert student.median == pytest.approx(everybody.median / 2, abs=2)


def test_a_job_that_costs_nothing_is_estimated_at_nothing(past: Past) -> None:
    for day in range(1, 4):
        past.run(NOW - day * DAY, lines=(UsageLine("time", Decimal(60), "seconds", "60"),))
    estimates.collect(now=NOW)
    (one,) = estimates.estimate(workload(), at=NOW)
    assert (one.p10, one.median, one.p90, one.method) == (0, 0, 0, "free")


def test_without_sizes_the_cost_of_a_job_is_told_as_such(past: Past) -> None:
    for day in range(1, 13):
        past.run(NOW - day * DAY, told=workload(None, None))
    estimates.collect(now=NOW)
    (one,) = estimates.estimate(workload(500, 20), at=NOW)
    assert one.method == "per_job"
    assert credits(one.median) == pytest.approx(15, rel=0.25)  # of 100 km2 and 10 steps, see Past
    past.days(4, 3, told=workload(100, None))
    estimates.collect(now=NOW)
    (sized,) = estimates.estimate(workload(200, 20), at=NOW)
    assert sized.method == "per_km2"
    assert credits(sized.median) == pytest.approx(30, rel=0.25)
    assert estimates.estimate(workload(None, None), at=NOW)[0].method == "per_job"


def test_failed_jobs_count_as_failures_and_not_as_costs(past: Past) -> None:
    past.days(4, 3)
    for number in range(4):
        past.run(NOW - timedelta(hours=5 + number), state="FAILED", factor=0.01)
    past.run(NOW - timedelta(hours=2), state="KILLED", factor=0.01)
    estimates.collect(now=NOW)
    (one,) = estimates.estimate(workload(), at=NOW)
    assert (one.jobs, one.failure_jobs) == (12, 16)
    assert one.failure_rate == pytest.approx(4 / 16)
    assert credits(one.median) == pytest.approx(15, rel=0.2)


def test_jobs_that_need_twice_as_much_since_today_are_noticed_today(past: Past) -> None:
    """A planted shift in consumption, the prices unchanged."""
    past.days(30, 4)
    estimates.collect(now=NOW)
    (before,) = estimates.estimate(workload(), at=NOW)
    past.days(1, 8, until=NOW + DAY, factor=2.0)
    estimates.collect(now=NOW + DAY)
    (after,) = estimates.estimate(workload(), at=NOW + DAY)
    assert after.median > 1.4 * before.median
    estimates.judge(now=NOW + DAY)
    estimates.calibrate(now=NOW + DAY)
    everything = estimates.calibration()[0]
    assert everything.recent is not None
    assert everything.recent.bias > 1
    (wider,) = estimates.estimate(workload(), at=NOW + DAY)
    assert wider.p90 > 1.8 * before.median


def test_narrow_names_are_preferred_unless_hardly_anything_is_known_of_them(past: Past) -> None:
    old, new = "a" * 64, "b" * 64
    past.days(4, 3, told=workload(udp={"url": URL, "sha256": old}))
    past.run(NOW - DAY, told=workload(udp={"url": URL, "sha256": new}), factor=4, noise=0)
    estimates.collect(now=NOW)
    (one,) = estimates.estimate(workload(udp={"url": URL, "sha256": new}), at=NOW)
    assert one.jobs == 13
    for _ in range(3):
        past.run(NOW - DAY / 2, told=workload(udp={"url": URL, "sha256": new}), factor=4, noise=0)
    estimates.collect(now=NOW)
    (narrow,) = estimates.estimate(workload(udp={"url": URL, "sha256": new}), at=NOW)
    assert narrow.jobs == 4
    assert narrow.median > 1.5 * one.median


def test_it_takes_four_queries_however_much_is_known(
    past: Past, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    past.days(2, 5)
    past.days(2, 5, source="cdse")
    estimates.collect(now=NOW)
    estimates.estimate(workload(), at=NOW)  # the tariffs are remembered from here on
    with django_assert_num_queries(4):
        estimates.estimate(workload(), at=NOW)
    past.days(2, 30, source="cdse")
    estimates.collect(now=NOW)
    with django_assert_num_queries(4):
        assert len(estimates.estimate(workload(), at=NOW)) == 2


def test_only_the_newest_jobs_are_looked_at(past: Past, monkeypatch: Any) -> None:
    monkeypatch.setattr(evidence, "NEWEST", 5)
    monkeypatch.setattr(evidence, "NEWEST_ALIKE", 3)
    past.days(4, 4)
    estimates.collect(now=NOW)
    key = workload().label
    assert len(evidence.find("batch", [key], NOW)) == 5
    assert len(evidence.find("batch", [], NOW - 2 * DAY)) == 5
