"""Q1: a quote is computed by the code that bills, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounting import organisations, queries, quotes, receipts, registry, tariffs, usage
from accounting.errors import DomainError, SourceUnknown, TariffMissing, TimesImpossible
from accounting.models import Person
from accounting.rating import UsageLine
from accounting.reports import USAGE_REPORTS, UsageReport
from accounting.tariffs import RuleSpec
from tests.accounting.books import GOLDEN, ingest, micros, prove, rows
from tests.conftest import ISSUER, RATES, SOURCE, Federation

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = (UsageLine("cpu", Decimal(1), "cpu-hours", "1"),)
EQUAL = ("organisation", "organisation_refused", "tariff", "lines", "amount")
"""Of a booking: all but its number and its instant."""


def v1(federation: Federation, key: str | None = "k-1", **changes: Any) -> UsageReport:
    return federation.report(key, endpoint=USAGE_REPORTS, **changes)


def quoted(federation: Federation, report: UsageReport) -> usage.Outcome:
    (outcome,) = usage.quote(federation.client, [report])
    return outcome


def price_by_who(federation: Federation) -> None:
    """A card that looks at everything that depends on the payer and the job."""
    rules = [
        RuleSpec("CPU", "cpu", "cpu-hour", Decimal("1.5")),
        RuleSpec("Early", "cpu", "cpu-hour", Decimal("0.5"), when={"plan": ["early-adopter"]}),
        RuleSpec("Lab", "cpu", "cpu-hour", Decimal("0.7"), when={"organisation_class": ["research"]}),
        RuleSpec("Failed", "cpu", "cpu-hour", Decimal(0), when={"state": ["FAILED"]}),
        RuleSpec("Newcomer", "memory", "gb-hour", Decimal(3), when={"plan": ["free"], "kind": ["sync"]}),
        RuleSpec("Handling", "surcharge", "credit", Decimal(10), model="percentage", fee=Decimal("0.2")),
    ]
    tariffs.publish(SOURCE, "By who", rules, starts_at=datetime.now(UTC) + timedelta(days=15))


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "for the organisation": {"organisation": "lab"},
    "for an organisation of others": {"organisation": 10**6},
    "by somebody new": {"user": "dora@egi.eu", "kind": "sync"},
    "by somebody new for an organisation": {"user": "dora@egi.eu", "organisation": "lab"},
    "failed": {"state": "FAILED"},
    "nothing measured": {"lines": ()},
    "free": {"lines": (UsageLine("area", Decimal(3), "km2", "3"),)},
    "an unknown source": {"source": "nowhere"},
    "a source of others": {"source": "cdse"},
    "an unknown issuer": {"user_issuer": "https://elsewhere.example.org"},
    "an unknown unit": {"lines": (UsageLine("cpu", Decimal(1), "parsec", "1"),)},
    "too large": {"lines": (UsageLine("cpu", Decimal(10) ** 17, "cpu-hours", "1"),)},
    "too dear": {"lines": (UsageLine("cpu", Decimal(10) ** 13, "cpu-hours", "1"),)},
    "before any tariff": {"finished_at": datetime(2016, 1, 1, tzinfo=UTC)},
    "in the future": {"finished_at": datetime(2099, 1, 1, tzinfo=UTC)},
    "before openEO": {"started_at": datetime(1970, 1, 1, tzinfo=UTC)},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_q1_it_foretells_what_a_report_becomes(
    federation: Federation, database_clock: Callable[[datetime | None], None], changes: dict[str, Any]
) -> None:
    organisations.set_plan(federation.alice.pk, "early-adopter")
    price_by_who(federation)
    database_clock(datetime.now(UTC) + timedelta(days=16))
    changes = {name: federation.lab if value == "lab" else value for name, value in changes.items()}
    report = v1(federation, **changes)
    before = rows()

    said = quoted(federation, report)

    assert rows() == before
    became = ingest(federation.client, report, on_reuse="refuse")
    assert said.status == became.status
    assert (said.error and (type(said.error), said.error.field, said.error.detail)) == (
        became.error and (type(became.error), became.error.field, became.error.detail)
    )
    if became.booking:
        assert said.booking is not None
        for name in EQUAL:
            if name == "organisation" and changes.get("user"):  # the newcomer's own has no number before there is one
                assert said.booking.organisation is None
            else:
                assert getattr(said.booking, name) == getattr(became.booking, name), name
    prove()


def test_q1_the_database_refuses_to_write_for_a_quote(federation: Federation) -> None:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        quoted(federation, v1(federation, user="dora@egi.eu"))
    said = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]

    assert said[0] == "SET TRANSACTION READ ONLY"
    assert not any(word in sql for sql in said for word in ("INSERT", "UPDATE", "usage_book", "nextval"))
    assert not Person.objects.filter(sub="dora@egi.eu").exists()
    organisations.ensure_person(ISSUER, "dora@egi.eu")  # afterwards it is as before


class TestKeys:
    """Of a dry run: looked up, never used."""

    def test_a_key_stays_free(self, federation: Federation) -> None:
        for _ in range(2):
            assert quoted(federation, v1(federation)).status == "booked"
        assert ingest(federation.client, v1(federation)).status == "booked"

    def test_one_that_is_taken_answers_as_it_would(self, federation: Federation) -> None:
        first = ingest(federation.client, v1(federation))
        again, other = usage.quote(federation.client, [v1(federation), v1(federation, job_id="j-2")])
        assert (again.status, again.transaction) == ("replayed", first.transaction)
        assert again.answer.replace(',"dry_run":true', "") == first.answer
        assert other.error is not None
        assert (other.status, other.error.code) == ("refused", "idempotency-key-reused")

    def test_one_that_comes_twice_in_a_call_answers_as_it_would(self, federation: Federation) -> None:
        batch = [v1(federation), v1(federation), v1(federation, job_id="j-2"), v1(federation, None, execution_id=None)]
        said = usage.quote(federation.client, batch)
        became = usage.ingest(federation.client, batch, on_reuse="refuse")
        assert [one.status for one in said] == [one.status for one in became]
        assert [one.status for one in said] == ["booked", "replayed", "refused", "booked"]

    def test_an_execution_that_comes_twice_in_a_call_is_found(self, federation: Federation) -> None:
        """Of one person: two newcomers may have the same."""
        users = (federation.alice.sub, federation.alice.sub, "dora@egi.eu", "emil@egi.eu")
        keyed = [v1(federation, f"k-{n}", user=user) for n, user in enumerate(users)]
        keyless = [v1(federation, None, user=user) for user in users]
        for batch in (keyed, keyless):
            said = usage.quote(federation.client, batch)
            assert [one.status for one in said] == ["booked", "refused", "booked", "booked"]
        became = usage.ingest(federation.client, keyed, on_reuse="refuse")
        assert [one.status for one in became] == ["booked", "refused", "booked", "booked"]

    def test_an_execution_that_was_reported_is_found(self, federation: Federation) -> None:
        ingest(federation.client, v1(federation))
        said = usage.quote(federation.client, [v1(federation, "k-2"), v1(federation, None)])
        assert [one.error and one.error.code for one in said] == ["duplicate-execution"] * 2


class TestExplanation:
    def test_it_is_that_of_the_receipt(self, federation: Federation) -> None:
        report = v1(federation, organisation=federation.lab)
        quote = quotes.quote(federation.client, report)
        ingest(federation.client, report)
        (job,) = queries.find_job(SOURCE, "j-1")
        (receipt,) = receipts.of_job(job.pk)

        assert quote.cost == receipt.cost == GOLDEN
        assert quote.tariff == receipt.tariff
        assert quote.facts == receipt.facts
        assert quote.organisation == receipt.organisation == federation.lab
        names = receipts.ChargeView.__dataclass_fields__
        for said, booked in zip(quote.lines, receipt.lines, strict=True):
            for name in names.keys() - {"quantity"}:
                assert getattr(said, name) == getattr(booked, name), name
            assert receipts.plain(said)["quantity"] == receipts.plain(booked)["quantity"]

    def test_fees_and_surcharges_are_in_it(
        self, federation: Federation, database_clock: Callable[[datetime | None], None]
    ) -> None:
        price_by_who(federation)
        later = datetime.now(UTC) + timedelta(days=20)
        quote = quotes.quote(federation.client, v1(federation, lines=HOUR, finished_at=later))
        assert [(line.metric, line.amount, line.platform_fee) for line in quote.lines] == [
            ("cpu", micros(1.5), 0),
            ("surcharge", micros(0.15), micros(0.03)),
        ]
        assert quote.lines[1].rule is not None
        assert (quote.lines[1].rule.name, quote.lines[1].payee) == ("Handling", receipts.Payee("provider", "VITO"))


class TestTime:
    """The tariff of the instant at which the work would finish, also of one to come (U1)."""

    @pytest.fixture
    def change(self, federation: Federation, database_clock: Callable[[datetime | None], None]) -> datetime:
        database_clock(NOW)
        change = NOW + timedelta(days=20)
        assert quotes.quote(federation.client, v1(federation)).valid_until is None
        tariffs.publish(SOURCE, "Dearer", [RuleSpec("CPU", "cpu", "cpu-hour", Decimal(2))], starts_at=change)
        return change

    def test_a_published_change_ends_a_quote(self, federation: Federation, change: datetime) -> None:
        for at in (None, NOW, change - timedelta(microseconds=1)):
            quote = quotes.quote(federation.client, v1(federation, lines=HOUR, finished_at=at))
            assert (quote.cost, quote.valid_until, quote.rated_at) == (micros(1.5), change, at or NOW)

    def test_work_that_finishes_after_it_is_quoted_by_it(self, federation: Federation, change: datetime) -> None:
        quote = quotes.quote(federation.client, v1(federation, lines=HOUR, finished_at=change))
        assert (quote.cost, quote.valid_until) == (micros(2), None)
        assert quote.tariff is not None
        assert (quote.tariff.name, quote.tariff.version) == ("Dearer", 2)

    def test_before_openeo_and_before_any_tariff_there_is_none(self, federation: Federation) -> None:
        with pytest.raises(TimesImpossible):
            quotes.quote(federation.client, v1(federation, finished_at=datetime(2014, 12, 31, tzinfo=UTC)))
        with pytest.raises(TariffMissing):
            quotes.quote(federation.client, v1(federation, finished_at=datetime(2015, 1, 1, tzinfo=UTC)))


class TestWho:
    def test_a_person_may_ask_about_any_source(self, federation: Federation, settings: Any) -> None:
        settings.TOKEN_ISSUERS = [{"id": "egi", "issuer": ISSUER}]
        for source in (SOURCE, "cdse"):
            report = v1(federation, source=source, user_issuer=federation.alice.issuer)
            assert quotes.quote(None, report).organisation == federation.alice.personal_organisation
        with pytest.raises(SourceUnknown):
            quotes.quote(None, v1(federation, source="nowhere"))

    def test_a_back_end_only_about_its_own(self, federation: Federation) -> None:
        with pytest.raises(DomainError) as refused:
            quotes.quote(federation.other_client, v1(federation))
        assert refused.value.code == "source_not_allowed"

    def test_the_payer_decides_what_rules_see(self, federation: Federation) -> None:
        source = "openeo-lab"
        registry.register_source(source, federation.backend, ISSUER)
        rules = [*RATES, RuleSpec("Research", "cpu", "cpu-hour", Decimal(1), when={"organisation_class": ["research"]})]
        tariffs.publish(source, "Lab rates", rules, starts_at=datetime.now(UTC) - timedelta(days=1))
        club = organisations.create_organisation("Club", federation.alice.pk, category="research")
        costs = [
            quotes.quote(None, v1(federation, source=source, lines=HOUR, organisation=payer)).cost
            for payer in (None, club, federation.lab + 10**6)
        ]
        assert costs == [micros(1.5), micros(1), micros(1.5)]
