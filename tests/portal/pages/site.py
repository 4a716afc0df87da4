"""The site under test, what a phone is, and what a page must not do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Error, Page, Request

from devtools.provider import ProviderAdmin
from tests.portal.scene import Scene

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
#: Colours that are on their way from one to the other have no contrast to measure.
CALM: dict[str, Any] = {"reduced_motion": "reduce"}
JOB = "/jobs/TerraScope/MEP/j-2611209f31c4a7"
HELD_JOB = "/jobs/TerraScope/MEP/j-26-held-and-done"
RECEIPT = JOB.replace("/jobs/", "/receipts/")
PICKS = ("TerraScope/MEP/j-2611209f31c4a7", "cdse/j-2611201b77aa90", "TerraScope/MEP/j-26-held-and-done")
COMPARED = f"/compare/?job={'&job='.join(PICKS)}"
PAGES = (
    *("/dashboard/", "/jobs/", "/jobs/?state=RUNNING", JOB, "/jobs/cdse/j-2611201b77aa90", HELD_JOB),
    *(RECEIPT, "/jobs/?kind=batch&least=1&sort=cost", "/jobs/?text=nothing+like+it"),
    *(COMPARED, "/compare/", f"/compare/?job={PICKS[0]}"),
    *("/usage/", "/usage/?period=all&by=member&split=backend", "/usage/?by=grant&backend=cdse&project="),
    *("/usage/?period=custom&by=week", "/usage/?process=nothing", "/usage/entries/", "/usage/views/"),
    *("/holds/", "/holds/?state=ended&backend=cdse", "/estimates/", "/profile/"),
    *("/search/", "/search/?q=flanders", "/search/?q=nothing+like+it", "/help/team-lead/"),
    *("/notifications/", "/notifications/?show=unread&kind=grant_expiring", "/profile/notifications/"),
    *("/profile/tokens/", "/profile/tokens/new/", "/profile/data/", "/profile/data/erase/"),
    *("/organisation/", "/organisation/members/", "/organisation/projects/", "/organisation/project/dunes/"),
    *("/organisation/limits/", "/organisation/transfers/", "/organisation/audit/", "/organisation/new/"),
    *("/rates/", "/rates/cdse/", "/backends/", "/backends/terrascope/", "/estimate/?what=ndvi&area=10"),
)
OPEN_PAGES = (
    *("/", "/signed-out/", "/profile/erased/", "/session-over/", "/search/?q=failed+job"),
    *("/help/", "/help/researcher/", "/help/back-end-operator/", "/help/publisher/", "/styleguide/"),
    *("/rates/", "/rates/terrascope/", "/rates/terrascope/1/?source=TerraScope%2FMEP"),
    *("/backends/", "/backends/cdse/", "/estimate/", "/estimate/?what=ndvi&area=10"),
)
#: Pages whose status is an error on purpose: Chromium reports that on the console, and only that is excused.
FAULT_PAGES = (
    *("/nothing", "/notifications/stop/x/", "/jobs/?state=x", "/holds/00000000-0000-0000-0000-000000000000/"),
    *(
        "/nothing",
        "/jobs/?state=x",
        "/organisation/audit/?since=x",
        "/invitations/nothing/",
        "/holds/00000000-0000-0000-0000-000000000000/",
    ),
    *("/nothing", "/jobs/?state=x", "/usage/?by=x", "/holds/00000000-0000-0000-0000-000000000000/"),
    "/oidc/callback/?error=access_denied",
)


@dataclass(frozen=True)
class Site:
    url: str
    scene: Scene
    provider: ProviderAdmin

    def sign_in(self, page: Page, login: str) -> None:
        """Through the provider's own page."""
        page.goto("/oidc/authenticate/")
        page.get_by_label("User").fill(login)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(f"{self.url}/dashboard/")


@dataclass
class Watch:
    """Collects what a page complains about, and whom it asks besides us and the provider."""

    complaints: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        text = message.text
        if message.type in {"error", "warning"} and "Failed to load resource: the server responded" not in text:
            self.complaints.append(text)

    def failed(self, error: Error) -> None:
        self.complaints.append(str(error))

    def asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and parts.hostname != "127.0.0.1":
            self.complaints.append(f"asked {parts.hostname}")


def set_colours(page: Page, theme: str) -> None:
    """Change the colours of the open page, as its switch does."""
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)


def violations(page: Page) -> list[str]:
    """What axe finds: rule, and the element."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width
