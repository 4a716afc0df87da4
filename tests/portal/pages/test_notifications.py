"""Hearing of something, choosing what to hear, and stopping a mail: with a mouse, with keys only, without scripts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings
from playwright.sync_api import Browser, Page, expect

from accounting import notices
from portal import mail
from portal.contexts.notice_texts import Said
from portal.deliveries.routing import context_of
from portal.mail import links
from portal.mail_rows import Mail
from portal.models import User
from portal.notifications import preferences
from tests.portal.pages.site import Site, overflow, violations

pytestmark = [pytest.mark.browser, pytest.mark.provider]

_numbers = itertools.count()
FACTS: dict[str, Any] = {"label": "Trial", "left": 5_000_000, "expires_at": "2027-03-01T10:00:00+00:00", "name": "Lab"}


def user_of(site: Site) -> User:
    return User.objects.get(person_id=site.scene.alice)


@pytest.fixture
def told(site: Site, django_db_blocker: Any) -> Iterator[str]:
    """Alice was told of one thing that she has not read; its title."""
    with django_db_blocker.unblock():
        notices.mark_read(site.scene.alice)
        facts = FACTS | {"organisation": site.scene.lab, "grant": 1}
        notices.tell([site.scene.alice], site.scene.lab, "grant_expiring", f"browser {next(_numbers)}", facts)
        yield "Credits of Geo Lab Ghent expire on 1 Mar 2027"
        notices.mark_read(site.scene.alice)


def test_from_the_bell_to_what_it_is_about(alice: Page, told: str) -> None:
    alice.goto("/jobs/")
    bell = alice.get_by_role("link", name="Notifications, 1 unread")
    bell.click()
    expect(alice.get_by_role("heading", name="Notifications", exact=True)).to_be_visible()
    alice.get_by_role("link", name=f"See the grants: {told}").first.click()
    expect(alice.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(alice.get_by_role("link", name="Notifications", exact=True)).to_be_visible()


def test_filtering_stays_on_the_page_and_marking_all_empties_the_bell(alice: Page, told: str) -> None:
    alice.goto("/notifications/")
    alice.get_by_role("combobox", name="About").select_option("job_stop")
    expect(alice.get_by_text("Nothing of this kind")).to_be_visible()
    assert alice.url.endswith("?kind=job_stop")
    alice.goto("/notifications/?show=unread")
    expect(alice.get_by_role("listitem").filter(has_text=told)).to_have_count(1)
    alice.get_by_role("button", name="Mark all as read").click()
    expect(alice.get_by_text("1 notification marked as read.")).to_be_visible()
    expect(alice.get_by_text("You have read everything")).to_be_visible()


def test_with_keys_only(alice: Page, told: str) -> None:
    alice.goto("/notifications/?show=unread")
    mark = alice.get_by_role("button", name=f"Mark as read: {told}")
    for _ in range(40):
        alice.keyboard.press("Tab")
        if mark.evaluate("button => button === document.activeElement"):
            break
    alice.keyboard.press("Enter")
    expect(alice.get_by_text("You have read everything")).to_be_visible()

    alice.goto("/profile/notifications/")
    choice = alice.get_by_role("combobox", name="Credits run low, by mail")
    choice.focus()
    alice.keyboard.press("O")
    alice.keyboard.press("Enter")
    alice.get_by_role("button", name="Save", exact=True).focus()
    alice.keyboard.press("Enter")
    expect(alice.get_by_text("Your notifications are set.")).to_be_visible()
    expect(alice.get_by_role("combobox", name="Credits run low, by mail")).to_have_value("daily")


def test_choosing_works_without_scripts(site: Site, browser: Browser, alices_cookies: Any) -> None:
    context = browser.new_context(base_url=site.url, storage_state=alices_cookies, java_script_enabled=False)
    page = context.new_page()
    page.goto("/profile/notifications/")
    page.get_by_role("checkbox", name="Receipts, in the portal").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("checkbox", name="Receipts, in the portal")).to_be_checked()
    page.get_by_role("radio", name="fewer are left than the amount below").check()
    page.get_by_label("Credits", exact=False).and_(page.locator("[name=amount]")).fill("")
    page.get_by_role("button", name="Save the alert").click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    page.locator("[name=amount]").fill("250.5")
    page.get_by_role("button", name="Save the alert").click()
    expect(page.locator("[name=amount]")).to_have_value("250.5")
    context.close()


def test_a_stranger_stops_a_mail_with_its_link(site: Site, stranger: Page, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        link = links.stop_link("tariff_announced", user=user_of(site)).replace("http://testserver", "")
    stranger.goto(link)
    assert violations(stranger) == []
    stranger.get_by_role("button", name="Stop these mails").click()
    expect(stranger.get_by_text("We do not mail you about “Prices change” any more.")).to_be_visible()
    with django_db_blocker.unblock():
        assert preferences.of_user(user_of(site))["tariff_announced"].mail == "off"


def test_the_mailbox_of_a_demonstration(site: Site, alice: Page, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        User.objects.filter(person_id=site.scene.alice).update(email_verified=True)
        said = Said("low_balance", "warn", "Credits of Lab run low", "5 are left.", "/jobs/", "See the jobs")
        context = dict(context_of(said)) | {"link": f"{site.url}/jobs/"}
        mail.queue(user_of(site), "low_balance", f"browser {next(_numbers)}", context, template="notice")
    with override_settings(DEMONSTRATION=True):
        alice.goto("/mail/")
        assert violations(alice) == []
        alice.get_by_role("link", name="Credits of Lab run low").first.click()
        expect(alice.get_by_role("heading", name="Credits of Lab run low")).to_be_visible()
        assert overflow(alice) == 0
        frame = alice.frame_locator("iframe")
        expect(frame.get_by_role("heading", name="Credits of Lab run low")).to_be_visible()
        frame.get_by_role("link", name="See the jobs").click()
        expect(alice.get_by_role("heading", name="Jobs")).to_be_visible()
    with django_db_blocker.unblock():
        Mail.objects.all().delete()
