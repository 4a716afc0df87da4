"""Estimates with the demonstration's ninety days: right eight times in ten, and quick to notice what changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounting import estimates, tariffs, usage, workloads
from accounting.api.etl import reading
from accounting.models import Source
from accounting.tariffs import RuleSpec
from devtools import clock
from devtools.demonstration import history, seed
from devtools.demonstration.bodies import posts
from devtools.demonstration.federation import CLIENT_OF
from devtools.demonstration.people import EODC, TERRASCOPE
from devtools.demonstration.rates import RATE_CARDS
from devtools.demonstration.stage import Stage
from tests.demonstration.books import query, value
from tests.demonstration.conftest import NOW

pytestmark = [pytest.mark.usefixtures("demonstration"), pytest.mark.slow]

DAY = timedelta(days=1)
URL = "https://algorithms.example.org/udp/ndvi-time-series"
ASKED = workloads.read({"udp": {"url": URL}, "area_m2": 5e8, "time_steps": 20})


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def on(source: str, at: datetime) -> estimates.Estimate:
    (found,) = estimates.estimate(ASKED, [source], at=at)
    return found


def test_ninety_days_of_estimates() -> None:
    """E2, E3. One history for all, because making it takes a while."""
    seed.seed(now=NOW)
    _eight_in_ten_jobs_of_the_last_30_days_cost_what_the_interval_said()
    _nothing_was_known_that_came_later()
    with undone():
        _a_new_tariff_moves_estimates_within_a_day()
    with undone():
        _a_back_end_that_needs_twice_as_much_is_noticed_within_a_day()


def _eight_in_ten_jobs_of_the_last_30_days_cost_what_the_interval_said() -> None:
    everything, *each = estimates.calibration()
    assert everything.recent is not None
    assert everything.recent.jobs > 700
    assert 0.75 <= everything.recent.coverage <= 0.85
    assert 0.93 < everything.recent.bias < 1.07
    assert len(each) == 4
    for one in each:
        assert one.recent is not None
        assert 0.7 <= one.recent.coverage <= 0.9, one.source
    low, high = query(
        "SELECT avg((actual < p10)::int), avg((actual > p90)::int) FROM accounting_storedestimate"
        " WHERE judged_at >= %s",
        NOW - 30 * DAY,
    )[0]
    assert 0.05 < low < 0.15
    assert 0.05 < high < 0.15


def _nothing_was_known_that_came_later() -> None:
    """Made afterwards, each at the midnight before its job began, from reports that were there by then."""
    assert value("SELECT count(*) FROM accounting_storedestimate WHERE asked") == 0
    assert value("SELECT count(*) FROM accounting_storedestimate WHERE made_at > judged_at") == 0
    unknown = value("SELECT count(*) FROM accounting_observation WHERE state = 'FINISHED' AND judged") - value(
        "SELECT count(*) FROM accounting_storedestimate"
    )
    assert 0 < unknown < 150  # nothing like them had ever finished
    assert value("SELECT max(jobs) FROM accounting_storedestimate") > 30


def _a_new_tariff_moves_estimates_within_a_day() -> None:
    before = on(TERRASCOPE, NOW)
    (card,) = [card for card in RATE_CARDS if card.source == TERRASCOPE]
    dearer = [
        RuleSpec(
            r.name,
            r.metric,
            r.canonical_unit,
            r.price * Decimal("1.5"),
            r.model,
            when=r.when,
            free=r.free,
            maximum=r.maximum and r.maximum * 2,
        )
        for r in card.rules
    ]
    starts = NOW + 15 * DAY
    with connection.cursor() as cursor, clock.movable(cursor):
        clock.move(cursor, NOW)
        tariffs.publish(TERRASCOPE, "Dearer", dearer, starts_at=starts)
        clock.move(cursor, None)
    # What is known stays, only the calendar goes on: to a minute before and a minute after the new prices begin.
    eve, morning = on(TERRASCOPE, starts - timedelta(minutes=1)), on(TERRASCOPE, starts + timedelta(minutes=1))
    assert eve.tariff == before.tariff != morning.tariff
    assert morning.median == pytest.approx(1.5 * eve.median, rel=0.05)
    assert morning.p10 > eve.p10
    assert on(EODC, starts).median == pytest.approx(on(EODC, starts - timedelta(minutes=1)).median, rel=0.02)


def _a_back_end_that_needs_twice_as_much_is_noticed_within_a_day() -> None:
    """The next day's jobs again, of Terrascope with twice the CPU and memory."""
    before = {source: on(source, NOW).median for source in (TERRASCOPE, EODC)}
    spans = estimates.calibration([TERRASCOPE])[1]
    booked = _go_on(NOW, NOW + DAY)
    assert booked > 5
    estimates.collect(now=NOW + DAY)
    estimates.judge(now=NOW + DAY)
    estimates.calibrate(now=NOW + DAY)
    after = {source: on(source, NOW + DAY).median for source in (TERRASCOPE, EODC)}
    assert after[TERRASCOPE] > 1.3 * before[TERRASCOPE]
    assert after[EODC] < 1.25 * before[EODC]
    worse = estimates.calibration([TERRASCOPE])[1]
    assert spans.recent is not None
    assert worse.recent is not None
    assert worse.recent.bias > spans.recent.bias


def _go_on(since: datetime, until: datetime) -> int:
    """What is reported between the two instants, as the back ends report it; how many jobs of Terrascope were told."""
    anchor = NOW.replace(hour=0, minute=0)
    stage = Stage(value("SELECT issuer FROM accounting_person LIMIT 1"))
    stage.register()
    clients = {source: stage.clients[name] for source, name in CLIENT_OF.items()}
    told = 0
    with connection.cursor() as cursor, clock.movable(cursor):
        for item in history.reports(anchor + DAY, 2, until):
            job = item.job
            if not since < item.at <= until or job.task is None or job.kind != "batch":
                continue
            clock.move(cursor, item.at)
            for endpoint, body in posts(job, item.sub):
                if job.source == TERRASCOPE and "metrics" in body:
                    for metric in ("cpu", "memory"):
                        body["metrics"][metric]["value"] *= 2
                raw = json.dumps(body)
                read = reading.read_resources if endpoint == "resources" else reading.read_added_value
                report = read(json.loads(raw, parse_float=Decimal), raw)
                (outcome,) = usage.ingest(clients[job.source], [report], on_reuse="replay")
                assert outcome.error is None
            source = Source.objects.get(source_id=job.source).pk
            told_of = workloads.read(job.task.document())
            workloads.record(source, job.job_id, job.execution_id, None, told_of, at=item.at)
            told += job.source == TERRASCOPE
        clock.move(cursor, None)
    return told
