"""A researcher follows a cost to its receipt, takes the PDF along, and finds out why one job was the dearer one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader

from tests.portal.pages.site import COMPARED, JOB, RECEIPT, Site, overflow

pytestmark = [pytest.mark.browser, pytest.mark.provider]


@pytest.fixture
def without_scripts(site: Site, browser: Browser, alices_cookies: Any) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, storage_state=alices_cookies, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_from_the_dashboard_to_the_receipt_as_a_pdf(alice: Page) -> None:
    alice.goto("/dashboard/")
    alice.get_by_role("link", name="NDVI composite of Flanders, September").click()
    alice.get_by_role("link", name="Receipt", exact=True).click()
    expect(alice.get_by_role("heading", level=1)).to_contain_text("Receipt")
    expect(alice.get_by_role("row", name="Cost of the job")).to_contain_text("7.759775")

    with alice.expect_download() as caught:
        alice.get_by_role("link", name="Download PDF").click()
    written = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(caught.value.path().read_bytes())).pages)
    assert caught.value.suggested_filename == "receipt-j-2611209f31c4a7.pdf"
    assert "7.759775" in written
    assert "Alice Archer" in written

    alice.get_by_role("navigation", name="Breadcrumbs").get_by_role("link", name="NDVI composite").click()
    alice.wait_for_url(f"**{JOB}?payer=*")


def test_two_jobs_are_compared_from_the_keyboard_alone(alice: Page) -> None:
    alice.goto("/jobs/")
    alice.get_by_role("button", name="Filter").focus()
    alice.keyboard.press("Tab")  # more filters
    alice.keyboard.press("Tab")
    expect(alice.get_by_role("button", name="Compare chosen")).to_be_focused()
    for _ in range(3):  # past both files, to the first box
        alice.keyboard.press("Tab")
    alice.keyboard.press("Space")
    alice.keyboard.press("Tab")  # its job
    alice.keyboard.press("Tab")
    alice.keyboard.press("Space")
    assert alice.locator("input[name=job]:checked").count() == 2
    alice.keyboard.press("Enter")

    alice.wait_for_url("**/compare/?job=*&job=*")
    expect(alice.get_by_role("heading", name="What makes the difference")).to_be_visible()
    expect(alice.locator("#answer + ul li")).to_have_count(1)


def test_the_causes_are_drawn_and_told(alice: Page) -> None:
    alice.goto(COMPARED)
    expect(alice.locator("canvas#causes")).to_be_visible()
    expect(alice.get_by_role("row", name="The whole difference")).to_be_visible()

    alice.get_by_role("link", name="Leave C out").click()
    expect(alice.get_by_role("columnheader", name="C", exact=True)).to_have_count(0)
    before = alice.locator("#answer + ul").inner_text()
    alice.get_by_role("link", name="Measure against B").click()
    expect(alice.locator("#answer + ul")).not_to_have_text(before)

    alice.get_by_text("Put another job beside").click()
    alice.get_by_role("checkbox").first.check()
    alice.get_by_role("button", name="Compare", exact=True).click()
    expect(alice.get_by_role("columnheader", name="C", exact=True)).to_have_count(1)


def test_many_jobs_beside_one_another_stay_inside_a_phone(alices_phone: Page) -> None:
    alices_phone.goto(COMPARED)
    assert overflow(alices_phone) == 0
    wide = alices_phone.get_by_role("region", name="Table of the jobs")
    assert wide.evaluate("e => e.scrollWidth > e.clientWidth")
    wide.focus()
    alices_phone.keyboard.press("ArrowRight")
    for _ in range(250):  # it scrolls smoothly
        if wide.evaluate("e => e.scrollLeft"):
            break
        alices_phone.wait_for_timeout(20)
    assert wide.evaluate("e => e.scrollLeft") > 0


def test_filters_that_are_folded_away_stay_open_while_they_are_used(alice: Page) -> None:
    alice.goto("/jobs/")
    expect(alice.get_by_label("Kind")).to_be_hidden()
    alice.get_by_text("More filters").click()
    alice.get_by_label("Kind").select_option("sync")
    alice.wait_for_url("**kind=sync**")
    expect(alice.locator("tbody tr", has_text="Batch job")).to_have_count(0)
    alice.reload()
    expect(alice.get_by_label("Kind")).to_be_visible()

    alice.get_by_label("Order").select_option("cost")
    alice.wait_for_url("**sort=cost**")
    costs = [float(one) for one in alice.locator("td.figure data.credits").evaluate_all("es => es.map(e => e.value)")]
    assert costs == sorted(costs, reverse=True)


def test_what_is_listed_is_what_is_saved(alice: Page) -> None:
    alice.goto("/jobs/?kind=sync")
    listed = alice.locator("a[data-open]").count()
    with alice.expect_download() as caught:
        alice.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(caught.value.path().read_text())))

    assert len(rows) == listed > 0
    assert {row["kind"] for row in rows} == {"sync"}


def test_a_raw_report_opens_and_leads_to_its_charge(alice: Page) -> None:
    alice.goto(JOB)
    alice.locator("#raw").scroll_into_view_if_needed()
    alice.locator("summary", has_text="resources").first.click()
    expect(alice.locator("pre.raw").first).to_be_visible()
    alice.get_by_role("link", name="The charge made of it").first.click()
    assert "#charge-" in alice.url
    assert alice.locator(f"#{alice.url.partition('#')[2]}").count() == 1


def test_jobs_are_compared_and_receipts_read_without_scripts(without_scripts: Page) -> None:
    page = without_scripts
    page.goto("/jobs/")
    for place in range(2):
        page.get_by_role("checkbox").nth(place).check()
    page.get_by_role("button", name="Compare chosen").click()
    expect(page.get_by_role("row", name="The whole difference")).to_be_visible()

    page.goto(RECEIPT)
    expect(page.get_by_role("row", name="Cost of the job")).to_contain_text("7.759775")
