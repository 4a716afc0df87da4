"""The development provider looks like EGI Check-in to back ends, portal and devices."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from devtools.processes import free_ports
from devtools.provider import (
    AUDIENCE,
    DEVICE_CLIENT,
    Provider,
    ProviderAdmin,
    device_client,
    portal_client,
    service_client,
)
from tests.devtools.sign_in import CALLBACK, sign_in

pytestmark = pytest.mark.provider

SECRET = "s-3_cret"
ALICE = {
    "login": "alice",
    "sub": "aaaa@egi.eu",
    "name": "Alice Archer",
    "email": "alice@example.org",
    "eduperson_entitlement": ["urn:mace:egi.eu:group:vo.openeo.cloud:role=early_adopter#aai.egi.eu"],
    "note": "Owner of Forest Lab",
}
SCRIPT = {"login": "<script>", "sub": "x@egi.eu", "name": "<b>Mallory</b>", "listed": True}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    clients = [
        portal_client("portal", SECRET),
        service_client("backend", SECRET),
        service_client("elsewhere", SECRET, audience="urn:somebody:else", subject="f00@egi.eu"),
        device_client(),
    ]
    with Provider(free_ports(1)[0], tmp_path_factory.mktemp("provider"), [ALICE, SCRIPT], clients) as running:
        yield running


@pytest.fixture
def admin(provider: Provider) -> ProviderAdmin:
    return ProviderAdmin(provider.root)


def verified(provider: Provider, token: str, audience: str = AUDIENCE) -> dict[str, Any]:
    key = jwt.PyJWKClient(provider.endpoint("certs")).get_signing_key_from_jwt(token)
    claims: dict[str, Any] = jwt.decode(token, key, ["RS256"], audience=audience, issuer=provider.issuer)
    return claims


def service_token(provider: Provider, client: str = "backend") -> dict[str, Any]:
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": SECRET, "scope": "openid"}
    answer = requests.post(provider.endpoint("token"), data=form, timeout=10)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_discovery_has_keycloaks_addresses_and_what_clients_look_for(provider: Provider) -> None:
    found = requests.get(f"{provider.issuer}/.well-known/openid-configuration", timeout=10).json()
    assert found["issuer"] == provider.issuer
    assert found["token_endpoint"] == f"{provider.issuer}/protocol/openid-connect/token"
    assert found["jwks_uri"] == f"{provider.issuer}/protocol/openid-connect/certs"
    assert "openid" in found["scopes_supported"]
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert "urn:ietf:params:oauth:grant-type:device_code" in found["grant_types_supported"]


def test_a_service_token_says_which_client_it_is(provider: Provider) -> None:
    answer = service_token(provider)
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600
    claims = verified(provider, answer["access_token"])
    assert claims["sub"] == "service-account-backend@egi.eu"
    assert claims["preferred_username"] == "service-account-backend"
    assert claims["azp"] == claims["client_id"] == "backend"
    assert claims["exp"] - claims["iat"] == 3600


def test_client_credentials_are_taken_from_the_header_too(provider: Provider) -> None:
    form = {"grant_type": "client_credentials"}
    answer = requests.post(provider.endpoint("token"), data=form, auth=("backend", SECRET), timeout=10)
    assert answer.status_code == 200
    assert verified(provider, answer.json()["access_token"])["azp"] == "backend"


def test_a_wrong_secret_is_refused(provider: Provider) -> None:
    form = {"grant_type": "client_credentials"}
    answer = requests.post(provider.endpoint("token"), data=form, auth=("backend", "wrong"), timeout=10)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


def test_a_client_may_have_an_audience_and_a_subject_of_its_own(provider: Provider) -> None:
    token = service_token(provider, "elsewhere")["access_token"]
    with pytest.raises(jwt.InvalidAudienceError):
        verified(provider, token)
    assert verified(provider, token, "urn:somebody:else")["sub"] == "f00@egi.eu"


def test_userinfo_and_introspection_take_the_providers_own_access_tokens(provider: Provider) -> None:
    token = service_token(provider)["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    said = requests.get(provider.endpoint("userinfo"), headers=header, timeout=10).json()
    assert said == {"sub": "service-account-backend@egi.eu", "preferred_username": "service-account-backend"}
    form, who = {"token": token}, ("backend", SECRET)
    introspected = requests.post(provider.endpoint("token/introspect"), data=form, auth=who, timeout=10).json()
    assert introspected["active"] is True
    assert introspected["azp"] == "backend"


def test_unknown_tokens_are_inactive_and_callers_must_say_who_they_are(provider: Provider) -> None:
    address, form = provider.endpoint("token/introspect"), {"token": "x.y.z"}
    assert requests.post(address, data=form, auth=("backend", SECRET), timeout=10).json() == {"active": False}
    assert requests.post(address, data=form, auth=("backend", "no"), timeout=10).status_code == 401
    header = {"Authorization": "Bearer x.y.z"}
    answer = requests.get(provider.endpoint("userinfo"), headers=header, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_person_signs_in_with_proof_of_the_code(provider: Provider) -> None:
    attempt = sign_in(provider, {"login": "alice"})
    assert attempt.query["state"] == "st"
    tokens = attempt.exchange(provider, SECRET).json()
    identity = verified(provider, tokens["id_token"], "portal")
    assert identity["sub"] == ALICE["sub"]
    assert identity["nonce"] == attempt.nonce
    access = verified(provider, tokens["access_token"])
    assert access["sub"] == ALICE["sub"]
    assert access["azp"] == "portal"
    assert "client_id" not in access
    header = {"Authorization": f"Bearer {tokens['access_token']}"}
    said = requests.get(provider.endpoint("userinfo"), headers=header, timeout=10).json()
    assert said["sub"] == said["voperson_id"] == ALICE["sub"]
    assert said["email"] == ALICE["email"]
    assert said["email_verified"] is True
    assert said["eduperson_entitlement"] == ALICE["eduperson_entitlement"]
    assert "note" not in said


def test_a_code_is_worth_nothing_without_its_verifier(provider: Provider) -> None:
    answer = sign_in(provider, {"login": "alice"}).exchange(provider, SECRET, code_verifier="v" * 60)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("port", [18001, 31002])
def test_any_port_of_this_machine_may_be_returned_to(provider: Provider, port: int) -> None:
    assert "code" in sign_in(provider, {"login": "alice"}, f"http://127.0.0.1:{port}/oidc/callback/").query


def test_other_hosts_may_not_be_returned_to(provider: Provider) -> None:
    address = f"{provider.endpoint('auth')}?client_id=portal&response_type=code&scope=openid"
    proof = "&code_challenge_method=S256&code_challenge=" + "c" * 43
    for callback in ("https://evil.example.org/oidc/callback/", CALLBACK + "more"):
        assert requests.get(f"{address}{proof}&redirect_uri={callback}", timeout=10).status_code == 400


def test_a_person_may_give_up(provider: Provider) -> None:
    assert sign_in(provider, {"cancel": "yes"}).query["error"] == "access_denied"


def test_nobody_is_signed_in_by_an_unknown_name(provider: Provider) -> None:
    with pytest.raises(AssertionError, match=r"stayed on its page: 401(?s:.*)Nobody goes by that name"):
        sign_in(provider, {"login": "nobody"})


def test_the_page_shows_names_as_text(provider: Provider) -> None:
    with pytest.raises(AssertionError) as shown:
        sign_in(provider, {"login": ""})
    assert "&#60;b&#62;Mallory" in str(shown.value)
    assert "<b>Mallory" not in str(shown.value)


def test_a_device_asks_and_waits(provider: Provider) -> None:
    form = {"client_id": DEVICE_CLIENT, "scope": "openid email offline_access"}
    started = requests.post(provider.endpoint("auth/device"), data=form, timeout=10).json()
    assert started["verification_uri_complete"].startswith(provider.issuer)
    poll = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": started["device_code"],
        "client_id": DEVICE_CLIENT,
    }
    answer = requests.post(provider.endpoint("token"), data=poll, timeout=10)
    assert answer.json()["error"] == "authorization_pending"


def test_people_and_clients_may_be_added_while_it_runs(provider: Provider, admin: ProviderAdmin) -> None:
    admin.add_person(login="zoe", sub="zzzz@egi.eu", name="Zoe")
    admin.add_client(service_client("late", SECRET))
    assert "code" in sign_in(provider, {"login": "zoe"}).query
    assert verified(provider, service_token(provider, "late")["access_token"])["azp"] == "late"


def test_a_rotated_key_signs_and_the_old_one_is_still_published(provider: Provider, admin: ProviderAdmin) -> None:
    before = service_token(provider)["access_token"]
    kids = admin.rotate_keys()
    after = service_token(provider)["access_token"]
    assert [jwt.get_unverified_header(token)["kid"] for token in (after, before)] == kids
    assert verified(provider, before)["azp"] == verified(provider, after)["azp"] == "backend"


def test_tokens_outlive_a_restart(tmp_path: Path) -> None:
    provider = Provider(free_ports(1)[0], tmp_path, clients=[service_client("backend", SECRET)])
    with provider:
        token = service_token(provider)["access_token"]
    with provider:
        assert verified(provider, token)["azp"] == "backend"
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
