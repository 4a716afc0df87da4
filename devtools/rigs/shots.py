"""`make shots`: the demonstration's pages as pictures in .local/shots, in light, in dark and as on a phone.

Runs inside `python -m devtools.testenv`, so nothing of it touches a database that somebody uses.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlencode

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from devtools.demonstration.people import PEOPLE
from devtools.paths import LOCAL, PYTHON, ROOT
from devtools.processes import Child, Command, answers, free_ports, run_quietly, wait_until
from devtools.provider import ProviderAdmin

SHOTS = LOCAL / "shots"
FOR_README = ROOT / "docs" / "images" / "dashboard.png"
WINDOW: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 360, "height": 780}
LOOKS = (("light", "light", WINDOW), ("dark", "dark", WINDOW), ("phone", "light", PHONE))
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
#: What a worker would do meanwhile: people are told what they should know.
TELL = "import django; django.setup(); from accounting import outbox\nwhile outbox.deliver(): pass"
#: Who looks at what. The first has many jobs and grants, the second a debt, the third an organisation that refused.
PLAN = {
    "ines": (
        *("/dashboard/", "/jobs/", "/jobs/?kind=batch&sort=cost", "/compare/", "/holds/", "/estimates/"),
        *("/profile/", "/profile/tokens/", "/profile/tokens/new/", "/profile/data/", "/profile/data/erase/"),
        *("/usage/", "/usage/?period=90d&by=week&split=backend", "/usage/entries/", "/usage/views/"),
        *("/search/?q=ndvi", "/help/team-lead/", "/nothing/here"),
        *("/notifications/", "/profile/notifications/", "/mail/"),
    ),
    "jonas": (
        *("/organisation/", "/organisation/members/", "/organisation/projects/", "/organisation/project/forest-loss/"),
        *("/organisation/limits/", "/organisation/transfers/", "/organisation/audit/", "/organisation/new/"),
    ),
    "eleni": ("/dashboard/",),
    "dragos": ("/dashboard/",),
}
OPEN = (
    *("/", "/help/", "/help/researcher/", "/styleguide/"),
    *("/", "/rates/", "/rates/cdse/", "/rates/cdse/1/", "/backends/", "/backends/cdse/"),
    *("/estimate/", "/estimate/?what=snow_line&area=400"),
    *("/session-over/", "/signed-out/", "/oidc/callback/?error=access_denied"),
)


@contextmanager
def running_portal() -> Iterator[str]:
    """The portal with the demonstration's history, on a port of its own; its address."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    env = {"DEMONSTRATION": "on", "PUBLIC_URL": url, "LOG_FORMAT": "console"}
    run_quietly("migrate", [PYTHON, "manage.py", "migrate"], env=env, cwd=ROOT)
    run_quietly("grant_privileges", [PYTHON, "manage.py", "grant_privileges"], env=env, cwd=ROOT)
    run_quietly("seed", [PYTHON, "-m", "devtools.demonstration", "seed"], env=env, cwd=ROOT)
    run_quietly("outbox", [PYTHON, "-c", TELL], env=env, cwd=ROOT)
    web = start_web(port, env | {"DATABASE_URL": os.environ["DATABASE_APP_URL"]})
    try:
        wait_until(lambda: answers(f"{url}/health"), "the portal", seconds=20, child=web)
        yield url
    finally:
        web.stop()


def start_web(port: int, env: Mapping[str, str]) -> Child:
    command: Command = [PYTHON, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    return Child.start("shots-web", command, LOCAL / "logs", env=env, cwd=ROOT)


def tell_provider() -> None:
    """Make the demonstration's people known to the provider of the test services."""
    admin = ProviderAdmin(os.environ["TEST_OP_ROOT"])
    for person in PEOPLE:
        admin.add_person(**person.at_provider())


def sign_in(context: BrowserContext, url: str, login: str) -> Page:
    page = context.new_page()
    page.goto(f"{url}/oidc/authenticate/")
    page.get_by_label("User").fill(login)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{url}/dashboard/")
    return page


def shoot(page: Page, url: str, path: str, name: str) -> None:
    """Take the whole page in each look."""
    for look, theme, size in LOOKS:
        page.context.add_cookies([{"name": "theme", "value": theme, "url": url}])
        page.set_viewport_size(size)
        page.goto(url + path)
        page.evaluate("document.fonts.ready")
        page.screenshot(path=SHOTS / f"{name}-{look}.png", full_page=True)


def shoot_menus(page: Page, url: str) -> None:
    for menu in ("organisation-menu", "account-menu"):
        for look, _, size in LOOKS[1:]:
            page.set_viewport_size(size)
            page.goto(f"{url}/dashboard/")
            page.locator(f"[popovertarget={menu}]:visible").click()
            page.screenshot(path=SHOTS / f"{menu}-{look}.png")


def shoot_search(page: Page, url: str) -> None:
    """The window that Ctrl-K opens, with something in it."""
    for look, theme, size in LOOKS:
        page.context.add_cookies([{"name": "theme", "value": theme, "url": url}])
        page.set_viewport_size(size)
        page.goto(f"{url}/dashboard/")
        page.keyboard.press("Control+k")
        page.keyboard.type("ndvi")
        page.locator("#palette [role=option]", has_text="NDVI").first.wait_for()
        page.screenshot(path=SHOTS / f"search-{look}.png")


def shoot_person(browser: Browser, url: str, login: str, paths: tuple[str, ...]) -> None:
    context = browser.new_context(viewport=WINDOW, reduced_motion="reduce")
    page = sign_in(context, url, login)
    for path in paths:
        shoot(page, url, path, f"{login}-{re.sub(r'[^a-z]+', '-', path.lower()).strip('-')}")
    page.set_viewport_size(WINDOW)
    page.goto(f"{url}/jobs/")
    first = page.locator("a[data-open]").first.get_attribute("href")
    picks = page.eval_on_selector_all("input[name=job]", "boxes => boxes.slice(0, 4).map(box => box.value)")
    if first:
        shoot(page, url, first, f"{login}-job")
        shoot(page, url, first.replace("/jobs/", "/receipts/"), f"{login}-receipt")
        shoot(page, url, f"/compare/?{urlencode({'job': picks}, doseq=True)}", f"{login}-compared")
    if login == next(iter(PLAN)):
        shoot_menus(page, url)
        shoot_search(page, url)
        shoot_for_readme(page, url)
    context.close()


def shoot_for_readme(page: Page, url: str) -> None:
    """The picture that the README shows: the first window of the dashboard."""
    page.context.add_cookies([{"name": "theme", "value": "light", "url": url}])
    page.set_viewport_size(WINDOW)
    page.goto(f"{url}/dashboard/")
    FOR_README.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=FOR_README)


def main() -> int:
    if "TEST_OP_ROOT" not in os.environ:
        print("Run `make shots`: it starts the services that this needs.", file=sys.stderr)
        return 2
    shutil.rmtree(SHOTS, ignore_errors=True)
    SHOTS.mkdir(parents=True)
    tell_provider()
    with running_portal() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=ARGUMENTS)
        page = browser.new_page(viewport=WINDOW)
        for path in OPEN:
            shoot(page, url, path, f"open-{re.sub(r'[^a-z]+', '-', path).strip('-') or 'landing'}")
        for login, paths in PLAN.items():
            shoot_person(browser, url, login, paths)
        browser.close()
    count = len(list(SHOTS.glob("*.png")))
    print(f"{count} pictures in {SHOTS.relative_to(ROOT)}, one in {FOR_README.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
