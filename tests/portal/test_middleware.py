"""Headers, transport, and that the shell stays cheap for the machines that call all day."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from portal import surfaces

pytestmark = pytest.mark.django_db

MACHINES = ["/user", "/user/permissions", "/validate/auth", "/resources", "/addedvalue", "/api/v1/usage-reports"]


@pytest.mark.parametrize("path", ["/", "/docs/", "/api/v1/docs/", "/nothing", "/health"])
def test_headers(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "default-src 'none'" in answer["Content-Security-Policy"].split("; ")
    if path != "/health":
        assert "camera=()" in answer["Permissions-Policy"]


@pytest.mark.parametrize("path", MACHINES)
def test_answers_for_programs_are_inert_and_kept_nowhere(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", MACHINES)
def test_a_browser_that_is_signed_in_changes_nothing_for_programs(client: Client, settings: Any, path: str) -> None:
    """The page that tries an API out sends the session's cookie along: it neither helps nor breaks the call."""
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    assert client.get(path).status_code in {401, 405}


def test_content_security_policy(client: Client, settings: Any) -> None:
    policy = dict(part.strip().split(" ", 1) for part in client.get("/")["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    provider = "/".join(settings.OIDC_ISSUER.split("/")[:3])
    assert policy["form-action"] == f"'self' {provider}"
    assert "unsafe" not in str(policy)


@pytest.mark.parametrize("path", MACHINES)
def test_apis_are_refused_over_http(client: Client, settings: Any, path: str) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().post(path, b"{}", "application/json", headers={"authorization": "Bearer x"})
    assert answer.status_code == 403
    assert answer.json()["code"] == "https_required"
    assert "Location" not in answer


def test_apis_answer_over_https(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/user", secure=True).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_probes_come_without_tls(settings: Any, path: str) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^(?:api/|health(?:/ready)?$)"]
    assert Client().get(path).status_code in {200, 503}


@pytest.mark.parametrize("path", MACHINES)
def test_no_redirect_and_no_cookie_for_machines(client: Client, path: str) -> None:
    for address in (path, f"{path}/"):
        answer = client.post(address, b"{}", "application/json")
        assert answer.status_code in {401, 404, 405}
        assert not answer.cookies


def test_health_asks_nothing_of_the_database(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.content == b'{"status":"ok","info":{},"error":{},"details":{}}'
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["//health", "///health"])
def test_health_of_a_base_address_that_ends_in_a_slash(client: Client, path: str) -> None:
    assert client.get("/", PATH_INFO=path).json()["status"] == "ok"


@pytest.mark.parametrize("path", ["/docs", "/api/v1/docs", "/dashboard", "/jobs", "/profile"])
def test_a_page_without_its_slash(client: Client, path: str) -> None:
    answer = client.get(f"{path}?a=b")
    assert (answer.status_code, answer["Location"]) == (301, f"{path}/?a=b")
    assert client.post(path).status_code == 405


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_health_is_only_read(client: Client, method: str) -> None:
    assert client.generic(method, "/health").status_code == 405


def test_the_admin_has_no_form_for_passwords(client: Client, settings: Any) -> None:
    answer = client.get(f"/{settings.ADMIN_PATH}/", follow=False)
    assert answer.status_code == 302
    answer = client.get(answer["Location"])
    assert answer.status_code == 302
    assert answer["Location"].startswith(settings.LOGIN_URL)


def test_a_form_that_is_too_large(client: Client) -> None:
    answer = client.generic("POST", "/theme/", b"x" * (1024 * 1024 + 1), "application/x-www-form-urlencoded")
    assert answer.status_code == 413
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("mount", "path", "surface"),
    [
        ("", "/resources", "etl"),
        ("", "//resources", "etl"),
        ("", "/resources/", "etl"),
        ("", "/user/permissions", "etl"),
        ("", "/user/other", "page"),
        ("", "/resourcesx", "page"),
        ("etl", "/etl/resources", "etl"),
        ("etl", "/etl//resources", "etl"),
        ("etl", "/resources", "page"),
        ("a/b", "/a/b/validate/auth", "etl"),
        ("", "/api/v1/balance", "problem"),
        ("", "/api/v1/docs/", "page"),
        ("", "/health", "probe"),
        ("", "//health", "probe"),
        ("", "/health/ready", "probe"),
        ("", "/docs/", "page"),
        ("", "/", "page"),
    ],
)
def test_surfaces(settings: Any, mount: str, path: str, surface: str) -> None:
    settings.ETL_MOUNT = mount
    assert surfaces.surface_of(path) == surface
    exempt = re.match(surfaces.machine_paths(mount), path.removeprefix("/")) is not None
    assert exempt == (surface in {"etl", "problem", "probe"} or path.startswith("/api/"))


def test_openeos_addresses_are_refused_over_http_in_openeos_words(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().get("/api/v1/openeo/me", headers={"authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "PermissionsInsufficient")
    assert answer.json()["links"][0]["href"].endswith("/problems/https_required")
