"""The provider fails as asked: what it then sends is exactly as wrong as the fault says."""

from collections.abc import Iterator

import jwt
import pytest
import requests

from devtools.processes import free_ports
from devtools.provider import AUDIENCE, Provider, ProviderAdmin, portal_client
from tests.devtools.sign_in import sign_in

pytestmark = pytest.mark.provider

SECRET = "s-3_cret"
ID_TOKEN_FAULTS = {
    "wrong_audience": jwt.InvalidAudienceError,
    "wrong_issuer": jwt.InvalidIssuerError,
    "expired": jwt.ExpiredSignatureError,
    "future": jwt.ImmatureSignatureError,
    "no_expiry": jwt.MissingRequiredClaimError,
    "no_subject": jwt.MissingRequiredClaimError,
    "no_nonce": jwt.MissingRequiredClaimError,
    "alg_none": jwt.PyJWKClientError,
    "alg_hs256": jwt.InvalidAlgorithmError,
    "foreign_key": jwt.InvalidSignatureError,
    "unknown_kid": jwt.PyJWKClientError,
    "no_kid": jwt.PyJWKClientError,
    "garbled_id_token": jwt.DecodeError,
}
CLAIM_FAULTS = {"wrong_nonce": "nonce", "wrong_subject": "sub", "wrong_azp": "azp"}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    people = [{"login": "alice", "sub": "aaaa@egi.eu", "name": "Alice"}]
    folder = tmp_path_factory.mktemp("provider")
    with Provider(free_ports(1)[0], folder, people, [portal_client("portal", SECRET)]) as running:
        yield running


@pytest.fixture
def admin(provider: Provider) -> Iterator[ProviderAdmin]:
    admin = ProviderAdmin(provider.root)
    yield admin
    admin.clear_faults()


def check(provider: Provider, token: str) -> dict[str, object]:
    key = jwt.PyJWKClient(provider.endpoint("certs")).get_signing_key_from_jwt(token)
    options: jwt.types.Options = {"require": ["exp", "iat", "sub", "nonce"]}
    claims: dict[str, object] = jwt.decode(
        token, key, ["RS256"], audience="portal", issuer=provider.issuer, options=options
    )
    return claims


@pytest.mark.parametrize("kind", ID_TOKEN_FAULTS)
def test_an_id_token_is_spoilt(provider: Provider, admin: ProviderAdmin, kind: str) -> None:
    admin.set_fault("token", kind, times=1)
    spoilt = sign_in(provider, {"login": "alice"}).exchange(provider, SECRET)
    assert spoilt.status_code == 200
    with pytest.raises(ID_TOKEN_FAULTS[kind]):
        check(provider, spoilt.json()["id_token"])
    sound = sign_in(provider, {"login": "alice"}).exchange(provider, SECRET)
    assert check(provider, sound.json()["id_token"])["sub"] == "aaaa@egi.eu"


@pytest.mark.parametrize("kind", CLAIM_FAULTS)
def test_a_claim_is_wrong_in_a_token_that_is_signed_rightly(
    provider: Provider, admin: ProviderAdmin, kind: str
) -> None:
    admin.set_fault("token", kind)
    attempt = sign_in(provider, {"login": "alice"})
    claims = check(provider, attempt.exchange(provider, SECRET).json()["id_token"])
    right = {"nonce": attempt.nonce, "sub": "aaaa@egi.eu", "azp": "portal"}
    assert claims[CLAIM_FAULTS[kind]] != right[CLAIM_FAULTS[kind]]


def test_there_is_no_id_token_at_all(provider: Provider, admin: ProviderAdmin) -> None:
    admin.set_fault("token", "no_id_token")
    answer = sign_in(provider, {"login": "alice"}).exchange(provider, SECRET).json()
    assert "id_token" not in answer
    assert "access_token" in answer


def test_userinfo_speaks_of_somebody_else(provider: Provider, admin: ProviderAdmin) -> None:
    admin.set_fault("userinfo", "claims", set={"sub": "bbbb@egi.eu"})
    token = admin.mint({"sub": "aaaa@egi.eu"})
    header = {"Authorization": f"Bearer {token}"}
    assert requests.get(provider.endpoint("userinfo"), headers=header, timeout=10).json()["sub"] == "bbbb@egi.eu"


@pytest.mark.parametrize("endpoint", ["certs", "token", "userinfo"])
@pytest.mark.parametrize("kind", ["status", "not_json", "empty", "wrong_json", "empty_object", "hang", "close"])
def test_an_endpoint_fails(provider: Provider, admin: ProviderAdmin, endpoint: str, kind: str) -> None:
    names = {"certs": "jwks"}
    admin.set_fault(names.get(endpoint, endpoint), kind, status=503)
    address = provider.endpoint(endpoint)
    if kind == "hang":
        with pytest.raises(requests.Timeout):
            requests.post(address, timeout=0.3)
    elif kind == "close":
        with pytest.raises(requests.ConnectionError):
            requests.post(address, timeout=10)
    else:
        answer = requests.post(address, timeout=10)
        expected = {"status": 503}.get(kind, 200)
        assert answer.status_code == expected
        bodies = {"status": "fault", "not_json": "<html>Bad gateway</html>", "empty": "", "wrong_json": "[]"}
        assert answer.text == bodies.get(kind, "{}")


def test_a_fault_ends_after_its_times_or_when_cleared(provider: Provider, admin: ProviderAdmin) -> None:
    discovery = f"{provider.issuer}/.well-known/openid-configuration"
    admin.set_fault("discovery", "status", times=2)
    assert [requests.get(discovery, timeout=10).status_code for _ in range(3)] == [500, 500, 200]
    admin.set_fault("discovery", "status")
    assert requests.get(discovery, timeout=10).status_code == 500
    admin.clear_faults()
    assert requests.get(discovery, timeout=10).status_code == 200


def test_a_mistyped_fault_is_refused(admin: ProviderAdmin) -> None:
    with pytest.raises(OSError, match="400"):
        admin.set_fault("tokens", "status")
    with pytest.raises(OSError, match="400"):
        admin.set_fault("token", "explode")


def test_any_claims_can_be_signed(provider: Provider, admin: ProviderAdmin) -> None:
    key = jwt.PyJWKClient(provider.endpoint("certs")).get_signing_keys()[0]
    plain = jwt.decode(admin.mint({"sub": "a"}), key, ["RS256"], audience=AUDIENCE, issuer=provider.issuer)
    assert plain["sub"] == "a"
    without = jwt.decode(admin.mint({"aud": None, "exp": None}), key, ["RS256"])
    assert {"aud", "exp"}.isdisjoint(without)
    foreign = admin.mint({"sub": "a"}, key="foreign")
    assert jwt.get_unverified_header(foreign)["kid"] == key.key_id
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(foreign, key, ["RS256"], audience=AUDIENCE)
    assert jwt.get_unverified_header(admin.mint({}, alg="none"))["alg"] == "none"
    assert jwt.get_unverified_header(admin.mint({}, alg="HS256"))["alg"] == "HS256"
    assert "kid" not in jwt.get_unverified_header(admin.mint({}, kid=None))
