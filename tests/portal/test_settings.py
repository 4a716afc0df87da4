"""The environment decides, says so when it cannot, and is documented."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from portal.settings import environment

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTATION = ROOT / "docs" / "settings.md"

PRODUCTION: Mapping[str, str] = {
    "DJANGO_SETTINGS_MODULE": "portal.settings.production",
    "SECRET_KEY": "Zk3v9QmT7xLrW2cB8nHd5yPfJ6sGaE1uVtRo0iXqKbNwMzCj4lYDhSgUe-A_pF",
    "PUBLIC_URL": "https://credits.example.org",
    "DATABASE_URL": "postgresql://app:x@127.0.0.1:1/portal",
    "CELERY_BROKER_URL": "amqp://broker.example.org//",
    "EMAIL_URL": "smtp+tls://portal:w0rd@smtp.example.org:587",
    "CACHE_URL": "redis://cache.example.org:6379/0",
    "OIDC_ISSUER": "https://aai.egi.eu/auth/realms/egi",
    "OIDC_RP_CLIENT_ID": "portal",
    "OIDC_RP_CLIENT_SECRET": "d2f1a9c04b7e4d0f8a53",
    "TOKEN_ISSUERS": json.dumps([{"id": "egi", "issuer": "https://aai.egi.eu/auth/realms/egi", "clients": ["openeo"]}]),
}


def in_a_process(code: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """For what can be tried once in a process only: applications loading, a server starting."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env={**clean, **env}, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    """Read the production settings anew from a given environment, beside those that the tests run with."""

    def load_anew(env: Mapping[str, str]) -> dict[str, Any]:
        for name in list(os.environ):
            if name.removesuffix("_FILE") in environment.asked:
                monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(environment, "_env", environ.FileAwareEnv())
        monkeypatch.setattr(environment, "asked", set())
        monkeypatch.delitem(sys.modules, "portal.settings.base")
        return runpy.run_module("portal.settings.production")

    return load_anew


@pytest.mark.parametrize(
    "name",
    [
        "SECRET_KEY",
        "PUBLIC_URL",
        "DATABASE_URL",
        "CELERY_BROKER_URL",
        "OIDC_ISSUER",
        "OIDC_RP_CLIENT_ID",
        "OIDC_RP_CLIENT_SECRET",
    ],
)
def test_what_is_missing_is_named(load: Any, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(f"Set {name} (or {name}_FILE)")):
        load({key: value for key, value in PRODUCTION.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("DATABASE_URL", "sqlite:///x", "DATABASE_URL must be a postgresql:// address"),
        ("DATABASE_LOCK_TIMEOUT_MS", "soon", "DATABASE_LOCK_TIMEOUT_MS must be a whole number"),
        ("SESSION_HOURS", "0", "SESSION_HOURS must be at least 1"),
        ("CREDIT_EURO", "cheap", "CREDIT_EURO must be a decimal number"),
        ("CREDIT_EURO", "NaN", "CREDIT_EURO must be more than 0"),
        ("CREDIT_EURO", "-1", "CREDIT_EURO must be more than 0"),
        ("DEMONSTRATION", "maybe", "DEMONSTRATION must be on or off"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be one of DEBUG, INFO"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT must be one of json, console"),
        ("EMAIL_URL", "smtp.example.org:587", "EMAIL_URL must be an address that begins with smtp, smtp+tls, smtps"),
        ("EMAIL_URL", "http://smtp.example.org", "EMAIL_URL must be an address that begins with"),
        ("EMAIL_URL", "smtps://smtp.example.org:port", "EMAIL_URL must be an address that begins with"),
        ("EMAIL_URL", "smtps://", "EMAIL_URL names no mail server"),
        ("EMAIL_TIMEOUT", "0", "EMAIL_TIMEOUT must be at least 1"),
        ("CALLBACK_ALLOWED_NETWORKS", "10.1.2.3/8", "CALLBACK_ALLOWED_NETWORKS must be a list of networks"),
        ("TOKEN_ISSUERS", "[", "TOKEN_ISSUERS is not valid JSON"),
        ("PLANS_BY_ENTITLEMENT", "{'a': 1}", "PLANS_BY_ENTITLEMENT is not valid JSON"),
        ("SECRET_KEY_FILE", "/nowhere/key", "SECRET_KEY_FILE cannot be read"),
        ("CACHE_URL", "carrier-pigeon://x", "CACHE_URL must be"),
    ],
)
def test_what_is_malformed_is_named(load: Any, name: str, value: str, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(text)):
        load({**PRODUCTION, name: value})


def test_secrets_from_files(load: Any, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    found = load({**PRODUCTION, "SECRET_KEY_FILE": str(tmp_path / "key")})
    assert found["SECRET_KEY"] == "from-a-file"


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("smtp+tls://po%40rtal:p%2Fw@smtp.example.org:2587", ("smtp.example.org", 2587, "po@rtal", "p/w", True, False)),
        ("smtp+tls://smtp.example.org", ("smtp.example.org", 587, "", "", True, False)),
        ("smtps://u:p@smtp.example.org", ("smtp.example.org", 465, "u", "p", False, True)),
        ("smtp://relay", ("relay", 25, "", "", False, False)),
    ],
)
def test_a_mail_server_is_one_address(load: Any, address: str, server: tuple[Any, ...]) -> None:
    found = load({**PRODUCTION, "EMAIL_URL": address})
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    assert tuple(found[f"EMAIL_{name}"] for name in names) == server
    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert found["DEFAULT_FROM_EMAIL"] == "openEO Credits <no-reply@credits.example.org>"


def test_without_a_mail_server_nothing_is_sent(load: Any) -> None:
    found = load({name: value for name, value in PRODUCTION.items() if name != "EMAIL_URL"})
    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.dummy.EmailBackend"


def test_networks(load: Any) -> None:
    found = load({**PRODUCTION, "CALLBACK_ALLOWED_NETWORKS": "10.20.0.0/16, fd12::/16"})
    assert [str(network) for network in found["CALLBACK_ALLOWED_NETWORKS"]] == ["10.20.0.0/16", "fd12::/16"]
    assert load(PRODUCTION)["CALLBACK_ALLOWED_NETWORKS"] == ()


def test_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, value in {
        "1": True,
        "on": True,
        "TRUE": True,
        "yes": True,
        "0": False,
        "off": False,
        "No": False,
    }.items():
        monkeypatch.setenv("A_SWITCH", text)
        assert environment.switch("A_SWITCH", default=not value) is value
    monkeypatch.setenv("A_SWITCH", "")
    assert environment.switch("A_SWITCH", default=True) is True


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TEXT", "  ")
    with pytest.raises(ImproperlyConfigured, match="Set A_TEXT"):
        environment.text("A_TEXT")


def documented() -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENTATION.read_text(), re.MULTILINE))


def test_every_variable_is_documented_and_every_documented_one_is_read(load: Any) -> None:
    load(PRODUCTION)
    assert environment.asked | {"DJANGO_SETTINGS_MODULE"} == documented()


def test_the_documented_defaults_are_ours(load: Any) -> None:
    """Defaults that are values stand in backticks in the last column."""
    found = load({name: value for name, value in PRODUCTION.items() if name not in {"CACHE_URL", "TOKEN_ISSUERS"}})
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \|.*\| `([^`]*)` \|$", DOCUMENTATION.read_text(), re.MULTILINE))
    compared = {
        name: str(found[name]) for name in rows if isinstance(found.get(name), str | int | Decimal | list | dict)
    }
    switches = {"on": "True", "off": "False"}
    different = {"DEFAULT_USER_ISSUER"}
    assert len(compared) > 20
    assert compared == {name: switches.get(rows[name], rows[name]) for name in compared} | {
        name: compared[name] for name in different
    }
