"""Whoever runs no script reads every page all the same, figures of charts included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.portal.pages.site import CALM, OPEN_PAGES, PAGES, Site

pytestmark = [pytest.mark.browser, pytest.mark.provider]

#: What only a script could do is not offered: buttons that copy, boxes where a chart would be drawn.
USELESS = "[data-copy], [data-close-toast], .chart-canvas"


@pytest.fixture
def reader(site: Site, browser: Browser, alices_cookies: Any) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, storage_state=alices_cookies, java_script_enabled=False, **CALM)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", [*PAGES, *OPEN_PAGES])
def test_every_page_is_read(reader: Page, path: str) -> None:
    answer = reader.goto(path)

    assert answer is not None
    assert answer.status == 200
    assert reader.locator("main h1").first.is_visible()
    assert reader.locator(USELESS).locator("visible=true").count() == 0
    for summary in reader.locator("[data-chart-table] > summary").all():
        summary.click()
    assert all(table.is_visible() for table in reader.locator("[data-chart-table] table").all())
