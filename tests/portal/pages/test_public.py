"""What strangers do before they sign in: compare rates, calculate, look at back ends, estimate, from the keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.portal.pages.site import overflow, violations

pytestmark = [pytest.mark.browser, pytest.mark.provider]


def test_the_calculator_answers_while_one_types(stranger: Page) -> None:
    stranger.goto("/rates/")
    result = stranger.locator("#calculated")
    expect(result).to_contain_text("55.000000")
    stranger.get_by_label("CPU-hours").fill("100")

    expect(result).to_contain_text("190.000000")
    expect(result).to_contain_text("100 × 1.5 = 150")
    expect(stranger).to_have_url(re.compile(r"cpu=100"))
    stranger.get_by_label("The job").select_option("Failed")
    expect(stranger).to_have_url(re.compile(r"state=FAILED"))
    assert violations(stranger) == []

    stranger.reload()
    expect(stranger.get_by_label("CPU-hours")).to_have_value("100")
    expect(result).to_contain_text("190.000000")


def test_what_cannot_be_computed_is_said_in_place(stranger: Page) -> None:
    stranger.goto("/rates/?cpu=-5")
    field = stranger.get_by_label("CPU-hours")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(stranger.get_by_text("Ensure this value is greater than or equal to 0.").first).to_be_visible()
    assert violations(stranger) == []

    stranger.goto("/rates/")
    stranger.get_by_label("Finished on").fill("1999-01-01")
    expect(stranger.locator("#calculated [role=alert]")).to_contain_text("Choose a day from 2015")
    assert violations(stranger) == []


def test_the_calculator_from_the_keyboard(stranger: Page) -> None:
    stranger.goto("/rates/")
    stranger.get_by_label("CPU-hours").focus()
    stranger.keyboard.press("Control+a")
    stranger.keyboard.type("20")
    stranger.keyboard.press("Tab")
    stranger.keyboard.press("Control+a")
    stranger.keyboard.type("0")
    stranger.keyboard.press("Enter")
    expect(stranger.locator("#calculated")).to_contain_text("20 × 1.5 = 30")
    expect(stranger.get_by_label("Memory, GB-hours")).to_be_focused()
    stranger.wait_for_timeout(1000)  # what was typed is asked once more a moment after the last key
    second = stranger.locator("#calculated details").nth(1)
    second.locator("summary").focus()
    stranger.keyboard.press("Enter")
    expect(second).to_have_attribute("open", "")


def test_an_estimate_from_the_landing_page(stranger: Page) -> None:
    stranger.goto("/")
    stranger.locator("#content").get_by_role("link", name="Estimate a job").click()
    stranger.get_by_label("Algorithm").fill("two words")
    stranger.keyboard.press("Enter")
    expect(stranger.get_by_text("Write a process id or an address, without spaces.")).to_be_visible()
    assert violations(stranger) == []

    stranger.get_by_label("Algorithm").fill("ndvi")
    stranger.get_by_label("or a place").fill("4.3, 50.8, 5.1, 51.3")
    stranger.get_by_role("button", name="Estimate").click()
    expect(stranger.get_by_role("heading", name="On each back end")).to_be_visible()
    expect(stranger.get_by_text("Nothing known")).to_be_visible()
    expect(stranger).to_have_url(re.compile(r"what=ndvi"))
    assert violations(stranger) == []


def test_from_the_list_of_back_ends_to_the_price_that_was(stranger: Page) -> None:
    stranger.goto("/backends/")
    stranger.get_by_role("link", name="Terrascope", exact=True).click()
    expect(stranger.get_by_role("heading", name="Terrascope", exact=True)).to_be_visible()
    expect(stranger.locator("#reports-a-day")).to_be_visible()
    stranger.get_by_role("link", name="Every version").click()
    stranger.get_by_role("link", name="Permanent link").click()
    expect(stranger.get_by_text("This address always shows this version")).to_be_visible()
    stranger.set_viewport_size({"width": 360, "height": 740})
    assert overflow(stranger) == 0
