"""What people do: sign in and out, look for a job, read why it cost what it cost; with scripts and without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.portal.pages.site import JOB, Site

pytestmark = [pytest.mark.browser, pytest.mark.provider]


@pytest.fixture
def without_scripts(site: Site, browser: Browser, alices_cookies: Any) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, storage_state=alices_cookies, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_signing_in_from_the_landing_page_and_out_again(site: Site, stranger: Page) -> None:
    stranger.goto("/")
    stranger.get_by_role("link", name="Sign in with").click()
    stranger.get_by_label("User").fill("bob")
    stranger.get_by_role("button", name="Sign in", exact=True).click()
    expect(stranger.get_by_role("heading", name="Dashboard")).to_be_visible()

    stranger.get_by_role("button", name="Account of Bob Baker").click()
    stranger.get_by_role("button", name="Sign out").click()
    expect(stranger.get_by_role("heading", name="You are signed out here")).to_be_visible()
    stranger.get_by_role("link", name="Sign out of the identity provider too").click()
    stranger.get_by_role("button", name="Sign out").click()
    stranger.wait_for_url(f"{site.url}/**")


def test_a_link_to_a_job_survives_the_sign_in(site: Site, stranger: Page) -> None:
    stranger.goto(JOB)
    stranger.get_by_label("User").fill("alice")
    stranger.get_by_role("button", name="Sign in", exact=True).click()

    stranger.wait_for_url(f"{site.url}{JOB}")
    expect(stranger.get_by_role("heading", level=1)).to_have_text("NDVI composite of Flanders, September")


def test_giving_up_and_a_provider_gone_wrong(site: Site, stranger: Page) -> None:
    stranger.goto("/oidc/authenticate/")
    stranger.get_by_role("button", name="Cancel").click()
    expect(stranger.get_by_role("heading", name="You cancelled the sign-in")).to_be_visible()

    site.provider.set_fault("token", "wrong_audience", times=1)
    stranger.get_by_role("link", name="Sign in again").click()
    stranger.get_by_label("User").fill("alice")
    stranger.get_by_role("button", name="Sign in", exact=True).click()
    expect(stranger.get_by_role("heading", name="Your identity could not be confirmed")).to_be_visible()
    stranger.get_by_role("link", name="Sign in again").click()
    stranger.wait_for_url(f"{site.url}/dashboard/")


def test_another_browser_cannot_finish_the_sign_in(site: Site, browser: Browser, stranger: Page) -> None:
    stranger.route("**/oidc/callback/**", lambda route: route.abort())
    stranger.goto("/oidc/authenticate/")
    stranger.get_by_label("User").fill("alice")
    with stranger.expect_request("**/oidc/callback/**") as callback:
        stranger.get_by_role("button", name="Sign in", exact=True).click()
    victim = browser.new_context(base_url=site.url).new_page()
    victim.goto(callback.value.url)

    expect(victim.get_by_role("heading", name="This sign-in has already been used or has expired")).to_be_visible()
    victim.goto("/dashboard/")
    assert not victim.url.startswith(site.url)
    victim.context.close()


def test_from_the_dashboard_to_the_reason_of_a_cost(alice: Page) -> None:
    alice.goto("/dashboard/")
    alice.get_by_role("row", name="NDVI composite of Flanders, September").click()
    alice.wait_for_url(f"**{JOB}")
    expect(alice.get_by_role("row", name="Memory")).to_contain_text("3.635192328559 × 1 = 3.635192")

    alice.get_by_role("link", name="Receipt", exact=True).click()
    alice.get_by_role("link", name="JSON").click()
    expect(alice.locator("body")).to_contain_text('"job_id": "j-2611209f31c4a7"')


def test_filtering_changes_the_rows_and_the_address_but_not_the_page(alice: Page) -> None:
    alice.goto("/jobs/")
    alice.evaluate("document.body.dataset.same = 'yes'")
    alice.get_by_label("State").select_option("FAILED")
    alice.wait_for_url("**/jobs/?state=FAILED")
    expect(alice.locator("tbody tr").first).to_contain_text("Failed")
    assert alice.locator("tbody tr", has_text="Finished").count() == 0
    assert alice.evaluate("document.body.dataset.same") == "yes"

    alice.go_back()
    expect(alice.locator("tbody tr", has_text="Finished").first).to_be_visible()


def test_paging_with_scripts(alice: Page) -> None:
    alice.goto("/jobs/")
    first = alice.locator("tbody tr").first.inner_text()
    alice.get_by_role("link", name="Older").click()
    alice.wait_for_url("**after=*")
    expect(alice.get_by_role("link", name="Older")).to_have_count(0)
    alice.get_by_role("link", name="Newer").click()
    alice.wait_for_url("**before=*")
    assert alice.locator("tbody tr").first.inner_text() == first


def test_all_of_it_works_without_scripts(without_scripts: Page) -> None:
    page = without_scripts
    page.goto("/jobs/")
    page.get_by_label("State").select_option("FAILED")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**state=FAILED&**")
    assert page.locator("tbody tr", has_text="Finished").count() == 0

    page.goto("/jobs/")
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**after=*")

    page.get_by_role("button", name="Account of").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
