"""A report becomes a charge, exactly once (invariants L3, L8, U1, U3 to U6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from pytest_django import DjangoAssertNumQueries

from accounting import ledger, usage
from accounting.errors import DomainError, DuplicateExecution, IdempotencyKeyReused
from accounting.models import Execution, Job, QuarantinedReport, Transaction
from accounting.models import UsageReport as Row
from accounting.usage import UsageLine
from tests.accounting.books import GOLDEN, account, book, booked, ingest, micros, posted, prove, rows
from tests.conftest import SOURCE, Federation

CPU = UsageLine("cpu", Decimal(5099), "cpu-seconds", "5099")
MEMORY = UsageLine("memory", Decimal(13400773), "mb-seconds", "13400773")


def test_a_report_takes_its_price_from_the_payer_and_owes_it_to_the_provider(federation: Federation) -> None:
    outcome = book(federation)
    assert outcome.booking is not None
    assert outcome.booking.amount == GOLDEN
    assert posted(federation.alice.personal_organisation) == -GOLDEN
    assert account("provider_payable", provider=federation.provider) == GOLDEN
    prove()


def test_everything_about_the_report_is_kept(federation: Federation) -> None:
    started = datetime(2026, 3, 1, 10, tzinfo=UTC)
    pk = booked(
        federation,
        job_title="Leaf area",
        status="finished",
        started_at=started,
        finished_at=started + timedelta(hours=1),
        raw='{"as": "it came"}',
    )
    row = Row.objects.get(pk=pk)
    assert (row.raw, row.state, row.status, row.kind, row.endpoint) == (
        '{"as": "it came"}', "FINISHED", "finished", "batch", "resources",
    )  # fmt: skip
    assert (row.person_id, row.organisation_id) == (federation.alice.pk, federation.alice.personal_organisation)
    assert row.facts == {
        "state": "FINISHED",
        "kind": "batch",
        "plan": "free",
        "organisation_class": "personal",
        "metrics": "cpu/,memory/",
    }
    lines = list(row.lines.order_by("number").values_list("metric", "reported", "canonical_quantity", "amount"))
    assert lines == [
        ("cpu", "5099", Decimal("1.416388888889"), 2_124_583),
        ("memory", "13400773", Decimal("3.635192328559"), 3_635_192),
    ]
    assert Transaction.objects.get(pk=pk).occurred_at == started + timedelta(hours=1)


def test_a_repeated_key_answers_the_same_bytes_and_writes_nothing(federation: Federation) -> None:
    first = book(federation)
    before = rows()
    for _ in range(4):
        again = ingest(federation.client, federation.report())
        assert (again.status, again.answer, again.transaction) == ("replayed", first.answer, first.transaction)
    assert rows() == before


def test_without_a_key_nothing_can_be_recognised_so_every_report_is_charged(federation: Federation) -> None:
    for _ in range(2):
        assert ingest(federation.client, federation.report(None)).status == "booked"
    assert posted(federation.alice.personal_organisation) == -2 * GOLDEN


@pytest.mark.parametrize("change", [{"endpoint": "addedvalue"}, {"service": "ndvi"}, {"key": "k-2"}])
def test_a_key_counts_for_one_endpoint_and_service(federation: Federation, change: dict[str, str]) -> None:
    """L3."""
    book(federation)
    assert ingest(federation.client, replace(federation.report(), **change)).status == "booked"  # type: ignore[arg-type]


def test_two_clients_may_use_the_same_key(federation: Federation) -> None:
    """I5 of the catalogue: the key belongs to the client that sent it."""
    book(federation)
    assert ingest(federation.other_client, federation.report(source="cdse")).status == "booked"
    assert posted(federation.alice.personal_organisation) == -2 * GOLDEN


CONTENT: dict[str, dict[str, Any]] = {
    "user": {"user": "bob@egi.eu"},
    "job_id": {"job_id": "j-2"},
    "execution_id": {"execution_id": "application_2"},
    "organisation": {"organisation": 4711},
    "metrics": {"lines": (CPU, replace(MEMORY, quantity=Decimal(1)))},
}


@pytest.mark.parametrize("field", CONTENT)
def test_the_etl_api_answers_a_reused_key_as_the_first_time_and_keeps_the_mismatch(
    federation: Federation, field: str
) -> None:
    """U6: the client's counter shifts when a metric is missing, so this is no attack."""
    first = book(federation)
    for _ in range(2):
        again = ingest(federation.client, federation.report(**CONTENT[field]))
        assert (again.status, again.answer) == ("replayed", first.answer)
    assert posted(federation.alice.personal_organisation) == -GOLDEN
    kept = QuarantinedReport.objects.get()
    assert (kept.category, kept.code, kept.attempts) == ("mismatch", "key_mismatch", 2)
    assert str(first.transaction) in kept.detail


