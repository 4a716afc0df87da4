"""A service or a person? Only a registered client's own token may report usage, so this decides about money."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from django.test import Client

from accounting import registry
from accounting.principals import PersonPrincipal, ServicePrincipal
from portal.api import auth, introspection, tokens
from tests.portal.api.issuing import Issuer, Key

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.portal.api.probe")]

TRACKER = {"azp": "tracker", "scope": "openid"}


def kind(client: Client, token: str) -> str:
    answer = client.get("/probe/who", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.content
    return str(answer.json()["kind"])


@pytest.fixture
def registered(issuer: Issuer) -> int:
    return registry.register_client(issuer.issuer, "tracker", "Job tracker")


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"client_id": "tracker", "sub": "s@egi.eu"}, "service"),
        ({"preferred_username": "service-account-tracker", "sub": "s@egi.eu"}, "service"),
        ({"sub": "service-account-tracker@egi.eu"}, "service"),
        ({"sub": "tracker"}, "service"),
        ({"sub": "tracker", "azp": None, "client_id": "tracker"}, "service"),
        # A person who signed in through the same client.
        ({"sub": "alice@egi.eu"}, "person"),
        ({"sub": "alice@egi.eu", "preferred_username": "alice"}, "person"),
        ({"sub": "alice@egi.eu", "preferred_username": "service-account-other"}, "person"),
        ({"sub": "alice@egi.eu", "client_id": "tracker", "nonce": "n"}, "person"),
        ({"sub": "alice@egi.eu", "client_id": "tracker", "auth_time": 1_700_000_000}, "person"),
        ({"sub": "alice@egi.eu", "azp": None, "client_id": "tracker"}, "person"),
        # Another client's token.
        ({"azp": "other", "client_id": "other", "sub": "other"}, "person"),
        ({"azp": "other", "client_id": "tracker", "sub": "s@egi.eu"}, "person"),
        ({"azp": "Tracker", "client_id": "Tracker", "sub": "Tracker"}, "person"),
    ],
)
def test_without_a_registered_subject(
    client: Client, issuer: Issuer, registered: int, claims: Mapping[str, Any], expected: str
) -> None:
    assert kind(client, issuer.token(**{**TRACKER, **claims})) == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"sub": "machine@egi.eu"}, "service"),
        ({"sub": "tracker"}, "person"),
        ({"sub": "s@egi.eu", "client_id": "tracker"}, "person"),
        ({"sub": "s@egi.eu", "preferred_username": "service-account-tracker"}, "person"),
    ],
)
def test_a_registered_subject_decides_alone(
    client: Client, issuer: Issuer, claims: Mapping[str, Any], expected: str
) -> None:
    registry.register_client(issuer.issuer, "tracker", "Job tracker", subject="machine@egi.eu")
    assert kind(client, issuer.token(**{**TRACKER, **claims})) == expected


def test_a_client_of_another_issuer_is_not_ours(client: Client, issuer: Issuer) -> None:
    registry.register_client("https://elsewhere.example.org", "tracker", "Job tracker")
    assert kind(client, issuer.token(azp="tracker", sub="tracker")) == "person"


def test_a_client_that_is_switched_off_reports_no_longer_than_five_seconds(
    client: Client, issuer: Issuer, registered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token(azp="tracker", sub="tracker")
    assert kind(client, token) == "service"
    registry.register_client(issuer.issuer, "tracker", "Job tracker", active=False)
    later = time.monotonic() + auth.CLIENT_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert kind(client, token) == "person"


def test_the_registration_is_not_asked_for_each_request(
    client: Client, issuer: Issuer, registered: int, django_assert_num_queries: Any
) -> None:
    token = issuer.token(azp="tracker", sub="tracker")
    kind(client, token)
    with django_assert_num_queries(0):
        for _ in range(5):
            kind(client, token)


def test_what_the_views_get(issuer: Issuer, registered: int) -> None:
    service = auth.principal_of(tokens.verify(issuer.token(azp="tracker", sub="tracker")))
    assert service == ServicePrincipal(registered, issuer.issuer, "tracker", "tracker", "Job tracker")
    person = auth.principal_of(tokens.verify(issuer.token()))
    assert person == PersonPrincipal(issuer.issuer, "alice@egi.eu")


# --- opaque tokens ------------------------------------------------------------------------------------------------


@pytest.fixture
def introspecting(issuer: Issuer, settings: Any) -> Issuer:
    credentials = {"client_id": "us", "client_secret": "ours"}
    settings.TOKEN_ISSUERS = [{"id": "fake", "issuer": issuer.issuer, "introspection": credentials}]
    issuer.opaque["good-token"] = {"active": True, "sub": "alice@egi.eu", "client_id": "app", "scope": "openid"}
    issuer.opaque["tracker-token"] = {"active": True, "sub": "tracker", "client_id": "tracker"}
    issuer.opaque["foreign-token"] = {"active": True, "sub": "a", "iss": "https://elsewhere.example.org"}
    issuer.opaque["old-token"] = {"active": True, "sub": "a", "exp": 1}
    issuer.opaque["odd-token"] = {"active": "yes", "sub": "a"}
    issuer.opaque["nobody-token"] = {"active": True}
    issuer.opaque["refresh-token"] = {"active": True, "sub": "a", "typ": "Refresh"}
    return issuer


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("good-token", 200),
        ("oidc/fake/good-token", 200),
        ("tracker-token", 200),
        ("unknown-token", 401),
        ("foreign-token", 401),
        ("old-token", 401),
        ("odd-token", 401),
        ("nobody-token", 401),
        ("refresh-token", 401),
    ],
)
def test_opaque_tokens_are_introspected(client: Client, introspecting: Issuer, token: str, status: int) -> None:
    answer = client.get("/probe/who", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == status, answer.content
    assert introspecting.credentials == ["Basic dXM6b3Vycw=="]


def test_an_introspected_service(client: Client, introspecting: Issuer) -> None:
    registry.register_client(introspecting.issuer, "tracker", "Job tracker")
    assert kind(client, "tracker-token") == "service"


def test_answers_are_kept(client: Client, introspecting: Issuer) -> None:
    for _ in range(5):
        assert kind(client, "good-token") == "person"
        assert client.get("/probe/who", headers={"authorization": "Bearer unknown"}).status_code == 401
    assert introspecting.asked["/realm/introspect"] == 2


def test_introspection_that_fails_is_503(client: Client, introspecting: Issuer) -> None:
    introspecting.broken["/realm/introspect"] = (500, b"", {})
    answer = client.get("/probe/who", headers={"authorization": "Bearer good-token"})
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"


def test_a_flood_of_invented_tokens_does_not_take_every_thread(
    client: Client, introspecting: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While as many questions are under way as may be, the next caller is asked to come back."""
    monkeypatch.setattr(introspection, "_turns", threading.BoundedSemaphore(1))
    with introspection._turns:
        answer = client.get("/probe/who", headers={"authorization": "Bearer invented"})
        assert answer.status_code == 503
    assert client.get("/probe/who", headers={"authorization": "Bearer invented"}).status_code == 401


