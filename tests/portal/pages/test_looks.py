"""Every page, in both colours and on a phone: axe finds nothing, nothing overflows, nothing complains."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, ViewportSize

from tests.portal.pages.site import FAULT_PAGES, JOB, OPEN_PAGES, PAGES, overflow, set_colours, violations

pytestmark = [pytest.mark.browser, pytest.mark.provider]

PHONE_SIZE: ViewportSize = {"width": 360, "height": 740}

#: Cells whose content is wider than they are.
CUT = "all => all.filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)"


def look(page: Page) -> dict[str, object]:
    """What is wrong with the page that is open: in light, in dark, and in a window as narrow as a phone's."""
    found: dict[str, object] = {}
    for theme in ("light", "dark"):
        set_colours(page, theme)
        found[theme] = violations(page)
    page.set_viewport_size(PHONE_SIZE)
    found["overflow"] = overflow(page)
    return {name: fault for name, fault in found.items() if fault}


@pytest.mark.parametrize("path", [*PAGES, *FAULT_PAGES])
def test_pages_of_people_who_signed_in(alice: Page, path: str) -> None:
    alice.goto(path)

    assert look(alice) == {}


@pytest.mark.parametrize("path", [*OPEN_PAGES, FAULT_PAGES[0]])
def test_pages_of_strangers(stranger: Page, path: str) -> None:
    stranger.goto(path)

    assert look(stranger) == {}


@pytest.mark.parametrize("menu", ["organisation-menu", "account-menu"])
def test_open_menus(alice: Page, menu: str) -> None:
    alice.goto("/dashboard/")
    alice.locator(f"[popovertarget={menu}]:visible").click()

    assert look(alice) == {}


def test_a_phone_has_the_pages_at_the_thumb_and_menus_from_below(alices_phone: Page) -> None:
    alices_phone.goto("/dashboard/")
    assert (overflow(alices_phone), violations(alices_phone)) == (0, [])
    alices_phone.get_by_role("button", name="Credits of").tap()
    box = alices_phone.locator("#organisation-menu").bounding_box()
    assert box is not None
    assert (box["x"], box["width"], round(box["y"] + box["height"])) == (0, 360, 740)

    alices_phone.keyboard.press("Escape")
    alices_phone.get_by_role("navigation", name="Pages").get_by_role("link", name="Jobs").tap()
    alices_phone.wait_for_url("**/jobs/")
    assert alices_phone.get_by_role("heading", name="Jobs", level=1).is_visible()


@pytest.mark.parametrize("width", [1024, 1280, 1600])
def test_the_reports_of_a_job_line_up(alice: Page, width: int) -> None:
    alice.set_viewport_size({"width": width, "height": 800})
    alice.goto(JOB)
    columns = alice.eval_on_selector_all(
        "table.charge-lines",
        "all => all.map(table => [...table.tHead.rows[0].cells].map(cell => cell.getBoundingClientRect().x))",
    )

    assert len(columns) == 2
    assert columns[0] == columns[1]
    assert alice.eval_on_selector_all("table.charge-lines :is(td, th)", CUT) == []


@pytest.mark.parametrize("path", ["/dashboard/", "/jobs/", "/holds/", "/profile/"])
def test_what_is_touched_is_large_enough(alices_phone: Page, path: str) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 pixels; a row's link covers the row."""
    alices_phone.goto(path)
    small = alices_phone.eval_on_selector_all(
        "button, select, nav a, header a",
        """all => all.filter(e => e.checkVisibility() && e.getBoundingClientRect().height)
                     .filter(e => Math.min(e.getBoundingClientRect().height, e.getBoundingClientRect().width) < 24)
                     .map(e => e.outerHTML.slice(0, 80))""",
    )

    assert small == []
