"""A team lead makes an organisation, invites somebody, sets limits, hands it over; and with the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounting import members, organisations
from accounting.models import Organisation, Person
from tests.portal import scene as scenes
from tests.portal.pages.site import CALM, Site, violations

pytestmark = pytest.mark.browser


@pytest.fixture
def lead(site: Site, browser: Browser, transactional_state: None) -> Iterator[Page]:
    """Bob, who owns the lab, signs in through the provider."""
    yield from _signed_in(site, browser, "bob")


@pytest.fixture
def guest(site: Site, browser: Browser, transactional_state: None) -> Iterator[Page]:
    """A browser in which nobody has signed in."""
    context = browser.new_context(base_url=site.url, **CALM)
    yield context.new_page()
    context.close()


@pytest.fixture
def transactional_state(site: Site) -> Iterator[None]:
    """What is chosen here, other tests must not see: everybody's lab pays again afterwards."""
    yield
    for login in (scenes.ALICE, scenes.BOB):
        organisations.switch_organisation(person(login), site.scene.lab)


def person(sub: str) -> int:
    issuer = Person.objects.values_list("issuer", flat=True).filter(sub=scenes.ALICE)[0]
    return organisations.ensure_person(issuer, sub).pk


def _signed_in(site: Site, browser: Browser, login: str) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, **CALM)
    page = context.new_page()
    site.sign_in(page, login)
    yield page
    context.close()


def test_the_story_of_a_team_lead(site: Site, lead: Page, guest: Page) -> None:
    lead.goto("/organisation/")
    lead.get_by_role("link", name="New organisation").click()
    lead.get_by_label("Name").fill("Coast Lab")
    lead.get_by_role("button", name="Create").click()
    expect(lead.get_by_role("heading", level=1, name="Coast Lab")).to_be_visible()
    made = Organisation.objects.get(name="Coast Lab").pk
    expect(lead.get_by_text(f'"etl_organization_id": {made}').first).to_be_visible()
    _accept(site, guest, _invite(lead))
    _limit(lead)
    _give_budget(lead)
    _transfer(lead)
    _hand_over(lead)
    assert {one.role for one in members.of(made)} == {"owner", "manager"}


def _open(page: Page, tab: str) -> None:
    page.get_by_role("navigation", name="Pages of the organisation").get_by_role("link", name=tab).click()


def _invite(page: Page) -> str:
    """The path of the link that is shown."""
    _open(page, "Members")
    page.get_by_label("E-mail address").fill("alice@example.org")
    page.get_by_role("button", name="Send the invitation").click()
    link = page.locator("[data-copy*='/invitations/']").get_attribute("data-copy") or ""
    assert violations(page) == []
    return "/invitations/" + link.rstrip("/").rpartition("/")[2] + "/"


def _accept(site: Site, page: Page, path: str) -> None:
    """Alice signs in on the way and comes back."""
    page.goto(site.url + path)
    expect(page.get_by_role("heading", name="Join Coast Lab")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="Sign in to answer").click()
    page.get_by_label("User").fill("alice")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("You are a member of Coast Lab now")).to_be_visible()


def _limit(page: Page) -> None:
    _open(page, "Limits")
    page.get_by_label("Credits at most").fill("500")
    page.get_by_role("button", name="Set the limit").click()
    expect(page.get_by_text("The limit holds from now on.")).to_be_visible()


def _give_budget(page: Page) -> None:
    """One that is too large first."""
    _open(page, "Projects")
    page.get_by_label("Name", exact=True).fill("Tidal flats")
    page.get_by_label("Short name").fill("flats")
    page.get_by_role("button", name="Create").click()
    page.get_by_label("Credits").fill("501")
    page.get_by_role("button", name="Set the budget").click()
    expect(page.get_by_text("the organisation may spend 500")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Credits").fill("200")
    page.get_by_role("button", name="Set the budget").click()
    expect(page.get_by_text("The budget holds from now on.")).to_be_visible()


def _transfer(page: Page) -> None:
    _open(page, "Transfers")
    page.get_by_role("textbox", name="Credits").fill("50")
    page.get_by_label("Reason").fill("Spring tide")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("The budget was moved.")).to_be_visible()


def _hand_over(page: Page) -> None:
    """And the log tells all of it."""
    _open(page, "Overview")
    page.get_by_label("New owner").select_option(index=0)
    page.get_by_role("button", name="Hand over").click()
    expect(page.get_by_text("You are a manager of it now.")).to_be_visible()
    _open(page, "Audit log")
    for change in ("Organisation handed over", "Budget moved", "Invitation accepted", "Organisation created"):
        expect(page.get_by_role("cell", name=change)).to_be_visible()
    page.locator("select[name=change]").select_option("budget.moved")
    expect(page.get_by_role("cell", name="Organisation created")).to_be_hidden()
    expect(page.get_by_text("Spring tide")).to_be_visible()


def test_members_are_removed_with_the_keyboard_alone(site: Site, lead: Page) -> None:
    made = organisations.create_organisation("Keys", person(scenes.BOB))
    dora = person("dora@egi.eu")
    members.add(made, dora, "viewer")
    organisations.switch_organisation(person(scenes.BOB), made)
    page = lead
    page.goto("/organisation/members/")
    _tab_to(page, "Remove Somebody who has not signed in yet")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Remove Somebody who has not signed in yet?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The member was removed.")).to_be_visible()
    assert members.role_of(made, dora) is None


def _tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        focused: Any = page.evaluate("document.activeElement.getAttribute('aria-label')")
        if focused == name:
            return
    raise AssertionError(f"{name} cannot be reached")
