"""The profile in a browser: language and time zone, a token for a script, a copy of one's data, and erasing it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect

from portal import exports
from portal.models import ApiToken, DataExport, User
from tests.portal.pages.site import CALM, Site, violations
from tests.portal.pages.test_looks import look
from tests.portal.scene import ALICE

pytestmark = [pytest.mark.browser, pytest.mark.provider]

TOKEN = re.compile(r"oec_[0-9A-Za-z]{49}")


@pytest.fixture(autouse=True)
def _as_before(site: Site) -> Iterator[None]:
    cache.clear()
    yield
    ApiToken.objects.all().delete()
    DataExport.objects.all().delete()
    User.objects.filter(sub=ALICE).update(language="", time_zone="")


@pytest.fixture
def without_scripts(site: Site, browser: Browser, alices_cookies: Any) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, storage_state=alices_cookies, java_script_enabled=False)
    yield context.new_page()
    context.close()


def make_token(page: Page) -> str:
    """From the list to the token, by the names that people see."""
    page.goto("/profile/tokens/")
    page.get_by_role("link", name="New token").click()
    page.get_by_label("Name", exact=True).fill("Nightly report")
    page.get_by_label("Balances and grants").check()
    page.get_by_role("button", name="Make the token").click()
    page.wait_for_url("**/profile/tokens/")
    found = TOKEN.search(page.locator("main").inner_text())
    assert found
    return found[0]


def test_the_preview_follows_and_the_next_page_is_in_the_new_language(alice: Page) -> None:
    alice.goto("/profile/")
    expect(alice.locator("#preview")).to_contain_text("1,234.57")
    alice.get_by_label("Language", exact=True).select_option("de")
    expect(alice.locator("#preview")).to_contain_text("1.234,57")
    alice.get_by_label("Time zone").fill("Asia/Tokyo")
    expect(alice.locator("#preview")).to_contain_text("Asia/Tokyo")

    alice.locator("main form button").click()
    expect(alice.locator("html")).to_have_attribute("lang", "de")
    expect(alice.locator("footer")).to_contain_text("Asia/Tokyo")
    assert look(alice) == {}


def test_a_wrong_time_zone_is_said_beside_the_field(alice: Page) -> None:
    alice.goto("/profile/")
    with alice.expect_response("**/profile/?*"):  # the preview: an answer that nobody waits for is a complaint
        alice.get_by_label("Time zone").fill("Mars/Olympus")
    alice.get_by_role("button", name="Save").click()

    field = alice.get_by_label("Time zone")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(alice.get_by_text("Choose one of the list")).to_be_visible()
    assert violations(alice) == []


def test_a_token_is_made_copied_used_and_revoked(site: Site, alice: Page) -> None:
    alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    token = make_token(alice)
    assert look(alice) == {}
    alice.get_by_role("button", name="Copy the token").click()
    assert alice.evaluate("navigator.clipboard.readText()") == token

    def ask(path: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{site.url}{path}", headers=headers, timeout=10).status_code

    assert (ask("/api/v1/balance"), ask("/api/v1/jobs")) == (200, 403)
    alice.reload()
    assert not TOKEN.search(alice.content())

    alice.get_by_role("button", name="Revoke Nightly report").click()
    expect(alice.get_by_role("dialog", name="Revoke Nightly report?")).to_be_visible()
    assert violations(alice) == []
    alice.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(alice.get_by_role("status")).to_contain_text("Nightly report works no more.")
    assert ask("/api/v1/balance") == 401


def test_a_token_by_keyboard_alone(alice: Page) -> None:
    alice.goto("/profile/tokens/")
    alice.get_by_role("link", name="New token").focus()
    alice.keyboard.press("Enter")
    alice.wait_for_url("**/tokens/new/")
    alice.get_by_label("Name", exact=True).focus()
    alice.keyboard.type("By keyboard")
    alice.keyboard.press("Tab")
    alice.keyboard.press("Space")
    alice.keyboard.press("Enter")
    alice.wait_for_url("**/profile/tokens/")
    expect(alice.get_by_role("heading", name="By keyboard is ready. Copy it now")).to_be_visible()

    alice.get_by_role("button", name="Revoke By keyboard").focus()
    alice.keyboard.press("Enter")
    alice.keyboard.press("Tab")
    alice.keyboard.press("Enter")
    expect(alice.get_by_text("Revoked", exact=True).locator("visible=true")).to_be_visible()


def test_the_escape_key_keeps_a_token(alice: Page) -> None:
    make_token(alice)
    button = alice.get_by_role("button", name="Revoke Nightly report")
    button.focus()
    alice.keyboard.press("Enter")
    alice.keyboard.press("Escape")

    expect(alice.get_by_role("dialog")).to_be_hidden()
    expect(button).to_be_focused()


def test_a_copy_is_asked_for_watched_and_fetched(alice: Page, tmp_path: Path) -> None:
    alice.goto("/profile/data/")
    alice.get_by_role("button", name="Make a copy").click()
    expect(alice.get_by_text("Your copy begins in a moment.")).to_be_visible()
    assert look(alice) == {}
    assert exports.make_waiting() == 1

    link = alice.get_by_role("link", name="Download")
    expect(link).to_be_visible()
    assert look(alice) == {}
    with alice.expect_download() as download:
        link.click()
    file = tmp_path / "copy.zip"
    download.value.save_as(file)
    with zipfile.ZipFile(file) as archive:
        assert "jobs.json" in archive.namelist()
        assert ALICE in archive.read("profile.json").decode()


def test_all_of_it_works_without_scripts(without_scripts: Page) -> None:
    page = without_scripts
    make_token(page)
    page.get_by_role("button", name="Revoke Nightly report").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Revoked", exact=True).locator("visible=true")).to_be_visible()

    page.goto("/profile/data/")
    page.get_by_role("button", name="Make a copy").click()
    exports.make_waiting()
    page.reload()
    expect(page.get_by_role("link", name="Download")).to_be_visible()


def test_what_stands_in_the_way_of_erasing_is_said(alice: Page) -> None:
    alice.goto("/profile/data/")
    alice.get_by_role("link", name="See what would be deleted").click()

    expect(alice.get_by_role("heading", name="This has to be done first")).to_be_visible()
    assert alice.get_by_role("button", name="Delete what is personal").count() == 0


def test_somebody_erases_what_is_personal_by_keyboard(site: Site, browser: Browser) -> None:
    context = browser.new_context(base_url=site.url, **CALM)
    page = context.new_page()
    site.sign_in(page, "charlie")
    page.goto("/profile/data/erase/")
    assert look(page) == {}
    page.get_by_label("to confirm").focus()
    page.keyboard.type("delete everything")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Type exactly: delete my data")).to_be_visible()
    page.get_by_label("to confirm").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("delete my data")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.wait_for_url("**/profile/erased/")
    expect(page.get_by_role("heading", name="What was personal is deleted")).to_be_visible()
    assert look(page) == {}
    row = User.objects.get(erased_at__isnull=False)
    assert (row.name, row.email, row.entitlements) == ("", "", [])
    page.goto("/")
    expect(page.get_by_role("link", name="Sign in with")).to_be_visible()
    context.close()
