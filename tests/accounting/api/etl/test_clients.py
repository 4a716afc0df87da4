"""The way existing clients speak: real HTTP, their retries, and tokens that they got from a real provider."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import requests
from django.db import connection, connections
from pytest_django.live_server_helper import LiveServer
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from accounting import queries, registry, tariffs
from accounting.models import Transaction
from devtools.processes import free_ports
from devtools.provider import Provider, ProviderAdmin, device_client, service_client
from tests.accounting.api.etl.conftest import MORE_RATES, STARTS_AT, Sign, forget_callers, open_more_sources
from tests.accounting.api.etl.wire import COST, KEY, METRICS, added_value, resources
from tests.conftest import Federation


@pytest.fixture
def server(committed_federation: Federation) -> Iterator[LiveServer]:
    running = LiveServer(f"127.0.0.1:{free_ports(1)[0]}")
    yield running
    running.stop()


def session(token: str) -> requests.Session:
    """With the retries of the GeoPySpark driver, only quicker."""
    retries = Retry(
        total=3,
        backoff_factor=0.05,
        status_forcelist={429, 500, 502, 503, 504},
        allowed_methods=Retry.DEFAULT_ALLOWED_METHODS.union({"POST"}),
    )
    made = requests.Session()
    made.mount("http://", HTTPAdapter(max_retries=retries))
    made.headers["Authorization"] = f"Bearer {token}"
    return made


def attempts(answer: requests.Response) -> int:
    assert answer.raw.retries is not None
    return len(answer.raw.retries.history) + 1


@pytest.fixture
def driver(committed_federation: Federation, service_token: Sign) -> Iterator[requests.Session]:
    open_more_sources()
    with session(service_token()) as made:
        yield made


def test_a_batch_job_of_the_driver(server: LiveServer, driver: requests.Session, federation_wallet: int) -> None:
    """What the job tracker does: may I, the fee, the metrics, each process; and again after a crash."""
    assert driver.get(f"{server}/validate/auth", timeout=60).status_code == 200
    assert driver.get(f"{server}/user/permissions", timeout=60).json() == {"execution": True}
    costs = []
    for _ in range(2):
        fee = {"processing": {"value": 2.0, "unit": "credits"}}
        answers = [
            driver.post(f"{server}/resources", json=resources(metrics=fee), timeout=60),
            driver.post(f"{server}/resources", json=resources(idempotencyKey=f"{KEY}_1"), timeout=60),
        ]
        for process in ("load_stac", "ndvi"):
            body = added_value(service=process, idempotencyKey=f"{KEY}_{process}")
            answers.append(driver.post(f"{server}/addedvalue", json=body, timeout=60))
        for answer in answers:
            answer.raise_for_status()
        costs.append(sum(line["cost"] for answer in answers for line in answer.json()))
    assert costs == [pytest.approx(2 + COST)] * 2
    assert queries.balance(federation_wallet).posted == -2_623_923


@pytest.fixture
def federation_wallet(committed_federation: Federation) -> int:
    return committed_federation.alice.current_organisation


@pytest.mark.parametrize("base", ["", "/"])
def test_base_address_with_and_without_slash(server: LiveServer, driver: requests.Session, base: str) -> None:
    answer = driver.post(f"{server}{base}/resources", json=resources(), timeout=60, allow_redirects=False)
    assert answer.status_code == 201


def test_the_drivers_retry_gets_through(
    monkeypatch: pytest.MonkeyPatch, driver: requests.Session, federation_wallet: int
) -> None:
    """The wallet is locked when the first attempt comes and free before the last: charged once, and the client's one
    call succeeds."""
    monkeypatch.setitem(connections.settings["default"]["OPTIONS"], "options", "-c lock_timeout=100")
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    other = psycopg2.connect(**{name: parameters[name] for name in names if name in parameters})
    with other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM accounting_account WHERE organisation_id = %s FOR UPDATE", [federation_wallet])
    server = LiveServer(f"127.0.0.1:{free_ports(1)[0]}")
    releaser = threading.Timer(0.4, other.rollback)
    releaser.start()
    try:
        answer = driver.post(f"{server}/resources", json=resources(), timeout=60)
    finally:
        releaser.join()
        server.stop()
        other.close()
    assert answer.status_code == 201
    assert attempts(answer) >= 2
    assert Transaction.objects.count() == 1
    assert queries.balance(federation_wallet).posted == -623_923


def test_permanent_errors_are_not_retried(server: LiveServer, driver: requests.Session) -> None:
    answer = driver.post(f"{server}/resources", json=resources(state=["FAILED"]), timeout=60)
    assert answer.status_code == 400
    assert attempts(answer) == 1
    with pytest.raises(requests.HTTPError):
        answer.raise_for_status()


def test_a_body_that_ends_early(server: LiveServer, driver: requests.Session) -> None:
    """The client died while it sent: half a report is no report."""
    body = json.dumps(resources()).encode()
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /resources HTTP/1.1\r\nHost: {host}\r\nAuthorization: {driver.headers['Authorization']!s}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body) + 100}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(head.encode() + body)
        wire.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    assert b" 400 " in answer.splitlines()[0]
    assert not Transaction.objects.exists()


def test_same_key_from_many_connections(server: LiveServer, driver: requests.Session, federation_wallet: int) -> None:
    bodies: list[bytes] = []
    start = threading.Barrier(8)

    def send() -> None:
        with session(str(driver.headers["Authorization"]).removeprefix("Bearer ")) as own:
            start.wait()
            answer = own.post(f"{server}/resources", json=resources(), timeout=60)
            answer.raise_for_status()
            bodies.append(answer.content)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bodies) == 8
    assert len(set(bodies)) == 1
    assert Transaction.objects.count() == 1
    assert queries.balance(federation_wallet).posted == -623_923


# --- tokens of a provider ------------------------------------------------------------------------------------------

PERSON = "9c0ffee0person@egi.eu"
CLIENT = "backend-of-this-test"
SECRET = "not-a-secret-outside-this-test"
ACCESS = {"sub": PERSON, "aud": "urn:openeo:credits", "typ": "Bearer", "scope": "openid"}


@pytest.fixture(scope="module")
def sign_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ProviderAdmin]]:
    """(issuer, administration): the provider of the test services, or one of its own when there is none."""
    if issuer := os.environ.get("TEST_OP_URL"):
        admin = ProviderAdmin(os.environ["TEST_OP_ROOT"])
        admin.add_client(service_client(CLIENT, SECRET))
        yield issuer.rstrip("/"), admin
        return
    (port,) = free_ports(1)
    folder: Path = tmp_path_factory.mktemp("provider")
    with Provider(port, folder, clients=[service_client(CLIENT, SECRET), device_client()]) as own:
        yield own.issuer, ProviderAdmin(own.root)


@pytest.fixture
def issuer(sign_in: tuple[str, ProviderAdmin], committed_federation: Federation, settings: Any) -> str:
    """The provider is accepted, its client registered with a source whose users it knows."""
    settings.TOKEN_ISSUERS = [{"id": "egi", "issuer": sign_in[0], "audiences": ["urn:openeo:credits"]}]
    forget_callers()
    backend = registry.register_backend("real", "Real", registry.register_provider("real", "Real"))
    registry.register_source("real-source", backend, sign_in[0])
    tariffs.publish("real-source", "Rates", MORE_RATES, starts_at=STARTS_AT)
    registry.register_client(sign_in[0], CLIENT, "Real back end", ["real-source"])
    return sign_in[0]


def service_access_token(issuer: str) -> str:
    """As both existing clients ask for one: discovery, then client credentials with the secret in the form."""
    found = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": "openid"}
    answer = requests.post(found["token_endpoint"], data=form, timeout=10)
    assert answer.status_code == 200
    granted = answer.json()
    assert granted["token_type"].lower() == "bearer"
    return str(granted["access_token"])


@pytest.mark.provider
@pytest.mark.parametrize("prefix", ["", "oidc/egi/"])
def test_a_report_with_a_token_of_the_provider(server: LiveServer, issuer: str, prefix: str) -> None:
    with session(prefix + service_access_token(issuer)) as client:
        assert client.get(f"{server}/validate/auth", timeout=60).json()["sources"] == ["real-source"]
        body = resources(sourceId="real-source", userId=PERSON, metrics={"cpu": METRICS["cpu"]})
        answer = client.post(f"{server}/resources", json=body, timeout=60)
    assert (answer.status_code, answer.json()[0]["cost"]) == (201, 0.022083)


@pytest.mark.provider
def test_a_person_with_a_token_of_the_provider(
    server: LiveServer, issuer: str, sign_in: tuple[str, ProviderAdmin]
) -> None:
    """The subs that a source reports are those of its issuer's tokens."""
    with session(service_access_token(issuer)) as client:
        body = resources(sourceId="real-source", userId=PERSON, metrics={"cpu": METRICS["cpu"]})
        client.post(f"{server}/resources", json=body, timeout=60).raise_for_status()
    token = sign_in[1].mint(ACCESS | {"azp": "openeo-platform-default-client", "exp": int(time.time()) + 600})
    with session(token) as person:
        assert person.get(f"{server}/user", timeout=60).json() == {"credits": -0.022083}
        assert person.get(f"{server}/user/permissions", timeout=60).json() == {"execution": False}
        assert person.post(f"{server}/resources", json=resources(), timeout=60).status_code == 403


@pytest.mark.provider
def test_tokens_the_provider_should_not_have_made(
    server: LiveServer, issuer: str, sign_in: tuple[str, ProviderAdmin]
) -> None:
    now = int(time.time())
    base = ACCESS | {"azp": CLIENT, "client_id": CLIENT, "exp": now + 600}
    for claims, how in (
        (base, {"alg": "none"}),
        (base, {"alg": "HS256"}),
        (base, {"key": "foreign"}),
        (base | {"aud": "another-service"}, {}),
        (base | {"exp": now - 600}, {}),
    ):
        with session(sign_in[1].mint(claims, **how)) as client:
            answer = client.post(f"{server}/resources", json=resources(), timeout=60)
            assert answer.status_code == 401, (claims, how)
    with session(sign_in[1].mint(base)) as client:
        assert client.get(f"{server}/validate/auth", timeout=60).status_code == 200, "only the fault was refused"
    assert not Transaction.objects.exists()
