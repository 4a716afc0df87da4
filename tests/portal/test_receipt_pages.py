"""A receipt as page, JSON and PDF: the same figures in each, to the last micro-credit, for nobody but who paid."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pypdf import PdfReader
from pytest_django import DjangoAssertNumQueries

from accounting import ledger, usage
from accounting.rating import UsageLine
from portal.documents import fonts
from tests.accounting.books import booked
from tests.conftest import SOURCE, Federation
from tests.portal.reader import RECEIPT, sign_in, text_of

PATH = f"/receipts/{SOURCE}/j-1"


def pdf(client: Client, path: str = PATH, **headers: str) -> PdfReader:
    response = client.get(path, {"format": "pdf"}, headers=headers)
    assert (response.status_code, response["Content-Type"]) == (200, "application/pdf")
    return PdfReader(io.BytesIO(response.content))


def words(document: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in document.pages).split())


def amounts(text: str) -> list[Decimal]:
    """Every number with six decimals."""
    return [Decimal(number.replace(",", "").replace("−", "-")) for number in re.findall(r"−?[\d,]+\.\d{6}\b", text)]


@pytest.fixture
def refunded(federation: Federation) -> Federation:
    """A job of two runs, the first given back, with added value; two grants paid."""
    home = federation.alice.personal_organisation
    federation.grant(home, 3_000_000, "trial", kind="trial", label="Willkommen, Zoë & Łukasz")
    federation.grant(home, 4_000_000, "paid", kind="paid", label="Top-up <2026>")
    first = booked(federation, "a")
    booked(federation, "b", execution_id="application_2", job_title="Karte „Süd“")
    area = UsageLine("area", Decimal(4_000_000), "square_meter", "4000000")
    added = replace(federation.report(key="c"), endpoint="addedvalue", service="ndvi", lines=(area,))
    usage.ingest(federation.client, [added], on_reuse="refuse")
    ledger.reverse(first, "provider_outage")
    return federation


class TestPage:
    def test_sums_are_shown_with_what_was_given_back(self, refunded: Federation) -> None:
        page = text_of(sign_in(refunded.alice.sub, name="Alice Ärmel").get(PATH))

        assert "All charges 11.519550" in page
        assert "Given back −5.759775" in page
        assert "Cost of the job 5.759775" in page
        assert "Given back: Outage of the back end" in page
        assert "Run by Alice Ärmel" in page
        assert "You" not in page.partition("Run by")[2][:20]

    def test_json_is_as_the_api_has_it(self, alice: Client) -> None:
        response = alice.get(RECEIPT, {"format": "json"})
        document = json.loads(response.content)

        assert response["Content-Type"] == "application/json"
        assert [one["cost"] for one in document["receipts"]] == ["2", "5.759775"]

    @pytest.mark.parametrize("wanted", ["x", "PDF", "\x00", "html,pdf"])
    def test_another_format_is_refused(self, alice: Client, wanted: str) -> None:
        response = alice.get(RECEIPT, {"format": wanted})

        assert response.status_code == 400
        assert "format must be html, json or pdf" in text_of(response)

    def test_takes_a_fixed_number_of_queries(
        self, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client = sign_in(federation.alice.sub)
        for number in range(2):
            for part in range(1 + 5 * number):
                booked(federation, f"{number}-{part}", execution_id=f"{number}-{part}")
            with django_assert_num_queries(11):
                client.get(PATH)


class TestPdf:
    def test_every_amount_of_the_receipt_is_in_it_and_sums_are_equal(self, refunded: Federation) -> None:
        client = sign_in(refunded.alice.sub)
        document = json.loads(client.get(PATH, {"format": "json"}).content)
        written = words(pdf(client))
        found = amounts(written)

        for receipt in document["receipts"]:
            assert Decimal(receipt["cost"]) in found
            for line in receipt["lines"]:
                assert Decimal(line["amount"]) in found
                assert f"{Decimal(line['reported']):,f} {line['unit']}" in written
        charged = sum(Decimal(receipt["cost"]) for receipt in document["receipts"])
        given_back = sum(Decimal(one["cost"]) for one in document["receipts"] if one["reversal"])
        assert f"All charges {charged:,.6f}" in written
        assert f"Given back −{given_back:,.6f}" in written
        assert f"Cost of the job {charged - given_back:,.6f}" in written
        paid = written.partition("Which credits paid")[2]
        *parts, total = amounts(paid.partition("Each line")[0])
        assert sum(parts) == total == charged - given_back

    def test_says_whose_it_is_and_how_each_line_came_about(self, refunded: Federation) -> None:
        written = words(pdf(sign_in(refunded.alice.sub, name="Ελένη Жукова")))

        for part in (
            "Ελένη Жукова", "Karte „Süd“", "Terrascope, VITO", "Willkommen, Zoë & Łukasz", "Top-up <2026>",
            "5,099 ÷ 3,600 = 1.416388888889 CPU-hours", "1.416388888889 × 1.5 = 2.124583", "CDSE-like rates, version 1",
            "Outage of the back end", "Added value of ndvi", "4,000,000 ÷ 1,000,000 = 4 km²",
            "Page 1 of", "openEO Credits", "rounded once, half to even",
        ):  # fmt: skip
            assert part in written
        assert "Some characters" not in written

    def test_is_a4_with_title_language_and_embedded_fonts(self, refunded: Federation) -> None:
        document = pdf(sign_in(refunded.alice.sub))
        root: Any = document.trailer["/Root"]

        assert [round(float(side)) for side in document.pages[0].mediabox[2:]] == [595, 842]
        assert document.metadata is not None
        assert document.metadata.title is not None
        assert document.metadata.title.startswith("Receipt ")
        assert root["/Lang"] == "en"
        assert root["/ViewerPreferences"]["/DisplayDocTitle"]
        assert all("/FontFile2" in one["/FontDescriptor"] for one in _fonts(document))

    def test_speaks_the_language_of_who_asks(self, refunded: Federation) -> None:
        document = pdf(sign_in(refunded.alice.sub), **{"accept-language": "de"})
        root: Any = document.trailer["/Root"]

        assert root["/Lang"] == "de"
        assert "2,124583" in words(document)
        assert "5.099 ÷ 3.600 = 1,416388888889" in words(document)

    def test_many_charges_go_on_over_pages_with_their_numbers(self, federation: Federation) -> None:
        for number in range(40):
            booked(federation, f"k-{number}", execution_id=f"e-{number}")
        document = pdf(sign_in(federation.alice.sub))
        count = len(document.pages)

        assert count > 3
        for number, page in enumerate(document.pages, start=1):
            assert f"Page {number} of {count}" in page.extract_text()
        assert f"Cost of the job {Decimal('5.759775') * 40:,.6f}" in words(document)

    @pytest.mark.parametrize("job_id", ["a/b", "..", "ü ß", '"><script>', "x" * 300, "漢字", "a\\b"])
    def test_any_job_has_one(self, federation: Federation, job_id: str) -> None:
        usage.ingest(federation.client, [federation.report(job_id=job_id, job_title="<b>&amp; ]]>")], on_reuse="refuse")
        client = sign_in(federation.alice.sub)
        (path,) = re.findall(r'data-open[^>]*href="/jobs([^"]+)"', client.get("/jobs/").content.decode())
        path = f"/receipts{path}".replace("&#x27;", "'").replace("&amp;", "&")
        response = client.get(path, {"format": "pdf"})

        assert response.status_code == 200
        assert re.fullmatch(r'inline; filename="receipt-[A-Za-z0-9._-]+\.pdf"', response["Content-Disposition"])
        assert "<b>&amp; ]]>" in words(PdfReader(io.BytesIO(response.content)))


@pytest.fixture
def without_dejavu(settings: Any) -> None:
    settings.DOCUMENT_FONTS = "/nonexistent"


class TestFonts:
    def test_without_dejavu_the_bundled_font_is_taken_and_the_loss_is_said(
        self, federation: Federation, without_dejavu: None
    ) -> None:
        booked(federation, job_title="Ελένη’s map")
        written = words(pdf(sign_in(federation.alice.sub, name="Zoë Müller")))

        assert fonts.load().regular == "Vera"
        assert "Zoë Müller" in written
        assert "Ελένη" not in written
        assert "?????’s map" in written
        assert "Some characters are missing" in written

    def test_names_of_europe_can_be_written(self) -> None:
        assert not fonts.load().lacks("Zoë Łukasz Ñandú Çelik Ελένη Жукова Ījabs Ștefan Đorđe €·×÷−")
        assert fonts.load().lacks("漢")


class TestRaw:
    def test_is_the_report_as_it_came_for_members_only(self, federation: Federation) -> None:
        secrets = '"accessToken": "s3cret", "x": {"password": ["s3cret"]}'
        raw = f'{{"jobId": "j-1", "metrics": {{"cpu": {{"value": 5.0990e3}}}}, {secrets}}}'
        booked(federation, raw=raw)
        client = sign_in(federation.alice.sub)
        page = client.get(f"/jobs/{SOURCE}/j-1").content.decode()
        response = client.get(f"/raw-reports/{SOURCE}/j-1")
        document = json.loads(response.content)

        assert "5.0990e3" in response.content.decode()
        assert document["job_id"] == "j-1"
        assert document["reports"][0]["report"]["metrics"]["cpu"]["value"] == 5099
        assert document["reports"][0]["report"]["accessToken"] == "(hidden)"
        assert document["reports"][0]["report"]["x"] == {"password": "(hidden)"}
        assert "s3cret" not in page + response.content.decode()
        assert "5.0990e3" in page
        assert response["Content-Disposition"] == 'attachment; filename="reports-j-1.json"'
        assert sign_in("mallory@egi.eu").get(f"/raw-reports/{SOURCE}/j-1").status_code == 404

    def test_another_payers_report_of_the_same_job_is_not_in_it(self, federation: Federation) -> None:
        home, bob = federation.alice.personal_organisation, federation.bob
        booked(federation, "a", raw='{"mine": 1}', organisation=home)
        booked(federation, "b", raw='{"bobs": 1}', user=bob.sub, organisation=bob.personal_organisation)

        for path in (f"/raw-reports/{SOURCE}/j-1", f"/raw-reports/{SOURCE}/j-1?payer={bob.personal_organisation}"):
            text = sign_in(federation.alice.sub).get(path).content.decode()
            assert "mine" in text
            assert "bobs" not in text

    def test_what_is_no_json_is_kept_as_text(self, federation: Federation) -> None:
        booked(federation, raw="not <json>")
        client = sign_in(federation.alice.sub)

        assert "not &lt;json&gt;" in client.get(f"/jobs/{SOURCE}/j-1").content.decode()
        document = json.loads(client.get(f"/raw-reports/{SOURCE}/j-1").content)
        assert document["reports"][0]["report"] == "not <json>"


def _fonts(document: PdfReader) -> list[Any]:
    found = [font.get_object() for page in document.pages for font in page["/Resources"]["/Font"].values()]  # type: ignore[index]
    return [font for font in found if font["/BaseFont"] != "/Helvetica"]  # named in every file of reportlab, never used
