"""Receipts: what a charge says about itself, also after it was repaid or given back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounting import ledger, receipts, registry, tariffs
from accounting.models import Job, RatingRule
from accounting.rating import UsageLine
from accounting.receipts import Receipt
from accounting.tariffs import RuleSpec
from tests.accounting import books
from tests.conftest import ISSUER, Federation


def receipt_of(transaction: int) -> Receipt:
    job = Job.objects.get(reports__pk=transaction)
    (receipt,) = [one for one in receipts.of_job(job.pk) if one.transaction == transaction]
    return receipt


def test_says_what_was_reported_and_how_it_became_the_amount(federation: Federation) -> None:
    finished = datetime(2026, 3, 1, 10, tzinfo=UTC)
    receipt = receipt_of(books.booked(federation, finished_at=finished, started_at=finished - timedelta(hours=1)))
    cpu, memory = receipt.lines
    assert (cpu.reported, cpu.unit, cpu.numerator, cpu.denominator, cpu.canonical_unit) == (
        "5099",
        "cpu-seconds",
        1,
        3600,
        "cpu-hour",
    )
    assert (memory.numerator, memory.denominator) == (1, 3_686_400)
    assert cpu.quantity == Decimal("1.416388888889")
    assert (cpu.formula, cpu.amount, memory.amount) == ("q * 1.5", 2_124_583, 3_635_192)
    rule = RatingRule.objects.get(tariff__source__source_id="TerraScope/MEP", metric="cpu")
    assert cpu.rule == receipts.RuleView(rule.pk, "CPU", "per_unit", Decimal("1.5"), {})
    assert cpu.payee == receipts.Payee("provider", "VITO")
    assert receipt.tariff is not None
    assert (receipt.tariff.name, receipt.tariff.version, receipt.tariff.ends_at) == ("CDSE-like rates", 1, None)
    assert (receipt.rated_at, receipt.cost) == (finished, books.GOLDEN)
    assert receipt.facts == {"state": "FINISHED", "kind": "batch", "plan": "free", "organisation_class": "personal"}
    assert (receipt.reported_by, receipt.endpoint, receipt.execution_id) == (
        "job-tracker",
        "resources",
        "application_1",
    )
    (posting,) = receipt.postings
    assert (posting.purpose, posting.amount) == ("usage", books.GOLDEN)
    assert posting.source == f"wallet:{federation.alice.personal_organisation}"
    assert posting.destination == f"provider_payable:{federation.provider}"


def test_without_a_finish_was_rated_when_it_was_booked(federation: Federation) -> None:
    receipt = receipt_of(books.booked(federation))
    assert timedelta(0) <= receipt.booked_at - receipt.rated_at < timedelta(minutes=1)


class TestWhoPaid:
    def test_names_the_grants_in_the_order_in_which_they_burnt(self, federation: Federation) -> None:
        home = federation.alice.personal_organisation
        first = federation.grant(home, 3_000_000, "trial", kind="trial", label="Welcome", fund="esa")
        second = federation.grant(home, 10_000_000, "paid", kind="paid")
        cpu, memory = receipt_of(books.booked(federation)).lines
        assert cpu.grants == (receipts.GrantUse(first, "trial", "Welcome", "esa", 2_124_583),)
        assert [(use.grant, use.amount) for use in memory.grants] == [(first, 875_417), (second, 2_759_775)]
        assert (cpu.uncovered, memory.uncovered, memory.repaid, memory.outstanding) == (0, 0, (), 0)

    def test_says_what_nothing_covered_and_who_repaid_it(self, federation: Federation) -> None:
        home = federation.alice.personal_organisation
        federation.grant(home, 3_000_000, "small")
        transaction = books.booked(federation)
        assert [(line.uncovered, line.outstanding) for line in receipt_of(transaction).lines] == [
            (0, 0),
            (2_759_775, 2_759_775),
        ]
        later = federation.grant(home, 1_000_000, "later", label="Later")
        memory = receipt_of(transaction).lines[1]
        (repaid,) = memory.repaid
        assert (repaid.grant, repaid.label, repaid.amount) == (later, "Later", 1_000_000)
        assert repaid.transaction > transaction
        assert repaid.at > receipt_of(transaction).booked_at
        assert (memory.uncovered, memory.outstanding) == (2_759_775, 1_759_775)
        assert sum(use.amount for use in memory.grants) + memory.uncovered == memory.amount

    def test_of_a_charge_given_back_keeps_what_happened_and_owes_nothing(self, federation: Federation) -> None:
        federation.grant(federation.alice.personal_organisation, 3_000_000, "small")
        transaction = books.booked(federation)
        reversal = ledger.reverse(transaction, "provider_outage", "the disk was full")
        receipt = receipt_of(transaction)
        assert receipt.reversal is not None
        assert (receipt.reversal.transaction, receipt.reversal.reason) == (reversal, "provider_outage")
        assert receipt.cost == books.GOLDEN
        cpu, memory = receipt.lines
        assert [use.amount for use in (*cpu.grants, *memory.grants)] == [2_124_583, 875_417]
        assert (memory.uncovered, memory.outstanding, memory.repaid) == (2_759_775, 0, ())

    def test_says_that_another_reports_reversal_repaid_it(self, federation: Federation) -> None:
        """The grant that the first report gives back pays the debt of the second."""
        federation.grant(federation.alice.personal_organisation, 5_759_775, "g")
        first = books.booked(federation)
        second = books.booked(federation, "k-2", execution_id="application_2")
        reversal = ledger.reverse(first, "goodwill")
        lines = receipt_of(second).lines
        assert [[(paid.transaction, paid.amount) for paid in line.repaid] for line in lines] == [
            [(reversal, 2_124_583)],
            [(reversal, 3_635_192)],
        ]
        assert [line.outstanding for line in lines] == [0, 0]


class TestOtherPayees:
    @pytest.fixture
    def shared(self, federation: Federation) -> Federation:
        registry.register_source("market", federation.backend, ISSUER)
        registry.register_client(ISSUER, "job-tracker", "job-tracker", ["market"])
        rules = (
            RuleSpec("CPU", "cpu", "cpu-hour", Decimal("1.5"), fee=Decimal("0.1")),
            RuleSpec("UDP", "area", "km2", Decimal(2), fee=Decimal("0.25"), beneficiary="publisher:vito"),
            RuleSpec("Surcharge", "surcharge", "credit", Decimal(10), model="percentage", beneficiary="platform"),
        )
        tariffs.publish("market", "Market", rules, starts_at=datetime.now(UTC) - timedelta(days=1))
        return federation

    def test_are_named_with_what_they_leave_to_the_platform(self, shared: Federation) -> None:
        lines = (
            UsageLine("cpu", Decimal(1), "cpu-hours", "1"),
            UsageLine("area", Decimal(3), "km2", "3", process="ndvi"),
            UsageLine("other", Decimal(3), "count", "3"),
        )
        receipt = receipt_of(books.booked(shared, source="market", lines=lines))
        assert [(line.payee.kind, line.payee.name, line.amount, line.platform_fee) for line in receipt.lines] == [
            ("provider", "VITO", 1_500_000, 150_000),
            ("publisher", "vito", 6_000_000, 1_500_000),
            ("provider", "VITO", 0, 0),
            ("platform", "openEO credits", 750_000, 0),
        ]
        assert receipt.lines[2].rule is None
        assert (receipt.lines[2].formula, receipt.lines[2].posting) == ("no rule prices this: free", None)
        assert [(one.purpose, one.destination, one.amount) for one in receipt.postings] == [
            ("usage", f"provider_payable:{shared.provider}", 1_500_000),
            ("usage", "publisher_payable:vito", 6_000_000),
            ("usage", "platform_fee", 750_000),
            ("platform_fee", "platform_fee", 150_000),
            ("platform_fee", "platform_fee", 1_500_000),
        ]


def test_as_a_dictionary_is_ready_for_json(federation: Federation) -> None:
    plain = receipt_of(books.booked(federation)).as_dict()
    line: dict[str, Any] = plain["lines"][0]
    assert (plain["cost"], line["amount"], line["platform_fee"], line["quantity"]) == (
        "5.759775",
        "2.124583",
        "0",
        "1.416388888889",
    )
    assert line["rule"]["price"] == "1.5"
    assert plain["booked_at"].endswith("Z")
    assert len(plain["id"]) == 36


def test_of_many_jobs_take_as_many_statements_as_of_one(federation: Federation, django_assert_num_queries: Any) -> None:
    for number in range(5):
        books.booked(federation, f"k-{number}", job_id=f"j-{number}", execution_id=f"e-{number}")
    jobs = list(Job.objects.values_list("pk", flat=True))
    with django_assert_num_queries(4):
        assert {job: len(found) for job, found in receipts.of_jobs(jobs).items()} == dict.fromkeys(jobs, 1)


def test_of_no_job_are_none(db: None) -> None:
    assert receipts.of_jobs([]) == {}
