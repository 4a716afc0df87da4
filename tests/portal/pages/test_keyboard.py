"""Everything works from the keyboard, and is seen to."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from portal.contexts import navigation
from portal.models import User
from tests.portal.pages.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.provider]

FOCUSED = """() => {
  const e = document.activeElement;
  return (e.getAttribute('aria-label') || e.textContent).replace(/\\s+/g, ' ').trim();
}"""


def test_the_first_stop_leads_past_the_navigation(alice: Page) -> None:
    alice.goto("/dashboard/")
    alice.keyboard.press("Tab")
    skip = alice.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()

    alice.keyboard.press("Enter")
    assert alice.evaluate("document.activeElement.id") == "content"
    alice.keyboard.press("Tab")
    assert alice.evaluate("document.activeElement.closest('main') !== null")


def test_the_order_is_that_of_the_eye(alice: Page) -> None:
    alice.goto("/dashboard/")
    stops = []
    for _ in range(16):
        alice.keyboard.press("Tab")
        stops.append(alice.evaluate(FOCUSED))
        if "Alice Archer" in stops[-1]:
            break

    assert stops[:2] == ["Skip to the content", "openEO Credits"]
    assert stops[2].startswith("Notifications")
    assert "Geo Lab Ghent" in stops[3]
    assert stops[4].startswith("Search")
    groups = navigation.navigation_of(User.objects.get(name="Alice Archer"), "/dashboard/").groups
    assert stops[5:-1] == [link.title for group in groups for link in group.links]
    assert "Alice Archer" in stops[-1]


def test_every_stop_can_be_seen(alice: Page) -> None:
    alice.goto("/jobs/")
    for _ in range(20):
        alice.keyboard.press("Tab")
        outline = alice.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", alice.evaluate(FOCUSED)


def test_a_menu_opens_takes_the_focus_and_gives_it_back(alice: Page) -> None:
    alice.goto("/dashboard/")
    opener = alice.get_by_role("button", name="Account of Alice Archer")
    opener.focus()
    alice.keyboard.press("Enter")
    expect(alice.locator("#account-menu")).to_be_visible()
    alice.keyboard.press("Tab")
    expect(alice.locator("#account-menu").get_by_role("link", name="Profile")).to_be_focused()

    alice.keyboard.press("Escape")
    expect(alice.locator("#account-menu")).to_be_hidden()
    expect(opener).to_be_focused()


def test_the_organisation_is_switched(site: Site, alice: Page) -> None:
    alice.goto("/jobs/")
    alice.get_by_role("button", name="Credits of Geo Lab Ghent").focus()
    alice.keyboard.press("Enter")
    alice.keyboard.press("Tab")
    alice.keyboard.press("Enter")
    alice.wait_for_url("**/jobs/")
    expect(alice.get_by_role("button", name="Credits of Personal")).to_be_visible()
    expect(alice.get_by_text("Paid by Personal")).to_be_visible()

    alice.get_by_role("button", name="Credits of Personal").click()
    alice.get_by_role("button", name="Geo Lab Ghent").click()
    expect(alice.get_by_role("button", name="Credits of Geo Lab Ghent")).to_be_visible()


def test_the_colours_change_at_once_and_stay(alice: Page) -> None:
    alice.goto("/dashboard/")
    alice.get_by_role("button", name="Account of").click()
    alice.get_by_role("button", name="Dark").press("Enter")
    expect(alice.locator("html")).to_have_attribute("data-theme", "dark")
    expect(alice.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    expect(alice.locator("#account-menu")).to_be_visible()

    alice.reload()
    expect(alice.locator("html")).to_have_attribute("data-theme", "dark")


def test_filters_work_without_a_mouse(alice: Page) -> None:
    alice.goto("/jobs/")
    alice.get_by_label("State").focus()
    alice.keyboard.press("f")
    alice.keyboard.press("f")
    alice.keyboard.press("Enter")
    alice.wait_for_url("**/jobs/?state=F*")
