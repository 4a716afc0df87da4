"""Which tariff prices a report, what its rules may look at, and who is paid (invariants U1, T1; Money 8 to 10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from accounting import organisations, registry, tariffs
from accounting.models import Posting, RatingRule, UsageLine, UsageReport
from accounting.rating import SURCHARGE
from accounting.tariffs import RuleSpec
from accounting.usage import UsageLine as Measured
from tests.accounting.books import account, book, booked, ingest, micros, paid_by, posted, prove
from tests.conftest import Federation

MICRO = timedelta(microseconds=1)
HOUR = (Measured("cpu", Decimal(1), "cpu-hours", "1"),)
NEW = "Priced/Here"


def price(federation: Federation, *rules: RuleSpec, starts_at: datetime | None = None, **period: Any) -> int:
    """A tariff of those rules for a source of its own, reported by the usual client."""
    registry.register_source(NEW, federation.backend, federation.client.issuer)
    registry.register_client(federation.client.issuer, federation.client.client_id, "tracker", [NEW])
    starts_at = starts_at or datetime(2026, 1, 1, tzinfo=UTC)
    return tariffs.publish(NEW, "test", rules, starts_at=starts_at, **period)


def cpu(amount: str, **terms: Any) -> RuleSpec:
    return RuleSpec("CPU", "cpu", "cpu-hour", Decimal(amount), **terms)


def charged(federation: Federation, key: str, **changes: Any) -> int:
    """What the report is charged, in micro-credits."""
    pk = booked(federation, key, **({"source": NEW, "lines": HOUR} | changes))
    return int(UsageReport.objects.get(pk=pk).amount)


class TestTheTariffInForceWhenTheWorkFinished:
    START = datetime(2026, 3, 1, tzinfo=UTC)
    CHANGE = datetime(2026, 4, 1, tzinfo=UTC)
    END = datetime(2026, 5, 1, tzinfo=UTC)

    @pytest.fixture
    def periods(self, federation: Federation) -> Federation:
        price(federation, cpu("1"), starts_at=self.START, ends_at=self.CHANGE)
        tariffs.publish(NEW, "cheaper", [cpu("0.5")], starts_at=self.CHANGE, ends_at=self.END)
        return federation

    def test_prices_it_at_the_exact_boundaries(self, periods: Federation) -> None:
        """[starts_at, ends_at), to the microsecond."""
        instants = [self.START, self.CHANGE - MICRO, self.CHANGE, self.END - MICRO]
        amounts = [charged(periods, f"k-{n}", finished_at=at, job_id=f"j-{n}") for n, at in enumerate(instants)]
        assert amounts == [micros(1), micros(1), micros(0.5), micros(0.5)]

    @pytest.mark.parametrize("at", [START - MICRO, END])
    def test_does_not_reach_beyond_its_period(self, periods: Federation, at: datetime) -> None:
        outcome = ingest(periods.client, periods.report(source=NEW, finished_at=at))
        assert outcome.error is not None
        assert (outcome.status, outcome.error.code, outcome.error.field) == ("quarantined", "tariff_missing", "source")
        assert at.isoformat() in outcome.error.detail

    def test_is_not_needed_by_a_report_without_metrics(self, periods: Federation) -> None:
        assert charged(periods, "k-1", lines=(), finished_at=self.END) == 0

    def test_is_that_of_now_when_the_report_does_not_say_when_it_finished(self, federation: Federation) -> None:
        now = datetime.now(UTC)
        price(federation, cpu("1"), starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
        tariffs.publish(NEW, "now", [cpu("0.5")], starts_at=now - timedelta(days=1))
        assert charged(federation, "k-1") == micros(0.5)

    def test_is_kept_with_the_report_and_each_line(self, federation: Federation) -> None:
        tariff = price(federation, cpu("1"), RuleSpec("Memory", "memory", "gb-hour", Decimal(1)))
        pk = booked(federation, source=NEW)
        assert UsageReport.objects.get(pk=pk).tariff_id == tariff
        rules = dict(RatingRule.objects.filter(tariff_id=tariff).values_list("metric", "pk"))
        assert dict(UsageLine.objects.filter(report_id=pk).values_list("metric", "rule_id")) == rules


class TestRulesMayLookAt:
    @pytest.fixture
    def card(self, federation: Federation) -> Federation:
        price(
            federation,
            cpu("10"),
            cpu("10", factor=Decimal(0), when={"state": ["FAILED", "KILLED"]}),
            cpu("9", when={"kind": ["sync"]}),
            cpu("8", when={"plan": ["partner"]}),
            cpu("7", when={"organisation_class": ["academic"]}),
            cpu("6", when={"organisation_class": ["personal"], "process": ["ndvi"]}),
            cpu("5", when={"collection": ["SENTINEL2"], "state": ["FINISHED"], "kind": ["batch"]}),
        )
        return federation

    def test_the_state_so_that_a_failed_job_is_free(self, card: Federation) -> None:
        assert charged(card, "k-1") == micros(10)
        assert charged(card, "k-2", state="FAILED") == 0

    def test_the_kind(self, card: Federation) -> None:
        assert charged(card, "k-1", kind="sync") == micros(9)

    def test_the_plan_of_the_person(self, card: Federation) -> None:
        organisations.set_plan(card.alice.pk, "partner")
        assert charged(card, "k-1") == micros(8)

    def test_the_class_of_the_organisation_that_pays(self, card: Federation) -> None:
        academy = organisations.create_organisation("Academy", card.alice.pk, category="academic")
        assert charged(card, "k-1", organisation=academy) == micros(7)
        assert charged(card, "k-2", organisation=card.lab) == micros(10)

    def test_the_process_and_the_collection_of_a_line(self, card: Federation) -> None:
        ndvi = (Measured("cpu", Decimal(1), "cpu-hours", "1", process="ndvi"),)
        assert charged(card, "k-1", lines=ndvi) == micros(6)
        sentinel = (Measured("cpu", Decimal(1), "cpu-hours", "1", collection="SENTINEL2"),)
        assert charged(card, "k-2", lines=sentinel) == micros(5)


class TestWhoIsPaid:
    def test_the_platforms_fee_is_taken_from_the_provider_never_from_the_payer(self, federation: Federation) -> None:
        price(federation, cpu("10", fee=Decimal("0.125")))
        assert charged(federation, "k-1") == micros(10)
        assert posted(federation.alice.personal_organisation) == -micros(10)
        assert account("provider_payable", provider=federation.provider) == micros(8.75)
        assert account("platform_fee") == micros(1.25)
        prove()

    def test_fees_of_several_lines_are_one_posting(self, federation: Federation) -> None:
        fee = Decimal("0.1")
        price(federation, cpu("1", fee=fee), RuleSpec("Memory", "memory", "gb-hour", Decimal(1), fee=fee))
        pk = booked(federation, source=NEW)
        postings = Posting.objects.filter(transaction_id=pk).order_by("number").values_list("purpose", "amount")
        # 1.416389 and 3.635192 credits, a tenth of each to the micro-credit
        assert list(postings) == [("usage", 5_051_581), ("platform_fee", 141_639 + 363_519)]

    def test_a_fee_too_small_for_a_micro_credit_is_no_posting(self, federation: Federation) -> None:
        price(federation, cpu("0.000001", fee=Decimal("0.1")))
        pk = booked(federation, source=NEW, lines=HOUR)
        assert Posting.objects.filter(transaction_id=pk).count() == 1

    def test_a_publisher_is_owed_the_lines_that_name_it(self, federation: Federation) -> None:
        """Money 8: one report, n payees."""
        price(
            federation,
            cpu("10"),
            RuleSpec(
                "NDVI", "area", "km2", Decimal(2), fee=Decimal("0.25"), beneficiary="publisher:veggies",
                when={"process": ["ndvi"]},
            ),
        )  # fmt: skip
        area = Measured("area", Decimal(3), "km2", "3", process="ndvi")
        outcome = book(federation, source=NEW, lines=(*HOUR, area))
        assert posted(federation.alice.personal_organisation) == -micros(16)
        assert account("provider_payable", provider=federation.provider) == micros(10)
        assert account("publisher_payable", owner="veggies") == micros(4.5)
        assert account("platform_fee") == micros(1.5)
        assert UsageLine.objects.get(report_id=outcome.transaction, metric="area").posting == 2
        prove()

    def test_what_the_platform_earns_itself_bears_no_fee(self, federation: Federation) -> None:
        price(
            federation,
            cpu("10"),
            RuleSpec("Overhead", SURCHARGE, "credit", Decimal(5), "percentage", fee=Decimal(1), beneficiary="platform"),
        )
        assert charged(federation, "k-1") == micros(10.5)
        assert account("platform_fee") == micros(0.5)
        prove()

    def test_each_line_names_the_grants_that_paid_it_in_the_order_they_burnt(self, federation: Federation) -> None:
        """G1 and G3: provenance a line, not a report."""
        price(federation, cpu("10"), RuleSpec("Memory", "memory", "gb-hour", Decimal(1)))
        organisation = federation.alice.personal_organisation
        paid = federation.grant(organisation, micros(3), "paid", kind="paid")
        free = federation.grant(organisation, micros(9), "free")
        memory = Measured("memory", Decimal(4), "gb-hours", "4")
        pk = booked(federation, source=NEW, lines=(*HOUR, memory))
        assert paid_by(pk) == [(free, micros(9)), (paid, micros(1)), (paid, micros(2)), (None, micros(2))]
        spends = UsageReport.objects.get(pk=pk).transaction.spends.order_by("pk")
        assert list(spends.values_list("line", "posting")) == [(1, 1), (1, 1), (2, 1), (2, 1)]
        prove()

    def test_the_answer_prices_each_line(self, federation: Federation) -> None:
        price(federation, cpu("10"))
        answer = msgspec.json.decode(book(federation, source=NEW, lines=HOUR).answer)
        assert [(line["type"], line["cost"]) for line in answer] == [("cpu", 10)]
