"""Each way to misconfigure the service has a check that notices it, and the right settings have none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.core import checks as django_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.urls import get_resolver

from portal import checks
from portal.checks import everywhere, rules
from tests.portal.test_settings import PRODUCTION, in_a_process

GOOD: Mapping[str, Any] = {
    "DEBUG": False,
    "SECRET_KEY": PRODUCTION["SECRET_KEY"],
    "SECRET_KEY_FALLBACKS": [],
    "ALLOWED_HOSTS": ["credits.example.org"],
    "PUBLIC_URL": "https://credits.example.org",
    "CSRF_TRUSTED_ORIGINS": ["https://credits.example.org"],
    "DEMONSTRATION": False,
    "STYLEGUIDE": False,
    "SESSION_COOKIE_NAME": "__Host-session",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_NAME": "__Host-csrf",
    "CSRF_COOKIE_SECURE": True,
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 31_536_000,
    "CELERY_BROKER_URL": "amqps://broker.example.org//",
    "CACHES": {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x"}},
    "OIDC_ISSUER": "https://aai.egi.eu/auth/realms/egi",
    "DEFAULT_USER_ISSUER": "https://aai.egi.eu/auth/realms/egi",
    "OIDC_RP_CLIENT_SECRET": "d2f1a9c04b7e4d0f8a53",
    "OIDC_RP_SIGN_ALGO": "RS256",
    "TOKEN_ISSUERS": [{"id": "egi", "issuer": "https://aai.egi.eu/auth/realms/egi", "clients": ["openeo"]}],
    "ETL_MOUNT": "",
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "EMAIL_HOST": "smtp.example.org",
    "EMAIL_HOST_PASSWORD": "x",
    "EMAIL_USE_TLS": True,
    "DEFAULT_FROM_EMAIL": "openEO Credits <no-reply@credits.example.org>",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "INFO",
    "AUTHENTICATION_BACKENDS": ["portal.oidc.Backend"],
}

#: Check id -> settings that each alone must be noticed.
BROKEN: Mapping[str, list[dict[str, Any]]] = {
    "E001": [{"TIME_ZONE": "Europe/Brussels"}, {"USE_TZ": False}],
    "E002": [
        {"TOKEN_ISSUERS": {}},
        {"TOKEN_ISSUERS": ["https://x.example.org"]},
        {"TOKEN_ISSUERS": [{"id": "a b", "issuer": "https://x.example.org"}]},
        {"TOKEN_ISSUERS": [{"id": "a"}]},
        {"TOKEN_ISSUERS": [{"id": "a", "issuer": "x.example.org"}]},
        {"TOKEN_ISSUERS": [{"id": "a", "issuer": "https://x.example.org?y"}]},
        {"TOKEN_ISSUERS": [{"id": "a", "issuer": "https://x.example.org", "audience": "typo"}]},
        {"TOKEN_ISSUERS": [{"id": "a", "issuer": "https://x.example.org", "audiences": []}]},
        {"TOKEN_ISSUERS": [{"id": "a", "issuer": "https://x.example.org", "clients": "one"}]},
        {"TOKEN_ISSUERS": [{"id": "a", "issuer": "https://x.example.org", "jwks_uri": "file:///etc/passwd"}]},
        {"TOKEN_ISSUERS": [{"id": "a", "issuer": "https://x.example.org", "introspection": {"client_id": "x"}}]},
        {
            "TOKEN_ISSUERS": [
                {"id": "a", "issuer": "https://x.example.org"},
                {"id": "b", "issuer": "https://X.example.org/"},
            ]
        },
        {"TOKEN_ISSUERS": [{"id": "a", "issuer": f"https://{name}.example.org"} for name in "xy"]},
    ],
    "E003": [{"PLANS_BY_ENTITLEMENT": ["x"]}, {"PLANS_BY_ENTITLEMENT": {"x": 1}}],
    "E004": [{"CREDIT_EURO": Decimal(0)}, {"CREDIT_EURO": 0.01}],
    "E005": [{"ETL_MOUNT": "a b"}, {"ETL_MOUNT": "(.*)"}],
    "E011": [{"ETL_MOUNT": mount} for mount in ("api/v1", "static", "docs", "jobs/etl", "health", "operate/records")],
    "E012": [
        {"TERMS_VERSION": "1"},
        {"TERMS_URL": "https://credits.example.org/terms"},
        {"TERMS_VERSION": "1", "TERMS_URL": "javascript:alert(1)"},
        {"TERMS_VERSION": "1" * 51, "TERMS_URL": "https://credits.example.org/terms"},
    ],
    "E006": [{"APPEND_SLASH": True}],
    "E007": [{"DATABASES": {"ATOMIC_REQUESTS": True}}],
    "E008": [{"DATABASES": {"ENGINE": "django.db.backends.sqlite3"}}],
    "E009": [{"REST_FRAMEWORK": {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}}],
    "E010": [
        {"REST_FRAMEWORK": {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"]}},
        {"REST_FRAMEWORK": {"DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"]}},
    ],
    "E021": [
        {"SITE_ACCENT": accent} for accent in ("blue", "400", "#ffcc00", "oklch(80% 0.1 90)", "oklch(2 0.1 90)", "#fff")
    ],
    "E022": [
        {"SITE_LOGO": "/nowhere/logo.svg"},
        {"SITE_LOGO": __file__},
        {"SITE_LOGO": "assets/favicon.svg", "SITE_LOGO_DARK": "/nowhere/logo.svg"},
        {"SITE_LOGO_DARK": "assets/favicon.svg"},
    ],
    "E023": [{"SITE_TITLE": title} for title in ("", " ", "x" * 41, "Credits\x00")],
    "E024": [{"SUPPORT_URL": address} for address in ("javascript:alert(1)", "help@example.org", "https://a b")],
    "E101": [{"DEBUG": True}],
    "E102": [
        {"SECRET_KEY": "short"},
        {"SECRET_KEY": "ab" * 40},
        {"SECRET_KEY": "django-insecure-" + PRODUCTION["SECRET_KEY"]},
        {"SECRET_KEY_FALLBACKS": ["short"]},
    ],
    "E103": [{"ALLOWED_HOSTS": []}, {"ALLOWED_HOSTS": ["*"]}],
    "E104": [
        {"PUBLIC_URL": "http://credits.example.org"},
        {"PUBLIC_URL": "https://credits.example.org/path"},
        {"PUBLIC_URL": "https://other.example.org"},
    ],
    "E105": [{"DEMONSTRATION": True}],
    "E106": [
        *({"SESSION_COOKIE_SECURE": False}, {"SESSION_COOKIE_HTTPONLY": False}, {"SESSION_COOKIE_SAMESITE": "None"}),
        {"SESSION_COOKIE_NAME": "sessionid"},
        {"SESSION_COOKIE_DOMAIN": "example.org"},
        {"CSRF_COOKIE_SECURE": False},
        {"CSRF_COOKIE_NAME": "csrftoken"},
        {"CSRF_COOKIE_PATH": "/x"},
    ],
    "E107": [{"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}],
    "E108": [{"SECURE_SSL_REDIRECT": False}, {"SECURE_HSTS_SECONDS": 3600}],
    "E109": [
        {"CONTENT_SECURITY_POLICY": None},
        {"CONTENT_SECURITY_POLICY": {"script-src": ["'self'", "'unsafe-inline'"]}},
        {"CONTENT_SECURITY_POLICY": {"style-src": ["*"]}},
        {"CONTENT_SECURITY_POLICY": {"script-src": ["data:"]}},
    ],
    "E110": [
        {"DATABASES": {"OPTIONS": {}}},
        {"DATABASES": {"OPTIONS": {"connect_timeout": 3, "options": "-c statement_timeout=0 -c lock_timeout=1"}}},
    ],
    "E111": [{"CELERY_BROKER_URL": "filesystem://"}, {"CELERY_BROKER_URL": "memory://"}],
    "E113": [{"DATA_UPLOAD_MAX_MEMORY_SIZE": None}, {"DATA_UPLOAD_MAX_MEMORY_SIZE": 10**9}],
    "E114": [{"LOG_FORMAT": "console"}, {"LOG_LEVEL": "DEBUG"}],
    "E117": [
        *({"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}, {"EMAIL_HOST": ""}),
        *({"EMAIL_USE_TLS": False}, {"EMAIL_TIMEOUT": None}),
        *({"DEFAULT_FROM_EMAIL": "webmaster@localhost"}, {"DEFAULT_FROM_EMAIL": "openEO Credits"}),
    ],
    "E115": [{"CSRF_TRUSTED_ORIGINS": ["http://credits.example.org"]}],
    "W101": [{"CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}}],
    "E116": [{"STYLEGUIDE": True}],
    "E201": [
        {"OIDC_ISSUER": "http://aai.egi.eu/auth/realms/egi"},
        {"TOKEN_ISSUERS": [{"id": "egi", "issuer": "http://aai.egi.eu"}]},
        {"TOKEN_ISSUERS": [{"id": "egi", "issuer": "https://aai.egi.eu", "jwks_uri": "http://aai.egi.eu/certs"}]},
        {
            "TOKEN_ISSUERS": [
                {
                    "id": "egi",
                    "issuer": "https://aai.egi.eu",
                    "introspection": {"client_id": "a", "client_secret": "b", "endpoint": "http://aai.egi.eu/i"},
                }
            ]
        },
    ],
    "E202": [
        {"OIDC_ISSUER": "https://127.0.0.1:8601/auth/realms/egi"},
        {"DEFAULT_USER_ISSUER": "https://localhost/auth"},
        {"TOKEN_ISSUERS": [{"id": "dev", "issuer": "https://10.1.2.3/realm"}]},
        {"TOKEN_ISSUERS": [{"id": "dev", "issuer": "https://sso.test/realm"}]},
    ],
    "E203": [{"OIDC_RP_SIGN_ALGO": "HS256"}, {"OIDC_RP_SIGN_ALGO": "none"}],
    "E204": [{"OIDC_TIMEOUT": None}, {"OIDC_TIMEOUT": 60}],
    "E205": [{"OIDC_USE_PKCE": False}, {"OIDC_PKCE_CODE_CHALLENGE_METHOD": "plain"}],
    "E206": [{"OIDC_VERIFY_SSL": False}],
    "E207": [{"OIDC_ALLOW_UNSECURED_JWT": True}, {"OIDC_VERIFY_JWT": False}, {"OIDC_VERIFY_KID": False}],
    "E208": [{"OIDC_USE_NONCE": False}],
    "E209": [{"AUTHENTICATION_BACKENDS": ["portal.oidc.Backend", "django.contrib.auth.backends.ModelBackend"]}],
    "W201": [
        {"TOKEN_ISSUERS": [{"id": "egi", "issuer": "https://aai.egi.eu/auth/realms/egi"}]},
        {
            "TOKEN_ISSUERS": [
                {"id": "a", "issuer": "https://a.example.org", "audiences": ["x"]},
                {"id": "b", "issuer": "https://b.example.org"},
            ]
        },
    ],
    "E210": [{"TOKEN_ISSUERS": []}],
    "E211": [{"OIDC_RP_CLIENT_SECRET": "secret"}],
}
CASES = [(number, changes) for number, cases in BROKEN.items() for changes in cases]


def found(number: str, *, databases: list[str] | None = None) -> list[Any]:
    return rules.registered[f"portal.{number}"](databases=databases)


@pytest.fixture
def good(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in GOOD.items():
        setattr(settings, name, value)
    monkeypatch.setattr(sys, "argv", ["gunicorn"])
    return settings


def apply(settings: Any, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(settings, name, merged(settings, name, value))


def merged(settings: Any, name: str, value: Any) -> Any:
    """A change inside of a nested setting leaves the rest of it."""
    if name == "DATABASES":
        return {"default": {**settings.DATABASES["default"], **value}}
    if name == "REST_FRAMEWORK":
        return {**settings.REST_FRAMEWORK, **value}
    if name == "CONTENT_SECURITY_POLICY" and value:
        return {"DIRECTIVES": {**settings.CONTENT_SECURITY_POLICY["DIRECTIVES"], **value}}
    return value


@pytest.mark.parametrize(("number", "changes"), CASES, ids=[f"{number} {next(iter(c))}" for number, c in CASES])
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_noticed(good: Any, number: str, changes: Mapping[str, Any]) -> None:
    assert found(number) == []
    apply(good, changes)
    (issue,) = found(number)
    assert issue.id == f"portal.{number}"
    assert issue.hint
    assert (issue.level >= django_checks.ERROR) == number.startswith("E")
    assert "{}" not in issue.msg


@pytest.mark.parametrize("name", ["task_acks_late", "task_reject_on_worker_lost", "task_time_limit"])
def test_tasks_that_can_be_lost(good: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal.celery import app

    assert found("E112") == []
    monkeypatch.setitem(app.conf, name, None)
    assert name in found("E112")[0].msg


def test_tasks_that_carry_code(good: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal.celery import app

    monkeypatch.setitem(app.conf, "accept_content", ["json", "pickle"])
    assert "accept_content" in found("E112")[0].msg


def test_every_check_has_a_test() -> None:
    elsewhere = {"E112", "E301", "E302", "E303", "W301"}
    assert {name.removeprefix("portal.") for name in rules.registered} == set(BROKEN) | elsewhere


def test_every_address_is_reserved() -> None:
    """A page, file or API that is added must not be hidden by a mount."""
    etl = {"user", "validate", "resources", "addedvalue"}
    routes = {str(getattr(part, "pattern", "")) for part in every_pattern(get_resolver().url_patterns)}
    firsts = {route.partition("/")[0] for route in routes if not route.startswith("^")} - {""} - etl
    assert firsts <= everywhere.RESERVED | {"operate"}


def every_pattern(patterns: list[Any]) -> list[Any]:
    """Those at the top; an include without a prefix of its own is looked into."""
    found = []
    for part in patterns:
        inner = getattr(part, "url_patterns", None)
        found += every_pattern(inner) if inner is not None and not str(part.pattern) else [part]
    return found


@pytest.mark.parametrize("mount", ["", "etl", "reports/etl", "jobsapi"])
def test_a_mount_of_its_own(good: Any, mount: str) -> None:
    good.ETL_MOUNT = mount
    assert found("E011") == found("E005") == []


# --- the database -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestDatabase:
    def test_durability(self) -> None:
        """The cluster of the tests is a throw-away."""
        (issue,) = found("E301", databases=["default"])
        assert "fsync=off" in issue.msg

    def test_one_session_that_waits_for_nothing(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
        assert "synchronous_commit=off" in found("E301", databases=["default"])[0].msg

    def test_a_role_that_may_rewrite(self) -> None:
        (issue,) = found("E302", databases=["default"])
        assert "UPDATE accounting_entry" in issue.msg
        assert "DELETE accounting_entry" in issue.msg

    def test_the_role_of_the_application(self) -> None:
        """What `grant_privileges` leaves is accepted; one privilege too many is not."""
        from django.core.management import call_command

        role = os.environ.get("DATABASE_APP_ROLE", "app_of_the_tests")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE ROLE {role}")
            call_command("grant_privileges", role=role, verbosity=0)
            cursor.execute(f"SET LOCAL ROLE {role}")
            assert found("E302", databases=["default"]) == []
            cursor.execute("RESET ROLE")
            cursor.execute(f"GRANT UPDATE ON accounting_entry TO {role}")
            cursor.execute(f"SET LOCAL ROLE {role}")
            (issue,) = found("E302", databases=["default"])
            cursor.execute("RESET ROLE")
        assert "UPDATE accounting_entry" in issue.msg

    def test_a_clock_that_can_be_moved(self, database_clock: Callable[[Any], None]) -> None:
        assert found("E303", databases=["default"])

    def test_the_clock_of_the_migrations(self) -> None:
        assert found("E303", databases=["default"]) == []

    def test_nothing_is_asked_without_being_told_to(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert [found(number) for number in ("E301", "E302", "E303", "W301")] == [[]] * 4

    def test_a_database_that_is_away_is_said_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from django.db import OperationalError

        def away(*_: Any) -> Any:
            raise OperationalError

        monkeypatch.setattr(connection, "cursor", away)
        assert [bool(found(number, databases=["default"])) for number in ("E301", "E302", "E303", "W301")] == [
            False,
            False,
            False,
            True,
        ]


# --- starting -----------------------------------------------------------------------------------------------------


def production(**changes: str) -> dict[str, str]:
    return {**PRODUCTION, **changes}


def start(**changes: str) -> tuple[int, str]:
    """Load what gunicorn loads."""
    done = in_a_process("import portal.wsgi; print('started')", production(**changes))
    return done.returncode, done.stdout + done.stderr


def test_the_server_starts_with_proper_settings_while_the_database_is_away() -> None:
    """Restarting in a circle would not bring it back; /health/ready tells, and examines it later."""
    code, text = start()
    assert code == 0, text
    assert "portal.W301" in text


@pytest.mark.django_db
def test_what_is_wrong_is_listed_at_the_start(good: Any) -> None:
    """Settings and database alike; the database of the tests is a throw-away with a mighty role."""
    good.REFUSE_UNSAFE_START = True
    good.DEMONSTRATION = True
    good.OIDC_RP_SIGN_ALGO = "HS256"
    with pytest.raises(ImproperlyConfigured) as caught:
        checks.refuse_unsafe_start()
    for number in ("E105", "E203", "E301", "E302"):
        assert f"portal.{number}" in str(caught.value)


def test_the_server_does_not_start() -> None:
    url = os.environ["DATABASE_URL"]
    code, text = start(DATABASE_URL=url, OIDC_ISSUER="http://127.0.0.1:8601/auth/realms/egi", SECRET_KEY="change-me")
    assert code == 1
    for number in ("E102", "E201", "E202", "E301"):
        assert f"portal.{number}" in text
    assert "started" not in text
    assert url.split(":")[2].split("@")[0] not in text


def test_the_worker_does_not_start() -> None:
    code = "from portal.celery import app; app.Worker(pool='solo').start()"
    done = in_a_process(code, production(DEMONSTRATION="on"))
    assert done.returncode != 0
    assert "portal.E105" in done.stdout + done.stderr


def test_check_deploy_is_clean_for_proper_settings() -> None:
    arguments = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    code = f"from django.core.management import execute_from_command_line as run; run({arguments})"
    done = in_a_process(code, production())
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_development_and_tests_are_not_refused(settings: Any) -> None:
    assert not hasattr(settings, "REFUSE_UNSAFE_START")
    checks.refuse_unsafe_start()
