"""A back end begins to report before anybody has registered it: nothing is lost, and all is charged once it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

from django.core.management import call_command

from accounting import organisations, quarantine, registry, tariffs, usage
from accounting.models import QuarantinedReport, UsageReport
from accounting.tariffs import RuleSpec
from accounting.usage import UsageLine
from tests.accounting.books import ingest, micros, posted, prove
from tests.conftest import ISSUER, RATES, Federation

SPRING = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
NEW = "EODC/openEO"


def replay() -> str:
    out = StringIO()
    call_command("replay_quarantine", stdout=out)
    return out.getvalue().splitlines()[-1]


def test_reports_are_kept_mended_and_charged_once(
    federation: Federation, database_clock: Callable[[datetime | None], None]
) -> None:
    database_clock(SPRING)
    hour = UsageLine("cpu", Decimal(1), "cpu-hours", "1")
    strange = UsageLine("cpu", Decimal(1), "cpu-fortnights", "1")
    reports = [
        federation.report("a", source=NEW, user="dora@egi.eu", lines=(hour,), finished_at=SPRING - DAY),
        federation.report("b", source=NEW, user="dora@egi.eu", lines=(hour,), job_id="j-2", finished_at=SPRING),
        federation.report("c", source=NEW, user="dora@egi.eu", lines=(strange,), job_id="j-3"),
    ]
    outcomes = usage.ingest(federation.client, reports, on_reuse="replay")
    assert {outcome.error.code for outcome in outcomes if outcome.error} == {"source_unknown"}
    assert organisations.find_person(ISSUER, "dora@egi.eu") is None

    # The client's retries change nothing but the count.
    usage.ingest(federation.client, reports, on_reuse="replay")
    assert set(QuarantinedReport.objects.values_list("attempts", flat=True)) == {2}

    # Registering the source alone is not enough: the client must be allowed, and there must be prices for those days.
    registry.register_source(NEW, federation.backend, ISSUER)
    assert replay() == "0 booked, 3 still in quarantine"
    registry.register_client(ISSUER, federation.client.client_id, "tracker", [NEW])
    database_clock(SPRING + DAY)
    tariffs.publish(NEW, "late", RATES, starts_at=SPRING)
    assert replay() == "1 booked, 2 still in quarantine"
    codes = set(QuarantinedReport.objects.filter(status="open").values_list("code", flat=True))
    assert codes == {"tariff_missing", "unit_unknown"}

    # The gap before the tariff is closed without announcing anything, for no price rises.
    tariffs.publish(
        NEW, "opening", [RuleSpec("CPU", "cpu", "cpu-hour", Decimal(1))], starts_at=SPRING - 9 * DAY, ends_at=SPRING
    )
    assert replay() == "1 booked, 1 still in quarantine"
    dora = organisations.find_person(ISSUER, "dora@egi.eu")
    assert dora is not None
    assert posted(dora.personal_organisation) == -micros(2.5)

    # The client mends the unit itself and sends the report again under its old key; the kept one is dismissed.
    (left,) = quarantine.open_reports()
    mended = federation.report("c", source=NEW, user="dora@egi.eu", lines=(hour,), job_id="j-3")
    assert ingest(federation.client, mended).status == "booked"
    quarantine.resolve(left, None)
    assert replay() == "0 booked, 0 still in quarantine"

    # Whatever is sent or replayed from now on, each report has been charged exactly once.
    usage.ingest(federation.client, reports, on_reuse="replay")
    for pk in QuarantinedReport.objects.filter(category="unbookable").values_list("pk", flat=True):
        usage.replay(pk)
    assert UsageReport.objects.count() == 3
    assert posted(dora.personal_organisation) == -micros(4)
    prove()
