"""The page of a job: its cost can be followed to the last digit, whatever happened to it since."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounting import estimates, ledger, registry, tariffs, usage
from accounting.credits import MICROS
from accounting.models import Source
from accounting.rating import UsageLine
from accounting.tariffs import RuleSpec
from tests.conftest import ISSUER, SOURCE, Federation
from tests.portal.reader import GOLDEN, sign_in, text_of


class TestJob:
    def test_the_charge_can_be_followed_to_the_last_digit(self, alice: Client) -> None:
        page = text_of(alice.get(GOLDEN))

        for part in (
            "Cost 7.76",
            "exactly 7.759775",
            "5,099 ÷ 3,600 = 1.416388888889 CPU-hours",
            "1.416388888889 × 1.5 = 2.124583",
            "13,400,773 ÷ 3,686,400 = 3.635192328559 GB-hours",
            "3.635192328559 × 1 = 3.635192",
            "Terrascope rates 2026, version 1",
            "to VITO, of which 0.106229 is the platform",
            "ESA Network of Resources, project 4711",
            "Together 7.759775",
            "rounded once, half to even",
        ):
            assert part in page

    def test_large_quantities_can_be_read(self, federation: Federation) -> None:
        seconds = UsageLine("cpu", Decimal(14772600), "cpu-seconds", "14772600")
        usage.ingest(federation.client, [federation.report(lines=(seconds,))], on_reuse="refuse")
        html = sign_in(federation.alice.sub).get(f"/jobs/{SOURCE}/j-1").content.decode()
        page = re.sub(r'(?:value|datetime|title)="[^"]*"', "", html)

        assert "14,772,600</data> cpu-seconds" in page
        assert "14,772,600 ÷ 3,600 = 4,103.5 CPU-hours" in page
        assert "4,103.5 × 1.5 = 6,155.25" in page
        assert not re.search(r">[^<]*\b(?:14772600|4103)\b", page)

    def test_the_receipt_is_the_same_in_json(self, alice: Client) -> None:
        response = alice.get(GOLDEN.replace("/jobs/", "/receipts/") + "?format=json")
        document = json.loads(response.content)

        assert response["Content-Type"] == "application/json"
        assert document["job_id"] == "j-2611209f31c4a7"
        assert sum(Decimal(one["cost"]) for one in document["receipts"]) == Decimal("7.759775")

    def test_what_nothing_covers_yet_is_shown_and_then_who_paid_it(self, federation: Federation) -> None:
        usage.ingest(federation.client, [federation.report()], on_reuse="refuse")
        client = sign_in(federation.alice.sub)
        assert "Not covered yet 5.759775" in text_of(client.get(f"/jobs/{SOURCE}/j-1"))

        federation.grant(federation.alice.personal_organisation, 100_000_000, "Rescue")
        page = text_of(client.get(f"/jobs/{SOURCE}/j-1"))
        assert "Not covered" not in page
        assert "Rescue" in page

    def test_a_charge_given_back_says_so(self, federation: Federation) -> None:
        (outcome,) = usage.ingest(federation.client, [federation.report()], on_reuse="refuse")
        assert outcome.transaction is not None
        ledger.reverse(outcome.transaction, "failed_job")

        page = text_of(sign_in(federation.alice.sub).get(f"/jobs/{SOURCE}/j-1"))
        assert "Given back: Failed job" in page
        assert "Nothing had to be paid." in page

    @pytest.mark.parametrize(
        "job_id",
        ["a/b", "//", "50%", "%2F", "abc@egi.eu_2024-08-20T10:00:00+00:00", "ü ß", "a?b#c", "..", '"><script>'],
    )
    def test_any_job_id_has_an_address(self, federation: Federation, job_id: str) -> None:
        report = federation.report(job_id=job_id, job_title="<script>alert(1)</script>")
        usage.ingest(federation.client, [report], on_reuse="refuse")
        client = sign_in(federation.alice.sub)
        (href,) = re.findall(r'data-open[^>]*href="([^"]+)"', client.get("/jobs/").content.decode())

        response = client.get(href.replace("&#x27;", "'").replace("&amp;", "&"))

        assert response.status_code == 200
        assert "<script>alert" not in response.content.decode()
        assert "<script>" not in text_of(response)

    @pytest.mark.parametrize("path", ["/jobs/%00/j", "/jobs/a/j%00", "/receipts/a%00/j"])
    def test_a_nul_in_an_address_finds_nothing(self, alice: Client, path: str) -> None:
        assert alice.get(path).status_code == 404

    @pytest.mark.parametrize(
        ("title", "kind", "shown"),
        [
            ("Synchronous processing request 'j-1'", "sync", "Synchronous processing request"),
            ("j-1", "batch", "Batch job"),
            (None, "sync", "Synchronous request"),
            ("My map", "batch", "My map"),
        ],
    )
    def test_a_title_that_repeats_the_id_is_cut(
        self, federation: Federation, title: str | None, kind: str, shown: str
    ) -> None:
        usage.ingest(federation.client, [federation.report(job_title=title, kind=kind)], on_reuse="refuse")
        page = sign_in(federation.alice.sub).get("/jobs/").content.decode()

        assert f'href="/jobs/TerraScope/MEP/j-1">{shown}</a>' in page

    def test_a_job_that_two_wallets_paid_for_shows_each(self, federation: Federation) -> None:
        home, lab = federation.alice.personal_organisation, federation.lab
        reports = [federation.report(key="a"), federation.report(key="b", execution_id="e-2", organisation=lab)]
        usage.ingest(federation.client, reports, on_reuse="refuse")
        client = sign_in(federation.alice.sub)

        page = client.get(f"/jobs/{SOURCE}/j-1").content.decode()
        other = text_of(client.get(f"/jobs/{SOURCE}/j-1?payer={lab}"))

        assert f'href="/jobs/TerraScope/MEP/j-1?payer={lab}"' in page
        assert "Paid by Geo Lab" in other
        assert client.get(f"/jobs/{SOURCE}/j-1?payer=x").status_code == 400
        assert home != lab

    def test_runs_and_added_value_are_told_apart(self, federation: Federation) -> None:
        area = UsageLine("area", Decimal(4_000_000), "square_meter", "4000000")
        reports = [
            federation.report(),
            federation.report(key="k-2", execution_id="application_2"),
            replace(federation.report(key="k-3"), endpoint="addedvalue", service="ndvi", lines=(area,)),
        ]
        usage.ingest(federation.client, reports, on_reuse="refuse")

        page = text_of(sign_in(federation.alice.sub).get(f"/jobs/{SOURCE}/j-1"))

        assert "Run 1: what it cost and why" in page
        assert "Run 2: what it cost and why" in page
        assert "Added value of ndvi" in page
        assert "4,000,000 ÷ 1,000,000 = 4 km²" in page
        assert "Free: no rule prices this" in page


class TestAroundTheCost:
    def test_a_refund_is_an_entry_with_reason_and_instant(self, federation: Federation) -> None:
        (outcome,) = usage.ingest(federation.client, [federation.report()], on_reuse="refuse")
        ledger.reverse(outcome.transaction or 0, "provider_outage")
        html = sign_in(federation.alice.sub).get(f"/jobs/{SOURCE}/j-1").content.decode()
        entry = html[html.index('id="corrections"') :].partition("</section>")[0]

        assert "Given back: Outage of the back end" in entry
        assert f'href="#charge-{outcome.transaction}"' in entry
        assert "<time datetime=" in entry
        assert 'value="-5.759775"' in entry

    def test_what_was_estimated_stands_beside_what_it_cost(self, federation: Federation) -> None:
        usage.ingest(federation.client, [federation.report()], on_reuse="refuse")
        client, source = sign_in(federation.alice.sub), Source.objects.get(source_id=SOURCE).pk
        assert "Estimate and cost" not in text_of(client.get(f"/jobs/{SOURCE}/j-1"))
        for low, high, said in ((4, 9, "Right: within the interval"), (1, 2, "Too low"), (7, 9, "Too high")):
            _estimate(source, low * MICROS, high * MICROS)
            page = text_of(client.get(f"/jobs/{SOURCE}/j-1"))

            assert said in page
            assert f"{low}.00 to {high}.00" in page
            assert "It cost 5.76" in page
            assert "from 12 jobs like it" in page

    def test_an_estimate_of_somebody_elses_job_is_not_told(self, federation: Federation) -> None:
        usage.ingest(federation.client, [federation.report()], on_reuse="refuse")
        _estimate(Source.objects.get(source_id=SOURCE).pk, MICROS, 2 * MICROS, person=federation.bob.pk)

        assert "Estimate and cost" not in text_of(sign_in(federation.alice.sub).get(f"/jobs/{SOURCE}/j-1"))

    def test_jobs_like_it_lead_to_the_comparison(self, federation: Federation) -> None:
        reports = [federation.report(f"k-{n}", job_id=f"j-{n}", execution_id=f"e-{n}") for n in (1, 2)]
        usage.ingest(federation.client, reports, on_reuse="refuse")
        client = sign_in(federation.alice.sub)
        html = client.get(f"/jobs/{SOURCE}/j-1").content.decode()
        (href,) = re.findall(r'href="(/compare/[^"]+)">Compare with Batch job', html)

        assert href == "/compare/?job=TerraScope%2FMEP%2Fj-1&amp;job=TerraScope%2FMEP%2Fj-2"
        assert client.get(href.replace("&amp;", "&")).status_code == 200

    def test_conditions_of_a_rule_are_told(self, federation: Federation) -> None:
        registry.register_source("terms", federation.backend, ISSUER)
        registry.register_client(ISSUER, "job-tracker", "job-tracker", [SOURCE, "terms"])
        failed = {"state": ["FAILED"]}
        rule = RuleSpec(
            "CPU of failed jobs", "cpu", "cpu-hour", Decimal(3), factor=Decimal("0.5"), free=Decimal(1), when=failed
        )
        tariffs.publish("terms", "Terms", [rule], starts_at=datetime.now(UTC) - timedelta(days=1))
        report = federation.report(source="terms", state="FAILED")
        usage.ingest(federation.client, [report], on_reuse="refuse")

        page = text_of(sign_in(federation.alice.sub).get("/jobs/terms/j-1"))
        assert "the first 1 free · times 0.5 · only for FAILED" in page


def _estimate(source: int, low: int, high: int, person: int | None = None) -> None:
    said = estimates.Estimate(
        source=SOURCE,
        backend="terrascope",
        p10=low,
        median=(low + high) // 2,
        p90=high,
        jobs=12,
        jobs_elsewhere=0,
        level="udp",
        method="pooled",
        extrapolated=False,
        duration_seconds=None,
        failure_rate=None,
        failure_jobs=0,
        failures_alike=False,
        tariff=1,
        tariff_ends_at=None,
        spread=0.3,
    )
    estimates.remember(source, "j-1", None, person, said)
