"""Callers of the ETL API with real tokens: signed by an issuer on loopback, checked through its published keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache

from accounting import registry, tariffs
from accounting.tariffs import RuleSpec
from portal.api import auth, tokens
from tests.accounting.api.etl.wire import SENTINEL_HUB, UDP, Caller
from tests.conftest import ISSUER, RATES, SOURCE, Federation
from tests.portal.api.issuing import Issuer, new_key

STRANGE_ISSUER = "https://sso.example.net/auth/realms/elsewhere"
STARTS_AT = datetime(2023, 1, 1, tzinfo=UTC)
MORE_RATES = (
    *RATES,
    RuleSpec("Failed work is half", "cpu", "cpu-hour", Decimal("0.75"), when={"state": ["FAILED"]}),
    RuleSpec("Crop types", "area", "km2", Decimal(2), when={"process": [UDP]}, beneficiary="publisher:geo"),
)


@pytest.fixture(scope="session")
def provider() -> Iterator[Issuer]:
    running = Issuer({"one": new_key(), "stranger": new_key()})
    yield running
    running.stop()


@pytest.fixture
def accepted(provider: Issuer, settings: Any) -> Iterator[Issuer]:
    """The issuer whose tokens the settings accept, under the id `egi`."""
    settings.TOKEN_ISSUERS = [{"id": "egi", "issuer": ISSUER, "jwks_uri": f"{provider.issuer}/certs"}]
    forget_callers()
    yield provider
    forget_callers()


def forget_callers() -> None:
    """Keys, tokens and clients are remembered by the issuer's name, and other tests' issuers have the same one."""
    cache.clear()
    tokens._stores.clear()
    tokens._remembered.clear()
    auth._clients.clear()


Sign = Callable[..., str]


@pytest.fixture
def person_token(accepted: Issuer) -> Sign:
    return lambda sub="alice@egi.eu", **claims: accepted.token(iss=ISSUER, sub=sub, **claims)


@pytest.fixture
def service_token(accepted: Issuer) -> Sign:
    def sign(client_id: str = "job-tracker", **claims: Any) -> str:
        account = {"sub": f"service-account-{client_id}@egi.eu", "azp": client_id, "client_id": client_id}
        return accepted.token(**({"iss": ISSUER} | account | claims))

    return sign


def open_more_sources() -> None:
    """A Sentinel Hub source, a tariff old enough for the literal bodies, a process with a price."""
    backend = registry.register_backend("sh", "Sentinel Hub", registry.register_provider("sinergise", "Sinergise"))
    registry.register_source(SENTINEL_HUB, backend, ISSUER)
    first = datetime.now(UTC) - timedelta(days=401)
    for source in (SOURCE, "cdse"):
        tariffs.publish(source, "Earlier", MORE_RATES, starts_at=STARTS_AT, ends_at=first)
    tariffs.publish(SENTINEL_HUB, "Units", MORE_RATES, starts_at=STARTS_AT)
    registry.register_client(ISSUER, "job-tracker", "job-tracker", [SOURCE, SENTINEL_HUB])


@pytest.fixture
def backend(federation: Federation, service_token: Sign) -> Caller:
    """The client that reports for the sources of the literal bodies."""
    open_more_sources()
    return Caller(service_token())


@pytest.fixture
def other_backend(federation: Federation, service_token: Sign) -> Caller:
    """Reports for the source `cdse` only."""
    return Caller(service_token("other-tracker"))


@pytest.fixture
def alice(federation: Federation, person_token: Sign) -> Caller:
    return Caller(person_token())
