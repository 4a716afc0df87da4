"""The pages about rates: what they show, what the calculator computes, and what they make of nonsense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounting import organisations, registry, tariffs, usage
from accounting.models import Source
from accounting.rating import UsageLine
from accounting.reports import USAGE_REPORTS, UsageReport
from accounting.tariffs import RuleSpec
from portal.contexts import calculator
from portal.forms.rates import CalculatorForm
from tests.conftest import ISSUER, SOURCE, Federation
from tests.portal.reader import sign_in, text_of

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
RICH = (
    RuleSpec("CPU", "cpu", "cpu-hour", model="graduated", tiers=((Decimal(2), Decimal("1.6")), (None, Decimal("0.8")))),
    RuleSpec("Memory", "memory", "gb-hour", Decimal("0.9"), free=Decimal(2), fee=Decimal("0.05")),
    RuleSpec("CPU of a failed job", "cpu", "cpu-hour", Decimal(1), factor=Decimal("0.5"), when={"state": ["FAILED"]}),
    RuleSpec("Request", "cpu", "cpu-hour", Decimal(4), model="flat", when={"kind": ["sync"]}),
    RuleSpec("Crops", "area", "km2", Decimal("0.02"), maximum=Decimal(40), when={"process": ["crop_map"]},
             beneficiary="publisher:atlas"),
    RuleSpec("Members", "processing", "shpu", Decimal("0.1"), when={"plan": ["member"]}),
    RuleSpec("Storage", "surcharge", "credit", Decimal("2.5"), model="percentage"),
)  # fmt: skip


@pytest.fixture
def rich(federation: Federation) -> str:
    """A third back end whose card has every kind of rule."""
    backend = registry.register_backend("rich", "Rich openEO", federation.provider)
    registry.register_source("rich", backend, ISSUER)
    tariffs.publish("rich", "Rich rates", RICH, starts_at=NOW - 200 * DAY, note="Everything at once")
    return "rich"


@pytest.fixture
def announced(rich: str) -> int:
    dearer = [RuleSpec("CPU", "cpu", "cpu-hour", Decimal("1.8")), *_others()]
    return tariffs.publish(SOURCE, "Next rates", dearer, starts_at=NOW + 20 * DAY, note="Power is dearer")


def _others() -> list[RuleSpec]:
    return [
        RuleSpec("Memory", "memory", "gb-hour", Decimal(1)),
        RuleSpec("Sentinel Hub", "processing", "shpu", Decimal("0.15")),
        RuleSpec("Base fee", "processing", "credit", Decimal(1)),
    ]


class TestRates:
    def test_no_rates_yet(self, client: Client, db: None) -> None:
        assert "No rates yet" in text_of(client.get("/rates/"))

    def test_every_card_and_what_is_announced(self, client: Client, announced: int) -> None:
        text = text_of(client.get("/rates/"))
        assert "New rates of Terrascope" in text
        assert "Power is dearer" in text
        assert "1.5 per CPU-hour →, then 1.8 per CPU-hour +20 %" in text
        for backend in ("CDSE", "Rich openEO", "Terrascope"):
            assert backend in text
        assert "The first 2 GB-hours of each report are free. Paid to VITO; the platform keeps 5 % of it." in text
        assert "for the service crop_map" in text

    def test_side_by_side_by_the_rule_that_bills(self, client: Client, rich: str) -> None:
        body = client.get("/rates/").content.decode()
        table = body[body.index("side-by-side") : body.index("</table>")]
        assert 'value="1.5">1.5' in table
        assert "Not charged" in table  # Rich has no price for Sentinel Hub units of the plan of newcomers
        assert "CPU-hour of a failed job" in table
        assert 'value="0.5">0.5' in table
        assert "CPU-hour of a stopped job" not in table  # costs what it costs in general, everywhere

    def test_the_calculator_explains_an_example(self, client: Client, rich: str) -> None:
        text = text_of(client.get("/rates/"))
        assert "An example: change the figures." in text
        assert "10 × 1.5 = 15" in text
        assert "55 .000000" in text or "55.000000" in text.replace(" ", "")

    def test_a_part_is_only_what_was_computed(self, client: Client, rich: str) -> None:
        part = client.get("/rates/?cpu=3", headers={"HX-Request": "true"})
        assert part.status_code == 200
        assert "<html" not in part.content.decode()
        assert "3 × 1.5 = 4.5" in text_of(part)

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("cpu=x", "Enter a number"),
            ("cpu=-1", "greater than or equal to 0"),
            ("cpu=1e12", "less than or equal to"),
            ("cpu=0.0000001", "no more than 6 decimal places"),
            ("cpu=NaN", "Enter a number"),
            ("cpu=1&state=LOST", "LOST is not one of the available choices"),
            ("cpu=1&kind=x", "x is not one of the available choices"),
            ("cpu=1&at=yesterday", "Enter a valid date"),
            ("cpu=1&at=2014-12-31", "Choose a day from 2015"),
            ("cpu=1&at=9999-12-31", "Choose a day from 2015"),
            ("area=1&process=%00", "Null characters are not allowed"),
            (f"area=1&process={'x' * 256}", "at most 255 characters"),
        ],
    )
    def test_what_means_nothing_is_said_beside_its_field(
        self, client: Client, rich: str, query: str, said: str
    ) -> None:
        page = client.get(f"/rates/?{query}")
        assert page.status_code == 422
        assert said in text_of(page)
        assert 'aria-invalid="true"' in page.content.decode()
        part = client.get(f"/rates/?{query}", headers={"HX-Request": "true"})
        assert part.status_code == 422
        assert said in text_of(part)

    @pytest.mark.parametrize("query", ["cpu=%ff%fe", "process=%ed%a0%80&area=1", "cpu=" + "9" * 5000, "x=1", "at="])
    def test_nothing_breaks_it(self, client: Client, rich: str, query: str) -> None:
        assert client.get(f"/rates/?{query}").status_code in {200, 422}

    def test_a_day_without_rates_says_so(self, client: Client, rich: str) -> None:
        assert "No rates are published for that day." in text_of(client.get("/rates/?cpu=1&at=2016-01-01"))

    def test_a_day_ahead_has_the_rates_that_are_announced(self, client: Client, announced: int) -> None:
        day = (NOW + 21 * DAY).date()
        text = text_of(client.get(f"/rates/?cpu=10&at={day}"))
        assert "10 × 1.8 = 18" in text
        assert f"At the rates of {day}." in text

    def test_queries_do_not_grow_with_back_ends_or_versions(self, client: Client, rich: str, federation: Any) -> None:
        counts = []
        for number in range(3):
            with CaptureQueriesContext(connection) as queries:
                client.get(f"/rates/?cpu={number + 1}")
            counts.append(len(queries))
            backend = registry.register_backend(f"b{number}", f"B {number}", federation.provider)
            registry.register_source(f"s{number}", backend, ISSUER)
            tariffs.publish(f"s{number}", "Card", RICH, starts_at=NOW - DAY)
            tariffs.publish(f"s{number}", "Card", RICH, starts_at=NOW + 20 * DAY)
        assert counts[1] == counts[2]
        assert max(counts) <= 24

    def test_prices_of_a_plan_are_for_whoever_has_it(self, federation: Federation, rich: str) -> None:
        from accounting.models import Person

        alice = sign_in(federation.alice.sub)
        assert "Has no price for any of this" in text_of(alice.get("/rates/?shpu=10"))
        Person.objects.filter(pk=federation.alice.pk).update(plan="member")
        text = text_of(alice.get("/rates/?shpu=10"))
        assert "10 × 0.1 = 1" in text
        assert "on the plan “member”" in text


class TestCards:
    def test_in_force_announced_and_before(self, client: Client, announced: int) -> None:
        text = text_of(client.get("/rates/terrascope/"))
        assert "Next rates, version 2" in text
        assert "CDSE-like rates, version 1" in text
        assert "Announced from" in text
        assert "The first rate card." in text

    def test_a_version_has_an_address_for_ever(self, client: Client, announced: int) -> None:
        first = client.get("/rates/terrascope/1/")
        assert first.status_code == 200
        assert "This address always shows this version" in text_of(first)
        second = text_of(client.get(f"/rates/terrascope/2/?source={SOURCE}"))
        assert "What it changed" in second
        assert "+20 %" in second

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/rates/nowhere/", 404),
            ("/rates/nowhere/1/", 404),
            ("/rates/terrascope/9/", 404),
            ("/rates/terrascope/99999999999999999999/", 404),
            ("/rates/terrascope/1/?source=cdse", 404),
            ("/rates/terrascope/1/?source=%00", 400),
            ("/rates/terrascope/?before=x", 400),
            ("/rates/terrascope/?before=" + "9" * 40, 400),
            ("/rates/terrascope/?before=999999999", 200),
        ],
    )
    def test_what_is_not_there(self, client: Client, rich: str, path: str, status: int) -> None:
        assert client.get(path).status_code == status

    def test_of_two_sources_the_version_must_say_which(self, client: Client, federation: Federation) -> None:
        registry.register_source("Terra/Second", federation.backend, ISSUER)
        tariffs.publish("Terra/Second", "Second card", RICH, starts_at=NOW - DAY)
        assert client.get("/rates/terrascope/1/").status_code == 404
        assert "Second card" in text_of(client.get("/rates/terrascope/1/?source=Terra/Second"))
        text = text_of(client.get("/rates/terrascope/"))
        assert "Second card" in text
        assert "CDSE-like rates" in text

    def test_a_long_history_comes_in_parts(self, client: Client, federation: Federation) -> None:
        for days in range(1, 24):
            tariffs.publish(SOURCE, f"Card {days}", [], starts_at=NOW + days * DAY + 60 * DAY)
        page = client.get("/rates/terrascope/")
        assert "Card 23, version 24" in text_of(page)
        older = page.content.decode().partition('href="/rates/terrascope/?before=')[2].partition('"')[0]
        rest = text_of(client.get(f"/rates/terrascope/?before={older}"))
        assert "CDSE-like rates, version 1" in rest
        assert "Card 23" not in rest

    def test_queries_do_not_grow_with_versions(self, client: Client, federation: Federation) -> None:
        counts = []
        for days in (20, 30, 40):
            tariffs.publish(SOURCE, "Card", RICH, starts_at=NOW + days * DAY)
            with CaptureQueriesContext(connection) as queries:
                client.get("/rates/terrascope/")
            counts.append(len(queries))
        assert len(set(counts)) == 1
        assert counts[0] <= 7


quantities = st.one_of(st.just(Decimal(0)), st.decimals(Decimal("0.000001"), 3000, places=6))


class TestCalculator:
    @pytest.fixture
    def booked(self, rich: str, federation: Federation) -> Any:
        """Books what the form says as a real report of somebody new, and gives what was charged."""
        principal = federation.client
        registry.register_client(ISSUER, principal.client_id, "job-tracker", [SOURCE, rich])

        def book(data: dict[str, Any]) -> dict[str, int]:
            wanted = _wanted(data)
            charged = {}
            with transaction.atomic():
                for source in (SOURCE, rich):
                    report = UsageReport(
                        endpoint=USAGE_REPORTS, source=source, user="newcomer@egi.eu", job_id="j-1", raw="{}",
                        key=f"k-{source}", lines=_lines(data), kind=wanted["kind"], state=wanted["state"],
                    )  # fmt: skip
                    (outcome,) = usage.ingest(principal, [report], on_reuse="refuse")
                    assert outcome.booking is not None
                    charged[source] = outcome.booking.amount
                transaction.set_rollback(True)
            return charged

        return book

    @settings(
        max_examples=25, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip
    @given(
        st.fixed_dictionaries(
            dict.fromkeys(("cpu", "memory", "time", "shpu", "area"), quantities)
            | {
                "state": st.sampled_from(["FINISHED", "FAILED", "KILLED"]),
                "kind": st.sampled_from(["batch", "sync"]),
                "process": st.sampled_from(["", "crop_map", "other"]),
            }
        )
    )
    def test_its_total_is_what_a_report_of_the_same_is_charged(self, booked: Any, data: dict[str, Any]) -> None:
        found = calculator.calculate(_wanted(data), None, datetime.now(UTC))
        said = {offer.source: offer.cost for offer in found.offers}
        assert {source: said[source] for source in (SOURCE, "rich")} == booked(data)
        for offer in found.offers:
            assert sum(line.amount for line in offer.lines) == offer.cost

    def test_the_documented_example(self, federation: Federation) -> None:
        data = {"cpu": "1.416389", "memory": "3.635192", "state": "FINISHED", "kind": "batch"}
        found = calculator.calculate(_wanted(data), None, datetime.now(UTC))
        assert {offer.cost for offer in found.offers} == {2_124_584 + 3_635_192}

    def test_it_writes_nothing(self, client: Client, rich: str) -> None:
        with CaptureQueriesContext(connection) as queries:
            client.get("/rates/?cpu=1&memory=2")
        verbs = {query["sql"].split()[0] for query in queries.captured_queries}
        assert verbs <= {"SELECT", "SAVEPOINT", "RELEASE", "SET"}
        assert not organisations.find_person(ISSUER, "")

    def test_back_ends_that_price_nothing_of_it_are_not_the_cheapest(self, client: Client, federation: Any) -> None:
        backend = registry.register_backend("area", "Aardvark", federation.provider)
        registry.register_source("area", backend, ISSUER)
        tariffs.publish("area", "Area only", [RuleSpec("A", "area", "km2", Decimal(1))], starts_at=NOW - DAY)
        found = calculator.calculate(_wanted({"cpu": "1"}), None, datetime.now(UTC))
        assert [offer.prices for offer in found.offers] == [True, True, False]
        assert found.offers[-1].backend == "Aardvark"

    def test_a_source_without_rates_comes_last_with_the_reason(self, federation: Federation) -> None:
        registry.register_source("bare", federation.backend, ISSUER)
        found = calculator.calculate(_wanted({"cpu": "1"}), None, datetime.now(UTC))
        assert (found.offers[-1].source, found.offers[-1].problem) == ("bare", "No rates are published for that day.")
        assert Source.objects.count() == len(found.offers)


def _wanted(data: dict[str, Any]) -> dict[str, Any]:
    form = CalculatorForm({"state": "FINISHED", "kind": "batch"} | data)
    assert form.is_valid(), form.errors
    return form.cleaned_data


def _lines(data: dict[str, Any]) -> tuple[UsageLine, ...]:
    """As a back end reports it, in units of its own."""
    made = []
    for name, metric, unit, factor in (
        ("cpu", "cpu", "cpu-seconds", 3600),
        ("memory", "memory", "mb-seconds", 1024 * 3600),
        ("time", "time", "milliseconds", 3_600_000),
        ("shpu", "processing", "shpu", 1),
        ("area", "area", "square_meter", 1_000_000),
    ):
        if quantity := data.get(name):
            reported = Decimal(quantity) * factor
            process = data["process"] if name == "area" else ""
            made.append(UsageLine(metric, reported, unit, f"{reported:f}", process))
    return tuple(made)
