"""What people do on the dashboard: see what the month costs, open a figure; without scripts and by keyboard too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.portal.pages.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.provider]


@pytest.fixture
def without_scripts(site: Site, browser: Browser, alices_cookies: Any) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, storage_state=alices_cookies, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_the_chart_is_drawn_and_its_figures_stand_in_a_table(alice: Page) -> None:
    alice.goto("/dashboard/")
    chart = alice.get_by_role("region", name="Spent per day").first
    drawn = chart.get_by_role("img", name=re.compile(r"credits were spent in 30 days"))
    expect(drawn).to_be_visible()
    chart.get_by_text("Figures").click()

    expect(chart.get_by_role("row")).to_have_count(31)


def test_it_reads_without_scripts(without_scripts: Page) -> None:
    without_scripts.goto("/dashboard/")
    expect(without_scripts.get_by_text(re.compile(r"credits were spent in 30 days")).first).to_be_visible()
    without_scripts.get_by_text("Figures").click()

    expect(without_scripts.get_by_role("table", name="Spent per day").get_by_role("row")).to_have_count(31)
    expect(without_scripts.get_by_role("heading", name="What expires when")).to_be_visible()


def test_by_keyboard_from_what_is_held_to_the_hold(alice: Page) -> None:
    alice.goto("/dashboard/")
    held = alice.get_by_role("region", name="Key figures").locator("a[href*='state=open']")
    held.focus()
    alice.keyboard.press("Enter")
    alice.wait_for_url("**/holds/?state=open")

    expect(alice.get_by_role("heading", level=1)).to_have_text("Holds")


def test_by_keyboard_from_the_dearest_job_to_its_cost(alice: Page) -> None:
    alice.goto("/dashboard/")
    first = alice.locator("section[aria-labelledby=top-jobs] a").first
    title = first.inner_text()
    first.focus()
    alice.keyboard.press("Enter")

    expect(alice.get_by_role("heading", level=1)).to_have_text(title)
