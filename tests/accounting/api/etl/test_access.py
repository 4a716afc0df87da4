"""Who may call what: every address with every kind of caller, and both forms of the header."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from accounting import registry
from accounting.models import QuarantinedReport
from portal.api import auth
from tests.accounting.api.etl.conftest import STRANGE_ISSUER, Sign
from tests.accounting.api.etl.wire import SENTINEL_HUB, Caller, added_value, billed, resources, rows
from tests.conftest import ISSUER, SOURCE, Federation
from tests.portal.api.issuing import Issuer

CALLS: dict[str, Callable[[Caller], Any]] = {
    "GET /user": lambda caller: caller.get("/user"),
    "GET /user/permissions": lambda caller: caller.get("/user/permissions"),
    "GET /validate/auth": lambda caller: caller.get("/validate/auth"),
    "POST /resources": lambda caller: caller.resources(resources()),
    "POST /addedvalue": lambda caller: caller.added_value(added_value()),
    "POST //resources": lambda caller: caller.client.generic(
        "POST", "/", b"{}", "application/json", headers=caller.headers, PATH_INFO="//resources"
    ),
}
PEOPLE_ONLY = {"GET /user"}
SERVICES_ONLY = {"GET /validate/auth", "POST /resources", "POST /addedvalue", "POST //resources"}

Token = Callable[[Issuer, Sign, Sign], str | None]
UNKNOWN: dict[str, Token] = {
    "no token": lambda issuer, person, service: None,
    "an empty token": lambda issuer, person, service: "",
    "a malformed token": lambda issuer, person, service: "abc.def.ghi",
    "an expired token": lambda issuer, person, service: service(exp=int(time.time()) - 60),
    "a token from the future": lambda issuer, person, service: service(nbf=int(time.time()) + 600),
    "a token of a foreign issuer": lambda issuer, person, service: service(iss=STRANGE_ISSUER),
    "a token signed by a stranger": lambda issuer, person, service: issuer.token(
        "stranger", {"kid": "one"}, iss=ISSUER
    ),
    "an ID token": lambda issuer, person, service: person(typ="ID"),
    "a token without expiry": lambda issuer, person, service: service(exp=None),
    "a token without subject": lambda issuer, person, service: service(sub=None),
    "a token of another provider id": lambda issuer, person, service: f"oidc/other/{service()}",
    "a token with a strange prefix": lambda issuer, person, service: f"basic//{service()}",
    "two tokens": lambda issuer, person, service: f"{service()} {person()}",
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_unknown_callers(
    kind: str, federation: Federation, accepted: Issuer, person_token: Sign, service_token: Sign
) -> None:
    before = rows()
    caller = Caller(UNKNOWN[kind](accepted, person_token, service_token))
    for name, call in CALLS.items():
        answer = call(caller)
        assert answer.status_code == 401, name
        assert answer["WWW-Authenticate"].startswith("Bearer"), name
        body = answer.json()
        assert (body["statusCode"], body["error"]) == (401, "Unauthorized"), name
        assert body["message"][0], name
        assert body["requestId"] == answer["X-Request-ID"], name
    assert rows() == before


@pytest.mark.parametrize("call", CALLS)
def test_people(call: str, alice: Caller) -> None:
    before = rows()
    answer = CALLS[call](alice)
    assert answer.status_code == (403 if call in SERVICES_ONLY else 200)
    assert rows() == before


@pytest.mark.parametrize("call", CALLS)
def test_services(call: str, backend: Caller) -> None:
    expected = 403 if call in PEOPLE_ONLY else 201 if call.startswith("POST /") else 200
    if call == "POST //resources":
        expected = 400  # an empty body; the address is there
    assert CALLS[call](backend).status_code == expected


@pytest.mark.parametrize("call", sorted(SERVICES_ONLY))
def test_clients_nobody_registered(call: str, backend: Caller, service_token: Sign) -> None:
    """Their tokens are good, so they are somebody: a person as far as we know, who may not report."""
    assert CALLS[call](Caller(service_token("a-stranger"))).status_code == 403


@pytest.mark.parametrize("call", sorted(SERVICES_ONLY))
def test_a_persons_token_got_through_a_registered_client(call: str, backend: Caller, person_token: Sign) -> None:
    assert CALLS[call](Caller(person_token(azp="job-tracker"))).status_code == 403


def test_clients_that_were_switched_off(backend: Caller) -> None:
    assert backend.get("/validate/auth").status_code == 200
    registry.register_client(ISSUER, "job-tracker", "job-tracker", [SOURCE], active=False)
    auth._clients.clear()
    assert backend.get("/validate/auth").status_code == 403
    assert backend.resources(resources()).status_code == 403


@pytest.mark.parametrize("call", ["GET /validate/auth", "POST /resources", "GET /user/permissions"])
@pytest.mark.parametrize("prefix", ["", "oidc/egi/"])
def test_both_forms_of_a_services_token(call: str, prefix: str, backend: Caller) -> None:
    assert CALLS[call](Caller(backend.token, prefix)).status_code in {200, 201}


@pytest.mark.parametrize("call", ["GET /user", "GET /user/permissions"])
@pytest.mark.parametrize("prefix", ["", "oidc/egi/"])
def test_both_forms_of_a_persons_token(call: str, prefix: str, alice: Caller) -> None:
    assert CALLS[call](Caller(alice.token, prefix)).status_code == 200


def test_the_scheme_may_be_written_in_any_case(backend: Caller) -> None:
    answer = backend.client.get("/validate/auth", headers={"authorization": f"bEaReR  {backend.token}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("endpoint", ["resources", "addedvalue"])
def test_a_source_of_somebody_else(endpoint: str, backend: Caller, other_backend: Caller) -> None:
    """Answered 403 and kept: whoever registers the source can still have it booked."""
    before = rows()
    body = resources() if endpoint == "resources" else added_value()
    answer = other_backend.post(f"/{endpoint}", body)
    assert answer.status_code == 403
    assert answer.json()["field"] == "sourceId"
    assert (answer.json()["code"], answer.json()["kept"]) == ("source_not_allowed", True)
    kept = QuarantinedReport.objects.get()
    assert (kept.endpoint, kept.source, kept.code) == (endpoint, SOURCE, "source_not_allowed")
    assert rows() == before | {"QuarantinedReport": 1}
    assert billed(backend.post(f"/{endpoint}", body)) >= 0


def test_an_unknown_source_is_kept(backend: Caller) -> None:
    answer = backend.resources(resources(sourceId="nobody-knows"))
    assert (answer.status_code, answer.json()["field"], answer.json()["kept"]) == (422, "sourceId", True)
    assert QuarantinedReport.objects.get().code == "source_unknown"


def test_a_client_sees_only_its_own_sources(backend: Caller, other_backend: Caller) -> None:
    assert other_backend.get("/validate/auth").json()["sources"] == ["cdse"]
    assert SENTINEL_HUB in backend.get("/validate/auth").json()["sources"]


METHODS = {
    "/user": {"GET", "HEAD"},
    "/user/permissions": {"GET", "HEAD"},
    "/validate/auth": {"GET", "HEAD"},
    "/resources": {"POST"},
    "/addedvalue": {"POST"},
}
ALL_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}


@pytest.mark.parametrize("path", METHODS)
def test_other_methods(path: str, backend: Caller, alice: Caller) -> None:
    caller = alice if path == "/user" else backend
    for method in sorted(ALL_METHODS - METHODS[path]):
        answer = caller.client.generic(method, path, b"{}", "application/json", headers=caller.headers)
        assert answer.status_code == 405, method
        assert set(answer["Allow"].split(", ")) == METHODS[path], method


def test_errors_say_nothing_of_the_token(backend: Caller) -> None:
    answer = Caller(f"{backend.token}x").get("/validate/auth")
    assert backend.token is not None
    assert backend.token[-40:] not in answer.content.decode()
