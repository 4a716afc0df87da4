"""Callers of the API with real tokens: signed by an issuer that runs for the session, verified like any other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from portal.api import auth, tokens
from tests.conftest import ISSUER, SOURCE
from tests.portal.api.issuing import Issuer, new_key

_keys = itertools.count(1)


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, or nobody; answers are Django's, with `json()`."""

    token: str | None

    def get(self, path: str, query: Mapping[str, Any] | None = None, **headers: str) -> Any:
        return self.send("GET", path, query=query, headers=headers)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, raw, headers={"Content-Type": "application/json", **headers})

    def send(
        self,
        method: str,
        path: str,
        raw: bytes = b"",
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        named = dict(headers or {})
        content_type = named.pop("Content-Type", "")
        if self.token:
            named["Authorization"] = f"Bearer {self.token}"
        address = path if path.startswith("/api/v1/") else f"/api/v1{path}"
        client = Client(raise_request_exception=False)
        return client.generic(method, address, raw, content_type, headers=named, query_params=dict(query or {}))


@dataclass(frozen=True)
class Callers:
    """`federation`'s cast, as it calls."""

    issuer: Issuer

    def person(self, name: str) -> Caller:
        return Caller(self.issuer.token(iss=ISSUER, sub=f"{name}@egi.eu"))

    def service(self, client_id: str) -> Caller:
        return Caller(self.issuer.token(iss=ISSUER, sub=client_id, azp=client_id, client_id=client_id))

    @property
    def anonymous(self) -> Caller:
        return Caller(None)

    @property
    def backend(self) -> Caller:
        return self.service("job-tracker")

    @property
    def other_backend(self) -> Caller:
        return self.service("other-tracker")

    @property
    def alice(self) -> Caller:
        return self.person("alice")

    @property
    def bob(self) -> Caller:
        return self.person("bob")

    @property
    def charlie(self) -> Caller:
        return self.person("charlie")


@pytest.fixture(scope="session")
def token_issuer() -> Iterator[Issuer]:
    issuer = Issuer({"one": new_key()})
    yield issuer
    issuer.stop()


@pytest.fixture
def callers(token_issuer: Issuer, settings: Any) -> Callers:
    settings.TOKEN_ISSUERS = [
        {"id": "egi", "issuer": ISSUER, "jwks_uri": f"{token_issuer.root}/realm/certs"},
    ]
    auth._clients.clear()
    tokens._remembered.clear()
    tokens._stores.clear()  # another folder's issuer has the same name and other keys
    cache.clear()
    return Callers(token_issuer)


def report_body(**changes: Any) -> dict[str, Any]:
    """A report of Alice's whose charge is the golden vector 5.759775. None leaves a field out."""
    body = {
        "source": SOURCE,
        "user": "alice@egi.eu",
        "job_id": "j-1",
        "job_title": "NDVI of Flanders",
        "execution_id": "application_1",
        "kind": "batch",
        "state": "finished",
        "metrics": [
            {"metric": "cpu", "quantity": 5099, "unit": "cpu-seconds"},
            {"metric": "memory", "quantity": "13400773", "unit": "mb-seconds"},
        ],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def fresh_key() -> str:
    return f"key-{next(_keys)}"


def report(caller: Caller, key: str | None = None, **changes: Any) -> Any:
    """Sends one report and returns the answer."""
    headers = {"Idempotency-Key": key or fresh_key()}
    return caller.post("/usage-reports", report_body(**changes), **headers)