@pytest.mark.parametrize("field", CONTENT)
def test_v1_refuses_a_reused_key_and_names_what_differs(federation: Federation, field: str) -> None:
    """U6 and I3: the first report stands, the second is told which field and what it had cost."""
    first = book(federation, endpoint="usage-reports")
    before = rows()
    report = federation.report(endpoint="usage-reports", **CONTENT[field])
    again = ingest(federation.client, report, on_reuse="refuse")
    assert again.status == "refused"
    assert isinstance(again.error, IdempotencyKeyReused)
    assert again.error.field == field
    answer = msgspec.json.decode(first.answer)
    assert again.error.extra["original"] == {"id": answer["id"], "cost": "5.759775", "job": answer["job"]}
    assert rows() == before


@pytest.mark.parametrize(
    "change",
    [
        {"job_title": "Another title"},
        {"state": "FAILED", "status": "error"},
        {"lines": (MEMORY, CPU)},
        {"lines": (replace(CPU, quantity=Decimal("5099.00"), reported="5099.00"), MEMORY)},
        {"finished_at": datetime(2026, 1, 2, tzinfo=UTC)},
        {"raw": '{ "jobId": "j-1" }'},
    ],
    ids=["title", "state", "order of lines", "spelling of a number", "times", "spaces"],
)
@pytest.mark.parametrize("on_reuse", ["replay", "refuse"])
def test_what_does_not_change_the_charge_is_a_repetition(
    federation: Federation, change: dict[str, Any], on_reuse: str
) -> None:
    """I4 of the catalogue."""
    book(federation)
    before = rows()
    assert ingest(federation.client, federation.report(**change), on_reuse=on_reuse).status == "replayed"
    assert rows() == before


class TestTheSameExecutionUnderAnotherKey:
    """I6: the second net. Only v1 reports are whole enough to be compared."""

    def test_is_refused(self, federation: Federation) -> None:
        book(federation, endpoint="usage-reports")
        before = rows()
        again = ingest(federation.client, federation.report("k-2", endpoint="usage-reports"))
        assert again.status == "refused"
        assert isinstance(again.error, DuplicateExecution)
        assert rows() == before

    def test_is_refused_inside_one_batch_too(self, federation: Federation) -> None:
        reports = [federation.report(key, endpoint="usage-reports") for key in ("k-1", "k-2")]
        outcomes = usage.ingest(federation.client, reports, on_reuse="refuse")
        assert [outcome.status for outcome in outcomes] == ["booked", "refused"]
        assert isinstance(outcomes[1].error, DuplicateExecution)
        assert posted(federation.alice.personal_organisation) == -GOLDEN

    def test_is_charged_once_the_first_was_reversed(self, federation: Federation) -> None:
        first = booked(federation, endpoint="usage-reports")
        ledger.reverse(first, "wrong_usage")
        book(federation, "k-2", endpoint="usage-reports")
        assert posted(federation.alice.personal_organisation) == -GOLDEN

    @pytest.mark.parametrize(
        "change",
        [
            {"lines": (CPU,)},
            {"execution_id": "application_2"},
            {"execution_id": None},
            {"user": "bob@egi.eu"},
            {"lines": (replace(CPU, process="ndvi"), MEMORY)},
        ],
        ids=["other metrics", "other execution", "no execution", "other person", "other process"],
    )
    def test_is_another_report_when_anything_of_it_differs(
        self, federation: Federation, change: dict[str, Any]
    ) -> None:
        book(federation, endpoint="usage-reports")
        book(federation, "k-2", endpoint="usage-reports", **change)

    def test_is_charged_again_by_the_etl_api_whose_only_net_is_the_key(self, federation: Federation) -> None:
        book(federation)
        book(federation, "k-2")

    def test_says_nothing_when_nothing_was_measured(self, federation: Federation) -> None:
        for key in ("k-1", "k-2"):
            book(federation, key, endpoint="usage-reports", lines=())


def test_a_first_attempt_that_could_not_be_booked_does_not_use_up_its_key(federation: Federation) -> None:
    """I8 of the catalogue."""
    bad = federation.report(lines=(replace(CPU, unit="fortnights"),))
    assert ingest(federation.client, bad).status == "quarantined"
    book(federation)
    assert posted(federation.alice.personal_organisation) == -GOLDEN


def test_a_batch_answers_in_order_and_a_bad_report_stops_no_other(federation: Federation) -> None:
    """I10 of the catalogue."""
    reports = [
        federation.report("a"),
        federation.report("b", source="nowhere"),
        federation.report("a"),
        federation.report("c", lines=(replace(CPU, unit="fortnights"),)),
        federation.report("a", job_id="j-9"),
        federation.report("d", job_id="j-2"),
    ]
    outcomes = usage.ingest(federation.client, reports, on_reuse="replay")
    assert [outcome.status for outcome in outcomes] == [
        "booked", "quarantined", "replayed", "quarantined", "replayed", "booked",
    ]  # fmt: skip
    assert outcomes[2].answer == outcomes[4].answer == outcomes[0].answer
    assert posted(federation.alice.personal_organisation) == -2 * GOLDEN
    kept = QuarantinedReport.objects.order_by("pk").values_list("code", flat=True)
    assert sorted(kept) == ["key_mismatch", "source_unknown", "unit_unknown"]
    prove()


