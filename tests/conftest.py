"""The cast and the stage: who pays, who reports, and a database that forgets everything after each test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from accounting import grants, organisations, registry, tariffs
from accounting.organisations import PersonView
from accounting.principals import ServicePrincipal
from accounting.rating import UsageLine
from accounting.reports import UsageReport
from accounting.tariffs import RuleSpec
from devtools import clock

# How long an example takes says more about the machine than about the code; what must be fast has tests of its own.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

ISSUER = "https://aai.example.org/auth/realms/egi"
SOURCE = "TerraScope/MEP"

RATES = (
    RuleSpec("CPU", "cpu", "cpu-hour", Decimal("1.5")),
    RuleSpec("Memory", "memory", "gb-hour", Decimal(1)),
    RuleSpec("Sentinel Hub", "processing", "shpu", Decimal("0.15")),
    RuleSpec("Base fee", "processing", "credit", Decimal(1)),
)
"""The documented CDSE-like rates (openeo-contract 4.1)."""


@dataclass(frozen=True)
class Federation:
    """A back end with a tariff, the client that reports for it, a payer, a colleague and a stranger."""

    client: ServicePrincipal
    other_client: ServicePrincipal
    backend: int
    provider: int
    alice: PersonView
    bob: PersonView
    charlie: PersonView
    lab: int

    def report(self, key: str | None = "k-1", **changes: Any) -> UsageReport:
        """A report of Alice's whose charge is the golden vector 5.759775."""
        base = UsageReport(
            endpoint="resources",
            source=SOURCE,
            user=self.alice.sub,
            job_id="j-1",
            lines=(
                UsageLine("cpu", Decimal(5099), "cpu-seconds", "5099"),
                UsageLine("memory", Decimal(13400773), "mb-seconds", "13400773"),
            ),
            raw='{"jobId": "j-1"}',
            key=key,
            execution_id="application_1",
            state="FINISHED",
        )
        return replace(base, **changes)

    def grant(self, organisation: int, amount: int, key: str, **terms: Any) -> int:
        terms = {"kind": "free", "label": key, "fund": "federation"} | terms
        return grants.issue(organisation, amount, key=key, **terms)


def build_federation() -> Federation:
    """Alice (pays) and Bob share an organisation, Charlie is a stranger; set up through the domain functions."""
    provider = registry.register_provider("vito", "VITO")
    backend = registry.register_backend("terrascope", "Terrascope", provider)
    registry.register_source(SOURCE, backend, ISSUER)
    other = registry.register_backend("cdse", "CDSE", registry.register_provider("cloudferro", "CloudFerro"))
    registry.register_source("cdse", other, ISSUER)
    starts_at = datetime.now(UTC) - timedelta(days=400)
    for source in (SOURCE, "cdse"):
        tariffs.publish(source, "CDSE-like rates", RATES, starts_at=starts_at)
    people = [organisations.ensure_person(ISSUER, f"{name}@egi.eu") for name in ("alice", "bob", "charlie")]
    lab = organisations.create_organisation("Geo Lab", people[1].pk)
    organisations.add_member(lab, people[0].pk, "developer")
    return Federation(
        client=_client("job-tracker", SOURCE),
        other_client=_client("other-tracker", "cdse"),
        backend=backend,
        provider=provider,
        alice=people[0],
        bob=people[1],
        charlie=people[2],
        lab=lab,
    )


def _client(client_id: str, source: str) -> ServicePrincipal:
    pk = registry.register_client(ISSUER, client_id, client_id, [source])
    return ServicePrincipal(pk, registry.normalise_issuer(ISSUER), client_id, "", client_id)


@pytest.fixture
def federation(db: None) -> Federation:
    return build_federation()


@pytest.fixture
def database_clock(db: None) -> Iterator[Callable[[datetime | None], None]]:
    """Moves the money clock of this test's session: `database_clock(instant)`, None lets it run again."""
    with connection.cursor() as cursor, clock.movable(cursor):
        yield lambda at: clock.move(cursor, at)
        clock.move(cursor, None)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_keepdb: bool,
    django_db_createdb: bool,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """As pytest-django's own, which makes no test database when all chosen tests commit (`committed_db`)."""
    with django_db_blocker.unblock():
        keep = django_db_keepdb and not django_db_createdb
        made = setup_databases(verbosity=0, interactive=False, aliases={"default": True}, keepdb=keep)
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            # A browser's event loop gives the tests after it a connection of their own, which nobody closes; and ours
            # may have been ended by those tests in the same way.
            connection.close()
            disconnect_others()
            teardown_databases(made, verbosity=0)


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """For tests whose threads must see each other's commits; empties every table afterwards, as superuser.

    Django's own way (flush) is TRUNCATE, which the ledger's triggers refuse; `session_replication_role` silences them.
    """
    with django_db_blocker.unblock():
        yield
        connection.close()
        empty_database()


def disconnect_others() -> None:
    """End the connections of other threads: a browser that keeps its own alive keeps a server's too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def empty_database() -> None:
    """As after `migrate`: no rows but the platform's own accounts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename NOT IN ('django_migrations', 'django_content_type')"
        )
        tables = cursor.fetchone()[0]
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(f"TRUNCATE {tables} CASCADE")
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute(
            "SELECT ledger_account(kind, NULL, NULL, '')"
            "  FROM unnest(ARRAY['platform_fee', 'breakage', 'receivable', 'clearing']) AS kind"
        )


@pytest.fixture
def committed_federation(committed_db: None) -> Federation:
    return build_federation()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what parallel workers cannot send: tests of hostile text log lone surrogates."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
