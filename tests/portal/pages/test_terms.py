"""The terms of use in a browser: found from the dashboard, read and accepted by keyboard, in every look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings
from playwright.sync_api import Page

from tests.portal.pages.site import Site
from tests.portal.pages.test_looks import look

pytestmark = [pytest.mark.browser, pytest.mark.provider]


@pytest.fixture
def version(site: Site, request: pytest.FixtureRequest) -> Iterator[str]:
    """A version of this test's own: what the tests before accepted is another one."""
    name = f"2026 {hash(request.node.nodeid) % 10_000}"
    with override_settings(TERMS_VERSION=name, TERMS_URL=f"{site.url}/#terms"):
        yield name


def test_they_look_well_before_and_after(alice: Page, version: str) -> None:
    alice.goto("/terms/")
    assert look(alice) == {}
    alice.goto("/dashboard/")
    assert look(alice) == {}
    alice.goto("/terms/")
    alice.get_by_role("button", name="Accept the terms of use").click()
    alice.wait_for_url("**/dashboard/")
    alice.goto("/terms/")
    assert alice.get_by_text("You accepted this version on").is_visible()
    assert look(alice) == {}


def test_the_keyboard_finds_and_accepts_them(alice: Page, version: str) -> None:
    alice.goto("/dashboard/")
    alice.get_by_role("link", name="Open the terms").focus()
    alice.keyboard.press("Enter")
    alice.wait_for_url("**/terms/")
    alice.get_by_role("link", name="Read the terms of use").focus()
    alice.keyboard.press("Tab")
    focused: Any = alice.evaluate("document.activeElement.innerText")
    assert focused == "Accept the terms of use"
    alice.keyboard.press("Enter")
    alice.wait_for_url("**/dashboard/")
    assert alice.get_by_role("link", name="Open the terms").count() == 0
