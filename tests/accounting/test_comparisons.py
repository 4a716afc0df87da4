"""Two jobs that were really booked: their costs, and the causes between them, from their receipts alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounting import comparisons, ledger, receipts, registry, tariffs
from accounting.differences import Side
from accounting.models import Job
from accounting.rating import UsageLine
from accounting.tariffs import RuleSpec
from tests.accounting.books import GOLDEN, booked, micros
from tests.conftest import ISSUER, Federation


def side(job_id: str) -> Side:
    job = Job.objects.get(job_id=job_id)
    return comparisons.side_of(receipts.of_job(job.pk), job.cost_compute + job.cost_added_value)


def causes(first: str, other: str) -> dict[str, int]:
    found = comparisons.explain(side(first), side(other))
    assert sum(one.amount for one in found) == side(other).cost - side(first).cost
    return {one.name: one.amount for one in found}


@pytest.fixture
def market(federation: Federation) -> Federation:
    """A dearer back end where failed jobs pay half and an algorithm has a price."""
    registry.register_source("market", federation.backend, ISSUER)
    registry.register_client(ISSUER, "job-tracker", "job-tracker", ["TerraScope/MEP", "market"])
    failed = {"state": ["FAILED"]}
    rules = (
        RuleSpec("CPU", "cpu", "cpu-hour", Decimal(3)),
        RuleSpec("CPU of failed jobs", "cpu", "cpu-hour", Decimal(3), factor=Decimal("0.5"), when=failed),
        RuleSpec("Memory", "memory", "gb-hour", Decimal(1)),
        RuleSpec("ndvi", "area", "km2", Decimal(2), beneficiary="publisher:atlas", when={"process": ["ndvi"]}),
    )
    tariffs.publish("market", "Market rates", rules, starts_at=datetime.now(UTC) - timedelta(days=10))
    return federation


def test_the_same_work_elsewhere_costs_the_other_rate(market: Federation) -> None:
    booked(market, "a", job_id="a")
    booked(market, "b", job_id="b", source="market")

    assert causes("a", "b") == {"rate": 2_124_583, "rounding": 1}
    assert causes("b", "a") == {"rate": -2_124_583, "rounding": -1}
    assert side("a").cost == GOLDEN


def test_a_failed_job_pays_by_the_policy_of_its_back_end(market: Federation) -> None:
    booked(market, "a", job_id="a", source="market")
    booked(market, "b", job_id="b", source="market", state="FAILED")

    assert causes("a", "b") == {"failure_policy": -2_124_583, "rounding": -1}


def test_what_an_algorithm_asks_is_a_cause(market: Federation) -> None:
    booked(market, "a", job_id="a", source="market")
    booked(market, "b", job_id="b", source="market")
    area = (UsageLine("area", Decimal(3_000_000), "square_meter", "3000000"),)
    booked(market, "c", job_id="b", source="market", endpoint="addedvalue", service="ndvi", lines=tuple(
        UsageLine(one.metric, one.quantity, one.unit, one.reported, "ndvi") for one in area
    ))  # fmt: skip

    assert causes("a", "b") == {"udp_fee": micros(6)}


def test_what_was_given_back_is_told_and_a_replaced_charge_is_not(market: Federation) -> None:
    booked(market, "a", job_id="a")
    booked(market, "b", job_id="b")
    ledger.reverse(booked(market, "c", job_id="b", execution_id="again"), "provider_outage")
    ledger.reverse(booked(market, "d", job_id="b", execution_id="third"), "superseded")

    assert causes("a", "b") == {"cpu": 2_124_583, "memory": 3_635_192, "given_back": -GOLDEN}
    used = comparisons.used(receipts.of_job(Job.objects.get(job_id="b").pk))
    assert round(used.quantities["cpu", "cpu-hour"], 6) == Decimal("2.832778")
    assert used.tariffs == (("CDSE-like rates", 1),)


def test_charges_beyond_the_receipts_at_hand_are_unlisted(market: Federation) -> None:
    booked(market, "a", job_id="a")
    job = Job.objects.get(job_id="a")

    assert comparisons.side_of([], job.cost_compute).unlisted == GOLDEN
    assert side("a").unlisted == 0