def test_an_empty_batch_is_no_work(federation: Federation, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    before = rows()
    assert usage.ingest(federation.client, [], on_reuse="replay") == []
    assert rows() == before


def test_a_report_that_costs_nothing_is_booked_without_postings(federation: Federation) -> None:
    pk = booked(federation, lines=())
    assert Transaction.objects.get(pk=pk).postings.count() == 0
    assert Job.objects.get().reports.count() == 1
    free = UsageLine("tiles", Decimal(3), "count", "3")
    outcome = book(federation, "k-2", lines=(free,))
    assert msgspec.json.decode(outcome.answer)[0]["cost"] == 0
    assert posted(federation.alice.personal_organisation) == 0
    prove()


class TestJobs:
    """U4: a job and its executions are sums over reports."""

    def test_cost_is_kept_apart_for_compute_and_added_value(self, federation: Federation) -> None:
        book(federation)
        area = UsageLine("processing", Decimal(2), "credits", "2")
        book(federation, "k-2", endpoint="addedvalue", service="ndvi", lines=(area,))
        book(federation, "k-3", execution_id="application_2")
        job = Job.objects.get()
        assert (job.cost_compute, job.cost_added_value) == (2 * GOLDEN, micros(2))
        costs = dict(Execution.objects.values_list("execution_id", "cost"))
        assert costs == {"application_1": GOLDEN + micros(2), "application_2": GOLDEN}
        prove()

    def test_the_newest_state_stands_and_times_span_all_reports(self, federation: Federation) -> None:
        day = datetime(2026, 3, 1, tzinfo=UTC)
        book(federation, state="RUNNING", job_title="First", started_at=day, finished_at=day + timedelta(hours=2))
        book(federation, "k-2", state="FINISHED", started_at=day + timedelta(hours=1), finished_at=None)
        book(federation, "k-3", state="", finished_at=day + timedelta(hours=1))
        job = Job.objects.get()
        assert (job.state, job.title) == ("FINISHED", "First")
        assert (job.started_at, job.finished_at) == (day, day + timedelta(hours=2))
        assert Execution.objects.get().state == "FINISHED"

    def test_reports_of_one_batch_are_summed_like_those_of_many(self, federation: Federation) -> None:
        reports = [federation.report(f"k-{n}", state=state) for n, state in enumerate(["RUNNING", "FINISHED", ""])]
        usage.ingest(federation.client, reports, on_reuse="replay")
        job = Job.objects.get()
        assert (job.cost_compute, job.state) == (3 * GOLDEN, "FINISHED")
        assert Execution.objects.get().cost == 3 * GOLDEN
        prove()

    def test_one_job_paid_by_two_is_seen_by_each(self, federation: Federation) -> None:
        book(federation)
        book(federation, "k-2", organisation=federation.lab)
        assert set(Job.objects.values_list("organisation_id", "cost_compute")) == {
            (federation.alice.personal_organisation, GOLDEN),
            (federation.lab, GOLDEN),
        }

    def test_a_title_and_a_synchronous_kind_are_kept(self, federation: Federation) -> None:
        book(federation, kind="sync", job_title="First")
        book(federation, "k-2", kind="sync", job_title="Renamed", execution_id=None)
        job = Job.objects.get()
        assert (job.title, job.kind) == ("Renamed", "sync")
        assert set(Execution.objects.values_list("execution_id", flat=True)) == {"application_1", ""}


class TestHowManyQueries:
    """Two round trips book a report and one replays it; a batch needs no more (design, Money 4)."""

    def test_a_report(self, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        book(federation)  # reads the tariff, which is remembered
        with django_assert_num_queries(2):
            book(federation, "k-2")

    def test_a_replay(self, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        book(federation)
        with django_assert_num_queries(1):
            ingest(federation.client, federation.report())

    def test_a_batch(self, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        book(federation)
        reports = [federation.report(f"b-{n}", job_id=f"j-{n}") for n in range(50)]
        with django_assert_num_queries(2):
            usage.ingest(federation.client, reports, on_reuse="replay")


def test_an_error_of_the_domain_says_what_to_do(federation: Federation) -> None:
    outcome = ingest(federation.client, federation.report(source="nowhere"))
    assert isinstance(outcome.error, DomainError)
    assert (outcome.error.status, outcome.error.field) == (422, "source")
    assert "'nowhere'" in str(outcome.error)
    assert outcome.answer == ""
    assert SOURCE not in str(outcome.error)
