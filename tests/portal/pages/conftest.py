"""A running site with something to see, and Chromium looking at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import override_settings
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from devtools.processes import free_ports
from devtools.provider import Provider, ProviderAdmin
from portal import provider
from tests.conftest import disconnect_others, empty_database
from tests.portal import running
from tests.portal import scene as scenes
from tests.portal.pages.site import CALM, PHONE, Site, Watch

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": os.environ["CHROMIUM"], "args": ARGUMENTS}


@pytest.fixture(scope="package")
def site(
    django_db_setup: None, django_db_blocker: Any, own_provider: Provider, sign_in_settings: dict[str, str]
) -> Iterator[Site]:
    """The pages on a port of their own, with committed rows; all of it is gone afterwards."""
    provider.forget()
    cache.clear()
    admin = ProviderAdmin(own_provider.root)
    admin.clear_faults()
    with django_db_blocker.unblock(), override_settings(**sign_in_settings):
        server = LiveServer(f"127.0.0.1:{free_ports(1)[0]}")
        try:
            scene = scenes.furnish(own_provider.issuer)
            running.start(scene)
            yield Site(server.url, scene, admin)
        finally:
            server.stop()
            disconnect_others()
            empty_database()
            # Playwright's loop gives its callers a connection of their own, which nobody else would close.
            connection.close()


@pytest.fixture(scope="package")
def alices_cookies(site: Site, browser: Browser) -> Any:
    """Alice signs in once, through the provider; tests start with her cookies."""
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    site.sign_in(page, "alice")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def alice(site: Site, browser: Browser, alices_cookies: Any) -> Iterator[Page]:
    yield from _page(browser.new_context(base_url=site.url, storage_state=alices_cookies, **CALM))


@pytest.fixture
def alice_offline(site: Site, browser: Browser, alices_cookies: Any) -> Iterator[Page]:
    """For faults that a test makes: their page may complain, for it is what htmx does about each of them."""
    context = browser.new_context(base_url=site.url, storage_state=alices_cookies, **CALM)
    yield context.new_page()
    context.close()


@pytest.fixture
def alices_phone(site: Site, browser: Browser, alices_cookies: Any) -> Iterator[Page]:
    yield from _page(browser.new_context(base_url=site.url, storage_state=alices_cookies, **CALM, **PHONE))


@pytest.fixture
def stranger(site: Site, browser: Browser) -> Iterator[Page]:
    yield from _page(browser.new_context(base_url=site.url, **CALM))


def _page(context: BrowserContext) -> Iterator[Page]:
    """A page that may complain about nothing and ask nobody else for anything."""
    page = context.new_page()
    watch = Watch()
    page.on("console", watch.heard)
    page.on("pageerror", watch.failed)
    page.on("request", watch.asked)
    yield page
    context.close()
    assert watch.complaints == []
