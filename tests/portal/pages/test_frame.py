"""What stands around every page: navigation at the thumb, brand, and what is said when a part could not be had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from playwright.sync_api import Page, expect

from portal import brand
from tests.portal.pages.site import Site, overflow, set_colours, violations
from tests.portal.pages.test_looks import look

pytestmark = [pytest.mark.browser, pytest.mark.provider]

LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="28"><rect width="120" height="28" fill="#0a0"/></svg>'
)


@pytest.fixture
def branded(site: Site, tmp_path: Path) -> Iterator[Site]:
    for name in ("logo", "dark"):
        (tmp_path / f"{name}.svg").write_text(LOGO)
    with override_settings(
        SITE_TITLE="Alpine Cubes",
        SITE_ACCENT="150",
        SITE_LOGO=str(tmp_path / "logo.svg"),
        SITE_LOGO_DARK=str(tmp_path / "dark.svg"),
        SITE_LOGO_ALT="Alpine Cubes",
    ):
        brand.picture.cache_clear()
        yield site
    brand.picture.cache_clear()


@pytest.mark.parametrize("path", ["/dashboard/", "/nothing", "/jobs/?state=x"])
def test_a_brand_is_on_every_page_and_can_be_read(branded: Site, alice: Page, path: str) -> None:
    alice.goto(path)
    expect(alice.get_by_role("img", name="Alpine Cubes").locator("visible=true")).to_have_count(1)
    accent = "getComputedStyle(document.documentElement).getPropertyValue('--color-accent')"
    assert "150)" in alice.evaluate(accent)
    for theme in ("light", "dark"):
        set_colours(alice, theme)
        assert violations(alice) == []


def test_more_opens_all_pages_on_a_phone(alices_phone: Page) -> None:
    alices_phone.goto("/dashboard/")
    bar = alices_phone.get_by_role("navigation", name="Pages", exact=True)
    assert bar.get_by_role("link").count() == 4
    bar.get_by_role("button", name="More").tap()
    menu = alices_phone.locator("#pages-menu")
    expect(menu).to_be_visible()
    assert (overflow(alices_phone), violations(alices_phone)) == (0, [])
    menu.get_by_role("link", name="Help").tap()
    alices_phone.wait_for_url("**/help/")
    assert alices_phone.locator("[data-here]").count() == 1


def test_a_stranger_has_the_open_pages_at_the_thumb(stranger: Page) -> None:
    stranger.set_viewport_size({"width": 360, "height": 740})
    stranger.goto("/help/")
    stranger.get_by_role("button", name="Menu").click()
    expect(stranger.locator("#pages-menu").get_by_role("link", name="Help")).to_be_visible()
    assert (overflow(stranger), violations(stranger)) == (0, [])


def test_a_part_that_is_refused_leaves_the_page_and_says_why(alice_offline: Page) -> None:
    alice = alice_offline
    alice.goto("/jobs/")
    rows = alice.locator("tbody tr").count()
    alice.get_by_label("State").evaluate("field => { field.options[1].value = 'x' }")
    alice.get_by_label("State").select_option("x")
    alert = alice.get_by_role("alert")
    expect(alert).to_contain_text("state must be one of FINISHED")
    assert alice.locator("tbody tr").count() == rows
    assert alice.url.endswith("/jobs/")
    assert look(alice) == {}
    alice.set_viewport_size({"width": 1280, "height": 720})
    alert.get_by_role("button", name="Close").click()
    expect(alert).to_have_count(0)


@pytest.mark.parametrize("how", ["abort", "proxy"])
def test_a_part_that_nobody_answers(alice_offline: Page, how: str) -> None:
    alice = alice_offline
    alice.goto("/jobs/")
    rows = alice.locator("tbody tr").count()
    alice.route(
        "**/jobs/?*",
        lambda route: route.abort() if how == "abort" else route.fulfill(status=502, body="<h1>Bad Gateway</h1>"),
    )
    alice.get_by_label("State").select_option("FAILED")
    expect(alice.get_by_role("alert")).to_contain_text("The site could not be reached")
    assert alice.locator("tbody tr").count() == rows
    assert alice.get_by_text("Bad Gateway").count() == 0


def test_the_mistakes_of_a_form_stand_beside_its_fields(stranger: Page) -> None:
    stranger.goto("/styleguide/#forms")
    stranger.get_by_role("button", name="Send", exact=True).click()
    name = stranger.get_by_label("Name", exact=True)
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description("As it appears on statements. This field is required.")
    assert look(stranger) == {}


def test_a_dialog_takes_the_keyboard_and_gives_it_back(stranger: Page) -> None:
    stranger.goto("/styleguide/#dialogs")
    opener = stranger.locator("[popovertarget=sample-dialog]").first
    opener.focus()
    stranger.keyboard.press("Enter")
    expect(stranger.locator("#sample-dialog")).to_be_visible()
    stranger.keyboard.press("Tab")
    expect(stranger.locator("#sample-dialog").get_by_role("button", name="Remove")).to_be_focused()
    stranger.keyboard.press("Escape")
    expect(stranger.locator("#sample-dialog")).to_be_hidden()
    expect(opener).to_be_focused()


def test_nothing_moves_for_who_wants_it_calm(stranger: Page) -> None:
    """The pages of these tests are asked for with reduced motion."""
    stranger.goto("/styleguide/")
    moving = """() => [...document.querySelectorAll('*')].filter(e => {
      const s = getComputedStyle(e);
      return parseFloat(s.animationDuration) > 0 || parseFloat(s.transitionDuration) > 0;
    }).map(e => e.outerHTML.slice(0, 90))"""
    assert stranger.evaluate(moving) == []
    stranger.emulate_media(reduced_motion="no-preference")
    assert stranger.evaluate(moving) != []