def test_an_issuer_without_introspection_endpoint(
    client: Client, introspecting: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        introspecting, "document", lambda path: {"issuer": introspecting.issuer, "jwks_uri": f"{introspecting.root}/x"}
    )
    assert client.get("/probe/who", headers={"authorization": "Bearer opaque"}).status_code == 503


def test_signed_tokens_are_never_sent_to_introspection(
    client: Client, introspecting: Issuer, spare_keys: dict[str, Key]
) -> None:
    assert kind(client, introspecting.token()) == "person"
    assert introspecting.asked["/realm/introspect"] == 0


# --- the real provider --------------------------------------------------------------------------------------------


@pytest.mark.provider
def test_tokens_of_the_development_provider(client: Client) -> None:
    root, secret = os.environ["TEST_OP_URL"], os.environ["TEST_OP_SECRET"]
    registry.register_client(root, "backend-one", "Back end one")
    answer = requests.post(
        f"{root}/protocol/openid-connect/token",
        data={"grant_type": "client_credentials", "scope": "openid"},
        auth=("backend-one", secret),
        timeout=10,
    )
    token = answer.json()["access_token"]
    assert kind(client, token) == "service"
    prefixed = client.get("/probe/who", headers={"authorization": f"Bearer oidc/egi/{token}"})
    assert prefixed.json()["issuer"] == root
