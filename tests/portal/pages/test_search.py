"""The search over every page: opened and walked by keyboard, by thumb, and without scripts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.portal.pages.site import JOB, overflow, violations
from tests.portal.pages.test_looks import look
from tests.portal.pages.test_use import without_scripts

__all__ = ["without_scripts"]

pytestmark = [pytest.mark.browser, pytest.mark.provider]


def field(page: Page) -> Any:
    return page.get_by_role("combobox", name="What do you look for?")


def options(page: Page) -> Any:
    return page.locator("#palette").get_by_role("option")


def test_a_job_is_found_and_opened_without_a_mouse(alice: Page) -> None:
    alice.goto("/holds/")
    alice.keyboard.press("Control+k")
    expect(field(alice)).to_be_focused()
    alice.keyboard.type("flanders september")
    chosen = options(alice).first
    expect(chosen).to_contain_text("NDVI composite of Flanders, September")
    expect(chosen).to_have_attribute("aria-selected", "true")
    expect(field(alice)).to_have_attribute("aria-activedescendant", str(chosen.get_attribute("id")))

    alice.keyboard.press("Enter")
    alice.wait_for_url(f"**{JOB}")


def test_arrows_walk_round_and_escape_gives_the_focus_back(alice: Page) -> None:
    alice.goto("/dashboard/")
    opener = alice.get_by_role("link", name="Search")
    opener.focus()
    alice.keyboard.press("Enter")
    expect(options(alice).first).to_have_attribute("aria-selected", "true")
    last = options(alice).count() - 1
    alice.keyboard.press("ArrowUp")
    expect(options(alice).nth(last)).to_have_attribute("aria-selected", "true")
    alice.keyboard.press("ArrowDown")
    alice.keyboard.press("ArrowDown")
    expect(options(alice).nth(1)).to_have_attribute("aria-selected", "true")
    expect(options(alice).and_(alice.locator("[aria-selected=true]"))).to_have_count(1)

    alice.keyboard.press("Escape")
    expect(alice.locator("#palette")).to_be_hidden()
    expect(opener).to_be_focused()


def test_the_tab_key_walks_the_answers_too(alice: Page) -> None:
    alice.goto("/dashboard/")
    alice.keyboard.press("Control+k")
    expect(options(alice).first).to_be_visible()
    options(alice).nth(1).focus()
    expect(options(alice).nth(1)).to_have_attribute("aria-selected", "true")
    alice.keyboard.press("Enter")
    alice.wait_for_url("**/usage/")


def test_the_same_keys_close_it(alice: Page) -> None:
    alice.goto("/dashboard/")
    alice.keyboard.press("Meta+k")
    expect(alice.locator("#palette")).to_be_visible()
    alice.keyboard.press("Meta+k")
    expect(alice.locator("#palette")).to_be_hidden()


def test_an_organisation_is_switched_to(alice: Page) -> None:
    alice.goto("/jobs/")
    alice.keyboard.press("Control+k")
    alice.keyboard.type("personal")
    expect(options(alice).first).to_contain_text("switch to it")
    alice.keyboard.press("Enter")
    expect(alice.get_by_role("button", name="Credits of Personal")).to_be_visible()

    alice.keyboard.press("Control+k")
    alice.keyboard.type("ghent")
    expect(options(alice).first).to_contain_text("Geo Lab Ghent")
    alice.keyboard.press("Enter")
    expect(alice.get_by_role("button", name="Credits of Geo Lab Ghent")).to_be_visible()


def test_who_types_faster_than_the_answers_gets_the_page_of_what_they_typed(alice_offline: Page) -> None:
    """Not the first line of what was shown before."""
    alice = alice_offline
    alice.goto("/dashboard/")
    alice.keyboard.press("Control+k")
    expect(options(alice).first).to_be_visible()
    alice.route("**/search/?q=*", _slow)
    alice.keyboard.type("flanders")
    alice.keyboard.press("Enter")

    alice.wait_for_url("**/search/?q=flanders")
    expect(alice.get_by_role("link", name="NDVI composite of Flanders, September")).to_be_visible()


def _slow(route: Route) -> None:
    if route.request.headers.get("hx-request"):
        route.abort()
    else:
        route.continue_()


@pytest.mark.parametrize("text", ["flanders", "zzzz", ""])
def test_it_looks_well(alice: Page, text: str) -> None:
    alice.goto("/jobs/")
    alice.keyboard.press("Control+k")
    expect(options(alice).first).to_be_visible()
    alice.keyboard.type(text)
    if text:
        said = "found" if text == "flanders" else "Nothing found"
        expect(alice.locator("#palette").get_by_role("status")).to_contain_text(said)

    assert look(alice) == {}


def test_by_thumb(alices_phone: Page) -> None:
    alices_phone.goto("/dashboard/")
    alices_phone.get_by_role("link", name="Search").tap()
    field(alices_phone).fill("budget")
    option = options(alices_phone).filter(has_text="How do I keep a job from costing too much?")
    expect(option).to_be_visible()
    assert (overflow(alices_phone), violations(alices_phone)) == (0, [])
    option.tap()

    alices_phone.wait_for_url("**/help/researcher/#runaway-job")
    expect(alices_phone.get_by_role("heading", name="How do I keep a job from costing too much?")).to_be_in_viewport()


def test_a_stranger_finds_answers(stranger: Page) -> None:
    stranger.goto("/")
    stranger.keyboard.press("Control+k")
    stranger.keyboard.type("failed")
    expect(options(stranger).first).to_contain_text("Why did my failed job cost something?")


def test_without_scripts_it_is_a_page(without_scripts: Page) -> None:
    page = without_scripts
    page.goto("/dashboard/")
    page.get_by_role("link", name=re.compile("^Search")).click()
    page.get_by_label("What do you look for?").first.fill("ndvi")
    page.get_by_role("main").get_by_role("button", name="Search").click()
    page.wait_for_url("**/search/?q=ndvi")
    page.get_by_role("link", name="NDVI composite of Flanders, September").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("NDVI composite of Flanders, September")


def test_results_of_the_page_change_while_somebody_types(alice: Page) -> None:
    alice.goto("/search/")
    alice.get_by_role("main").get_by_label("What do you look for?").fill("biopar")
    expect(alice.get_by_role("link", name="Biopar LAI over test fields").first).to_be_visible()
    alice.wait_for_url("**/search/?q=biopar")
