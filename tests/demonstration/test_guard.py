"""Real credits are safe from the demonstration: it is nowhere in what is shipped, and refuses what is not its own."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as current
from django.urls import get_resolver

from devtools.demonstration.describe import describe
from devtools.demonstration.guard import DemonstrationRefused, require_demonstration_environment
from devtools.demonstration.seed import seed
from devtools.paths import ROOT
from tests.demonstration.books import value

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "portal.settings.production",
    "SECRET_KEY": "k7Qw2zPq9LrT4vXy8BnM3cDf6GhJ1sAe5UiO0pWxZtRyVbNq",
    "PUBLIC_URL": "https://credits.example.org",
    "DATABASE_URL": "postgresql://somebody:secret@127.0.0.1:1/portal",
    "DATABASE_OWNER_URL": "postgresql://somebody:secret@127.0.0.1:1/portal",
    "CELERY_BROKER_URL": "amqp://127.0.0.1:1//",
    "OIDC_ISSUER": "https://aai.egi.eu/auth/realms/egi",
    "OIDC_RP_CLIENT_ID": "portal",
    "OIDC_RP_CLIENT_SECRET": "k7Qw2zPq9LrT4vXy8BnM3cDf6GhJ1sAe",
    "TOKEN_ISSUERS": "[]",
    "ETL_URL": "https://credits.example.org",
}


def run(action: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-W", "error", "-m", "devtools.demonstration", action]
    return subprocess.run(command, env=kept | env, cwd=ROOT, text=True, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("action", ["seed", "describe", "live"])
def test_production_refuses_each_action_even_when_asked(action: str) -> None:
    done = run(action, **PRODUCTION, DEMONSTRATION="on")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Refused: "), done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(("switched_on", "production"), [(False, False), (True, True), (False, True)])
def test_a_database_is_not_touched(settings: Any, switched_on: bool, production: bool) -> None:
    settings.DEMONSTRATION = switched_on
    settings.REFUSE_UNSAFE_START = production
    for action in (seed, describe):
        with pytest.raises(DemonstrationRefused):
            action()
    assert value("SELECT count(*) FROM accounting_person") == 0


@pytest.mark.parametrize(
    ("module", "switch"), [("portal.settings.production", "on"), ("portal.settings.dev", "off"), ("", "")]
)
def test_the_live_back_end_asks_the_environment(monkeypatch: pytest.MonkeyPatch, module: str, switch: str) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", module)
    monkeypatch.setenv("DEMONSTRATION", switch)
    with pytest.raises(DemonstrationRefused):
        require_demonstration_environment()


def test_nothing_shipped_imports_the_development_tools() -> None:
    for package in ("accounting", "marketplace", "portal"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not any(name.split(".")[0] == "devtools" for name in names), path


def test_it_has_no_address_and_is_no_app() -> None:
    assert not any(app.split(".")[0] == "devtools" for app in current.INSTALLED_APPS)
    served = [str(pattern.pattern) for pattern in get_resolver().url_patterns]
    assert served
    assert not any("demonstration" in address for address in served)


def test_an_unknown_action_is_explained() -> None:
    done = run("sead")
    assert done.returncode == 2
    assert "seed | describe | live" in done.stderr
