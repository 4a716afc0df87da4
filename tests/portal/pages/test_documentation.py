"""The descriptions of both APIs, in a browser that holds them to the policy: no inline code, nothing from elsewhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.provider]


@pytest.mark.parametrize(("path", "operation"), [("/docs/", "/addedvalue"), ("/api/v1/docs/", "/api/v1/usage-reports")])
def test_the_operations_are_shown_and_open(stranger: Page, path: str, operation: str) -> None:
    stranger.goto(path)
    block = stranger.locator(".opblock", has=stranger.locator(f'[data-path="{operation}"]')).first
    expect(block).to_be_visible()
    block.locator(".opblock-summary-control").click()
    expect(block.locator(".responses-table").first).to_contain_text("503")


def test_a_call_from_the_page_is_refused_as_any_other(stranger: Page) -> None:
    """Trying an operation without a token shows the answer that a program would get."""
    stranger.goto("/docs/")
    block = stranger.locator(".opblock", has=stranger.locator('[data-path="/validate/auth"]')).first
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table")).to_contain_text("authentication_required")
