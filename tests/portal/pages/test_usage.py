"""What people ask of usage: from a sum down to its charges, views that they keep; by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.portal.pages.site import CALM, Site, overflow

pytestmark = [pytest.mark.browser, pytest.mark.provider]


@pytest.fixture
def without_scripts(site: Site, browser: Browser, alices_cookies: Any) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, storage_state=alices_cookies, java_script_enabled=False, **CALM)
    yield context.new_page()
    context.close()


def spent(page: Page) -> str | None:
    """The sum of what is shown, exactly."""
    return page.locator("section[aria-label='Key figures'] data").first.get_attribute("value")


def test_from_a_sum_to_the_lines_it_is_made_of(alice: Page) -> None:
    alice.goto("/usage/?by=backend")
    alice.evaluate("document.body.dataset.same = 'yes'")
    row = alice.get_by_role("row", name="Terrascope")
    amount = row.locator("data.credits").last.get_attribute("value")
    row.get_by_title("Show the charges").click()
    alice.wait_for_url("**/usage/entries/?*backend=terrascope")
    assert alice.locator("data.credits").first.get_attribute("value") == amount

    alice.get_by_role("row", name="NDVI composite of Flanders, September").first.get_by_role("link").first.click()
    expect(alice.get_by_role("heading", level=1)).to_have_text("NDVI composite of Flanders, September")
    assert "#charge-" in alice.url


def test_choosing_changes_chart_table_and_address_but_not_the_page(alice: Page) -> None:
    alice.goto("/usage/")
    alice.evaluate("document.body.dataset.same = 'yes'")
    alice.get_by_label("Group by").focus()
    alice.get_by_label("Group by").select_option("member")
    expect(alice.get_by_role("heading", name="Credits by member")).to_be_visible()
    alice.wait_for_url("**by=member*")
    expect(alice.get_by_label("Group by")).to_be_focused()
    alice.get_by_label("Split by").select_option("backend")
    expect(alice.get_by_role("columnheader", name="Terrascope").first).to_be_visible()
    expect(alice.locator("#usage-chart")).to_be_visible()
    expect(alice.locator("#usage-status")).to_contain_text("credits")
    assert alice.evaluate("document.body.dataset.same") == "yes"

    alice.go_back()
    expect(alice.get_by_role("heading", name="Credits by member")).to_be_visible()
    expect(alice.get_by_role("columnheader", name="Terrascope")).to_have_count(0)


def test_filters_add_up_and_are_taken_away(alice: Page) -> None:
    alice.goto("/usage/?period=all")
    everything = spent(alice)
    alice.get_by_text("Filters", exact=True).click()
    alice.get_by_role("checkbox", name="Copernicus Data Space").check()
    alice.get_by_role("group", name="Grant").get_by_label("Trial of new members").check()
    alice.get_by_role("button", name="Apply the filters").click()
    chips = alice.get_by_role("list", name="Filters in force")
    expect(chips.get_by_role("listitem")).to_have_count(3)
    assert spent(alice) != everything

    chips.get_by_role("link", name=re.compile("Back end")).click()
    expect(chips.get_by_role("link", name=re.compile("Back end"))).to_have_count(0)
    chips.get_by_role("link", name=re.compile("Grant")).click()
    expect(chips).to_have_count(0)
    assert spent(alice) == everything


def test_other_days_are_asked_for(alice: Page) -> None:
    alice.goto("/usage/")
    alice.get_by_label("Period").select_option("custom")
    first, last = alice.get_by_label("First day"), alice.get_by_label("Last day")
    expect(first).to_be_visible()
    day = last.input_value()
    first.fill(day)
    alice.get_by_role("button", name="Show", exact=True).click()
    alice.wait_for_url(f"**from={day}&to={day}*")
    expect(alice.locator("[aria-labelledby=usage-table-title] tbody tr")).to_have_count(1)


def test_a_view_is_kept_shared_made_the_default_and_deleted(alice: Page) -> None:
    alice.goto("/usage/?period=90d&by=state")
    alice.get_by_text("Views", exact=True).click()
    alice.get_by_label("Save this view as").fill("What failed")
    alice.get_by_label("Share with the organisation").check()
    alice.get_by_role("button", name="Save", exact=True).click()
    expect(alice.get_by_text("“What failed” is saved.")).to_be_visible()

    alice.goto("/usage/views/")
    alice.get_by_role("button", name="Make it the default").click()
    alice.goto("/usage/")
    expect(alice.get_by_role("heading", name="Credits by state")).to_be_visible()

    alice.goto("/usage/views/")
    alice.get_by_role("button", name="Change What failed").click()
    alice.get_by_role("button", name="Delete").click()
    expect(alice.get_by_text("“What failed” is deleted.")).to_be_visible()
    expect(alice.get_by_text("No views yet")).to_be_visible()


def test_what_is_shown_is_taken_home(alice: Page) -> None:
    alice.goto("/usage/?period=all&by=backend")
    total = spent(alice)
    alice.get_by_text("Export", exact=True).click()
    with alice.expect_download() as download:
        alice.get_by_role("link", name="As CSV, for spreadsheets").click()
    assert download.value.suggested_filename.startswith("usage-geo-lab-ghent-")
    lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "backend,name,credits"
    assert total is not None
    assert round(sum(float(line.split(",")[2]) for line in lines[1:]), 6) == float(total)


def test_everything_from_the_keyboard(alice: Page) -> None:
    alice.goto("/usage/?period=all&by=backend")
    menu = alice.locator("summary", has_text="Export")
    menu.focus()
    alice.keyboard.press("Enter")
    expect(alice.get_by_role("link", name="As JSON, for programs")).to_be_visible()
    alice.keyboard.press("Tab")
    expect(alice.get_by_role("link", name="As CSV, for spreadsheets")).to_be_focused()
    alice.keyboard.press("Escape")
    expect(alice.get_by_role("link", name="As JSON, for programs")).to_be_hidden()
    expect(menu).to_be_focused()

    alice.get_by_role("columnheader", name="Back end").get_by_role("link").focus()
    alice.keyboard.press("Enter")
    expect(alice.get_by_role("columnheader", name="Back end")).to_have_attribute("aria-sort", "ascending")
    alice.get_by_role("link", name="Copernicus Data Space").focus()
    alice.keyboard.press("Enter")
    expect(alice.get_by_role("heading", name="Credits by process")).to_be_visible()
    expect(alice.get_by_role("list", name="Filters in force")).to_contain_text("Copernicus Data Space")


def test_without_scripts_the_same_is_said(without_scripts: Page) -> None:
    page = without_scripts
    page.goto("/usage/?period=all")
    page.get_by_label("Group by").select_option("backend")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url("**by=backend*")
    total = spent(page)
    page.get_by_text("Filters", exact=True).click()
    page.get_by_role("checkbox", name="Terrascope").check()
    page.get_by_role("button", name="Apply the filters").click()
    page.wait_for_url("**backend=terrascope*")
    assert spent(page) != total
    page.get_by_title("Show the charges").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Charges")


def test_menus_and_filters_fit_on_a_phone(alices_phone: Page) -> None:
    alices_phone.goto("/usage/?period=all&by=member&split=grant")
    for name in ("Views", "Export", "Filters"):
        alices_phone.locator("summary", has_text=name).click()
        assert overflow(alices_phone) <= 0, name
