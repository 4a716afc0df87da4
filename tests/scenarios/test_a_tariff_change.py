"""Prices change while work goes on: late reports pay the old price, and no report ever mixes two versions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounting import queries, receipts, tariffs, usage
from accounting.errors import TariffInvalid
from accounting.models import UsageLine as Line
from accounting.models import UsageReport
from accounting.tariffs import RuleSpec
from accounting.usage import UsageLine
from tests.accounting.books import booked, micros, posted, prove
from tests.conftest import SOURCE, Federation

SPRING = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = (UsageLine("cpu", Decimal(1), "cpu-hours", "1"),)


def test_late_reports_pay_what_was_in_force_when_the_work_finished(
    federation: Federation, database_clock: Callable[[datetime | None], None]
) -> None:
    database_clock(SPRING)
    dearer = [RuleSpec("CPU", "cpu", "cpu-hour", Decimal(2))]
    with pytest.raises(TariffInvalid, match="14 days"):
        tariffs.publish(SOURCE, "too soon", dearer, starts_at=SPRING + 7 * DAY)
    change = SPRING + 14 * DAY
    announced = tariffs.publish(SOURCE, "announced", dearer, starts_at=change)

    # The day after the change, reports come in for work that finished on both sides of it.
    database_clock(change + DAY)
    before = booked(federation, "before", lines=HOUR, finished_at=change - timedelta(microseconds=1))
    after = booked(federation, "after", job_id="j-2", lines=HOUR, finished_at=change)
    charges = dict(UsageReport.objects.values_list("pk", "amount"))
    assert (charges[before], charges[after]) == (micros(1.5), micros(2))

    # A year later the receipts still say which card it was.
    database_clock(change + 365 * DAY)
    (job,) = queries.find_job(SOURCE, "j-2")
    (receipt,) = receipts.of_job(job.pk)
    assert receipt.tariff is not None
    assert (receipt.tariff.id, receipt.tariff.version) == (announced, 2)
    prove()


@pytest.mark.slow
def test_a_rule_changed_twenty_times_while_reports_arrive_is_never_mixed(committed_federation: Federation) -> None:
    """L7 of the catalogue: each line is worth its quantity at the price of the version it names."""
    federation = committed_federation
    stop = threading.Event()
    quantities = [Decimal(n) for n in (1, 3, 7)]

    def report(worker: int) -> int:
        sent = 0
        try:
            while not stop.is_set():
                lines = tuple(UsageLine("cpu", q, "cpu-hours", str(q)) for q in quantities)
                reports = [
                    federation.report(f"{worker}-{sent}-{n}", job_id=f"j-{worker}", lines=lines) for n in range(3)
                ]
                outcomes = usage.ingest(federation.client, reports, on_reuse="replay")
                assert [outcome.status for outcome in outcomes] == ["booked"] * 3
                sent += 1
        finally:
            connection.close()
        return sent * 3

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(report, worker) for worker in range(4)]
        for version in range(20):
            price = Decimal(150 - version) / 100
            tariffs.publish(
                SOURCE, f"cheaper {version}", [RuleSpec("CPU", "cpu", "cpu-hour", price)], starts_at=datetime.now(UTC)
            )
        stop.set()
        sent = sum(worker.result() for worker in running)

    lines = Line.objects.select_related("rule", "report")
    assert lines.count() == 3 * sent > 0
    for line in lines:
        assert line.rule is not None
        assert line.rule.tariff_id == line.report.tariff_id
        assert line.amount == line.canonical_quantity * line.rule.price * 1_000_000
    total = sum(UsageReport.objects.values_list("amount", flat=True))
    assert posted(federation.alice.personal_organisation) == -total
    assert UsageReport.objects.values("tariff").distinct().count() > 1
    prove()
