"""Holds in a browser: looked at in every way, used by keyboard, by thumb, and without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.portal.pages.site import HELD_JOB, overflow, violations
from tests.portal.pages.test_looks import look
from tests.portal.pages.test_use import without_scripts

__all__ = ["without_scripts"]

pytestmark = [pytest.mark.browser, pytest.mark.provider]

TITLES = ("Dune vegetation, near its budget", "Cross-border mosaic", "Cross-border mosaic, east", "Held and done")
HOLD = re.compile(r"/holds/[-0-9a-f]{36}/$")


def open_hold(page: Page, title: str) -> None:
    page.goto("/holds/")
    page.get_by_role("link", name=title, exact=True).click()
    page.wait_for_url(HOLD)


@pytest.mark.parametrize("title", TITLES)
def test_the_page_of_a_hold(alice: Page, title: str) -> None:
    open_hold(alice, title)

    assert look(alice) == {}


@pytest.mark.parametrize("title", TITLES)
def test_on_a_phone(alices_phone: Page, title: str) -> None:
    alices_phone.goto("/holds/")
    alices_phone.get_by_role("link", name=title, exact=True).tap()
    alices_phone.wait_for_url(HOLD)

    assert (overflow(alices_phone), violations(alices_phone)) == (0, [])


def test_from_the_dashboard_to_what_the_job_cost(alice: Page) -> None:
    alice.goto("/dashboard/")
    alice.get_by_role("row", name="Dune vegetation, near its budget").click()
    alice.wait_for_url(HOLD)
    expect(alice.get_by_text("The job is near its end")).to_be_visible()
    expect(alice.get_by_role("row", name="Budget of the job")).to_contain_text("90 % of its budget")
    expect(alice.get_by_role("img", name="Used: 90 % of its budget").first).to_be_visible()

    open_hold(alice, "Held and done")
    alice.get_by_role("row", name="Charged, and ended").get_by_role("link", name="The charge").click()
    alice.wait_for_url(f"**{HELD_JOB}?payer=*#charge-*")
    expect(alice.get_by_text("4.00 beyond the hold")).to_be_visible()


def test_a_charge_that_was_replaced_is_opened_by_its_link(alice: Page) -> None:
    open_hold(alice, "Held and done")
    replaced = alice.get_by_role("row", name="Replaced by a later charge")
    replaced.get_by_role("link", name="The charge").click()
    alice.wait_for_url("**#charge-*")

    expect(alice.get_by_text("Replaced by the job’s report")).to_be_visible()


def test_from_the_whole_to_a_part_and_back_by_keyboard(alice: Page) -> None:
    open_hold(alice, "Cross-border mosaic")
    alice.get_by_role("table", name="What each part").get_by_role("link", name="Cross-border mosaic, east").focus()
    alice.keyboard.press("Enter")
    expect(alice.get_by_role("heading", level=1)).to_have_text("Cross-border mosaic, east")
    alice.get_by_role("link", name="The whole job").focus()
    alice.keyboard.press("Enter")
    expect(alice.get_by_role("heading", level=1)).to_have_text("Cross-border mosaic")


def test_every_stop_of_a_hold_can_be_seen(alice: Page) -> None:
    open_hold(alice, "Cross-border mosaic")
    for _ in range(12):
        alice.keyboard.press("Tab")
        assert alice.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_filtering_changes_the_rows_and_the_address_but_not_the_page(alice: Page) -> None:
    alice.goto("/holds/")
    alice.evaluate("document.body.dataset.same = 'yes'")
    alice.get_by_label("State").select_option("ended")
    alice.wait_for_url("**/holds/?state=ended")
    expect(alice.locator("tbody tr")).to_have_count(2)
    assert alice.evaluate("document.body.dataset.same") == "yes"
    assert violations(alice) == []


def test_all_of_it_works_without_scripts(without_scripts: Page) -> None:
    page = without_scripts
    page.goto("/holds/")
    page.get_by_label("State").select_option("open")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**state=open**")
    expect(page.locator("tbody tr")).to_have_count(4)
    page.get_by_role("link", name="Cross-border mosaic", exact=True).click()
    expect(page.get_by_role("heading", name="Parts of this job")).to_be_visible()

    page.goto(HELD_JOB)
    page.get_by_text("1 earlier charge, replaced since").click()
    expect(page.get_by_text("Replaced by the job’s report")).to_be_visible()
