"""A.1: which tokens open the door. Every refusal is 401 with WWW-Authenticate; no token makes us ask a stranger."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from portal.api import tokens
from tests.portal.api.issuing import Issuer, Key, new_key, private_pem, public_pem, published, sign

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.portal.api.probe")]

Make = Callable[[Issuer, dict[str, Key]], str]


def who(client: Client, token: str, path: str = "/probe/who") -> Any:
    return client.get(path, headers={"authorization": f"Bearer {token}"})


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(issuer: Issuer, algorithm: str) -> str:
    return f"{encoded({'alg': algorithm, 'kid': 'one'})}.{encoded(issuer.claims())}."


def swapped_payload(issuer: Issuer) -> str:
    head, _, signature = issuer.token().split(".")
    return f"{head}.{encoded(issuer.claims(sub='mallory@egi.eu'))}.{signature}"


def public_key_as_secret(issuer: Issuer, keys: dict[str, Key]) -> str:
    """The classic confusion; PyJWT itself refuses to make it, so it is made by hand."""
    import hashlib
    import hmac

    signed = f"{encoded({'alg': 'HS256', 'kid': 'one', 'typ': 'JWT'})}.{encoded(issuer.claims())}"
    digest = hmac.new(public_pem(keys["one"]), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


BAD: dict[str, Make] = {
    "signed by somebody else": lambda i, k: sign(i.claims(), k["stranger"], "RS256", {"kid": "one"}),
    "payload swapped": lambda i, k: swapped_payload(i),
    "signature cut": lambda i, k: i.token()[:-5],
    "signature missing": lambda i, k: i.token().rpartition(".")[0] + ".",
    "unsigned": lambda i, k: unsigned(i, "none"),
    "unsigned, spelt otherwise": lambda i, k: unsigned(i, "nOnE"),
    "unsigned with our algorithm": lambda i, k: unsigned(i, "RS256"),
    "public key as secret": public_key_as_secret,
    "RS512": lambda i, k: sign(i.claims(), k["one"], "RS512", {"kid": "one"}),
    "PS256": lambda i, k: sign(i.claims(), k["one"], "PS256", {"kid": "one"}),
    "unknown key": lambda i, k: sign(i.claims(), k["stranger"], "RS256", {"kid": "two"}),
    "no key id": lambda i, k: sign(i.claims(), k["one"], "RS256", {}),
    "key id is a number": lambda i, k: f"{encoded({'alg': 'RS256', 'kid': 1})}.{encoded(i.claims())}.AAAA",
    "key id is long": lambda i, k: i.token(header={"kid": "k" * 3000}),
    "jku": lambda i, k: i.token(header={"jku": f"{i.root}/evil"}),
    "x5u": lambda i, k: i.token(header={"x5u": f"{i.root}/evil"}),
    "x5c": lambda i, k: i.token(header={"x5c": ["MIIB"]}),
    "crit": lambda i, k: i.token(header={"crit": ["exp"]}),
    "embedded key": lambda i, k: sign(
        i.claims(), k["stranger"], "RS256", {"kid": "one", "jwk": published("one", k["stranger"])}
    ),
    "foreign issuer": lambda i, k: i.token(iss="https://evil.example.org/realm"),
    "issuer with our name in front": lambda i, k: i.token(iss=f"{i.issuer}.evil.example.org"),
    "issuer in a list": lambda i, k: f"{encoded({'alg': 'RS256', 'kid': 'one'})}.{encoded({'iss': [i.issuer]})}.AAAA",
    "no issuer": lambda i, k: i.token(iss=None),
    "expired": lambda i, k: i.token(exp=int(time.time()) - 31),
    "not yet": lambda i, k: i.token(nbf=int(time.time()) + 60),
    "issued in the future": lambda i, k: i.token(iat=int(time.time()) + 3600),
    "no expiry": lambda i, k: i.token(exp=None),
    "expiry is a text": lambda i, k: sign({**i.claims(), "exp": "tomorrow"}, k["one"], "RS256", {"kid": "one"}),
    "no time of issue": lambda i, k: i.token(iat=None),
    "no subject": lambda i, k: i.token(sub=None),
    "empty subject": lambda i, k: i.token(sub=""),
    "long subject": lambda i, k: i.token(sub="s" * 256),
    "NUL in the subject": lambda i, k: i.token(sub="alice\x00@egi.eu"),
    "client is a list": lambda i, k: i.token(azp=["a"]),
    "ID token by type": lambda i, k: i.token(typ="ID"),
    "ID token by hash": lambda i, k: i.token(typ=None, at_hash="abc", scope=None),
    "ID token by nonce": lambda i, k: i.token(typ=None, nonce="n", azp=None),
    "ID token that says nothing": lambda i, k: i.token(typ=None, scope=None, azp=None),
    "refresh token": lambda i, k: i.token(typ="Refresh"),
    "offline token": lambda i, k: i.token(typ="Offline"),
    "logout token": lambda i, k: i.token(typ="Logout"),
    "logout token by event": lambda i, k: i.token(typ=None, events={"http://x/backchannel-logout": {}}),
    "logout token by header": lambda i, k: i.token(header={"typ": "logout+jwt"}),
    "proof of possession": lambda i, k: i.token(header={"typ": "dpop+jwt"}),
    "longer than 8 KiB": lambda i, k: i.token(padding="x" * 9000),
    "no JSON in it": lambda i, k: "abc.def.ghi",
    "a list for a header": lambda i, k: f"{encoded([])}.{encoded({})}.AAAA",
    "deep nesting": lambda i, k: f"{encoded({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'[' * 2000).decode()}.AA",
    "opaque": lambda i, k: "opaque-token-0123456789",
    "five parts": lambda i, k: "a.b.c.d.e",
}


@pytest.mark.parametrize("name", BAD)
def test_refused(client: Client, issuer: Issuer, spare_keys: dict[str, Key], name: str) -> None:
    answer = who(client, BAD[name](issuer, spare_keys))
    assert answer.status_code == 401, answer.content
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "token_invalid"
    assert issuer.asked["/evil"] == 0


def test_refused_in_the_style_of_the_etl_api(client: Client, issuer: Issuer) -> None:
    answer = who(client, issuer.token(exp=1), "/probe/etl-who")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["statusCode"] == 401
    assert answer.json()["message"] == ["The token has expired."]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"typ": None},
        {"typ": None, "scope": None, "client_id": "c"},
        {"nonce": "EGI puts one into access tokens"},
        {"aud": ["somebody-else"]},
        {"nbf": int(time.time()) - 5},
    ],
)
def test_accepted(client: Client, issuer: Issuer, changes: dict[str, Any]) -> None:
    answer = who(client, issuer.token(**changes))
    assert answer.status_code == 200, answer.content
    assert answer.json() == {"kind": "person", "issuer": issuer.issuer, "subject": "alice@egi.eu"}


def test_access_token_type_of_rfc_9068(client: Client, issuer: Issuer) -> None:
    token = issuer.token(typ=None, scope=None, header={"typ": "at+jwt"})
    assert who(client, token).status_code == 200


@pytest.mark.parametrize(("seconds", "status"), [(29, 200), (31, 401)])
def test_leeway_of_thirty_seconds(client: Client, issuer: Issuer, seconds: int, status: int, time_machine: Any) -> None:
    now = int(time.time())
    token = issuer.token(iat=now - 100, exp=now)
    time_machine.move_to(now + seconds, tick=False)
    assert who(client, token).status_code == status


@pytest.mark.parametrize("spelling", ["{}/", "{}//"])
def test_issuer_is_compared_without_slash_and_case(client: Client, issuer: Issuer, spelling: str) -> None:
    token = issuer.token(iss=spelling.format(issuer.issuer.upper()))
    assert who(client, token).json()["issuer"] == issuer.issuer


def test_elliptic_curve_keys(client: Client, issuer: Issuer) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    issuer.keys["curve"] = ec.generate_private_key(ec.SECP256R1())
    assert who(client, issuer.token("curve")).status_code == 200


def test_the_algorithm_comes_from_the_key(client: Client, issuer: Issuer, spare_keys: dict[str, Key]) -> None:
    """A set that also publishes a secret, an encryption key and a key for another algorithm offers none of them."""
    issuer.extra_keys = [
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"},
        published("encryption", spare_keys["two"], use="enc"),
        published("other", spare_keys["two"], alg="RS512"),
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
    ]
    for key_id in ("encryption", "other", "secret", "broken"):
        token = sign(issuer.claims(), spare_keys["two"], "RS256", {"kid": key_id})
        assert who(client, token).status_code == 401
    assert who(client, issuer.token()).status_code == 200


@pytest.mark.parametrize(
    ("entry", "changes", "status"),
    [
        ({"audiences": ["credits"]}, {"aud": "credits"}, 200),
        ({"audiences": ["credits"]}, {"aud": ["x", "credits"]}, 200),
        ({"audiences": ["credits"]}, {"aud": "other"}, 401),
        ({"audiences": ["credits"]}, {"aud": [1, None]}, 401),
        ({"audiences": ["credits"]}, {}, 401),
        ({"clients": ["tracker"]}, {"azp": "tracker"}, 200),
        ({"clients": ["tracker"]}, {"azp": None, "client_id": "tracker"}, 200),
        ({"clients": ["tracker"]}, {"azp": "other"}, 401),
        ({"clients": ["tracker"]}, {"azp": None}, 401),
    ],
)
def test_audience_and_client_lists(
    client: Client, issuer: Issuer, settings: Any, entry: dict[str, Any], changes: dict[str, Any], status: int
) -> None:
    settings.TOKEN_ISSUERS = [{"id": "fake", "issuer": issuer.issuer, **entry}]
    assert who(client, issuer.token(**changes)).status_code == status


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer {}", 200),
        ("bearer   {}  ", 200),
        ("Bearer oidc/fake/{}", 200),
        ("Bearer oidc/other/{}", 401),
        ("Bearer oidc//{}", 401),
        ("Bearer basic//{}", 401),
        ("Bearer fake/{}", 401),
        ("Bearer oidc/fake/{}/", 401),
        ("Bearer {} {}", 401),
        ("Basic {}", 401),
        ("{}", 401),
        ("Bearer", 401),
        ("", 401),
        ("Bearer ünïcode", 401),
    ],
)
def test_forms_of_the_header(client: Client, issuer: Issuer, header: str, status: int) -> None:
    answer = client.get("/probe/who", headers={"authorization": header.format(issuer.token(), issuer.token())})
    assert answer.status_code == status, answer.content


def test_prefix_must_name_the_issuer_of_the_token(client: Client, issuer: Issuer, settings: Any) -> None:
    settings.TOKEN_ISSUERS = [*settings.TOKEN_ISSUERS, {"id": "second", "issuer": "https://second.example.org"}]
    for _ in range(2):  # also when the token is remembered
        answer = client.get("/probe/who", headers={"authorization": f"Bearer oidc/second/{issuer.token()}"})
        assert answer.status_code == 401


def test_no_header(client: Client, issuer: Issuer) -> None:
    answer = client.get("/probe/who")
    assert answer.status_code == 401
    assert answer.json()["code"] == "authentication_required"
    assert answer["WWW-Authenticate"] == 'Bearer realm="openEO credits"'


def test_two_issuers_do_not_answer_for_each_other(client: Client, issuer: Issuer, settings: Any) -> None:
    """The same key id at both: a token counts only with the key of the issuer that it names."""
    second = Issuer({"one": new_key()})
    try:
        settings.TOKEN_ISSUERS = [*settings.TOKEN_ISSUERS, {"id": "second", "issuer": second.issuer}]
        assert who(client, second.token()).json()["issuer"] == second.issuer
        assert who(client, sign(issuer.claims(), second.keys["one"], "RS256", {"kid": "one"})).status_code == 401
    finally:
        second.stop()


def test_a_verified_token_is_remembered_for_a_minute_and_not_after_its_end(
    client: Client, issuer: Issuer, time_machine: Any
) -> None:
    now = int(time.time())
    time_machine.move_to(now, tick=False)
    token = issuer.token(iat=now, exp=now + 20)
    assert who(client, token).status_code == 200
    assert len(tokens._remembered) == 1
    assert token not in repr(tokens._remembered)
    time_machine.move_to(now + 51, tick=False)
    assert who(client, token).status_code == 401


def test_what_is_remembered_is_bounded(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_REMEMBERED", 3)
    for number in range(8):
        tokens.verify(issuer.token(sub=f"person-{number}"))
        assert len(tokens._remembered) <= 3


def test_a_key_that_is_withdrawn_ends_the_tokens_it_signed(client: Client, issuer: Issuer, time_machine: Any) -> None:
    now = int(time.time())
    time_machine.move_to(now, tick=False)
    token = issuer.token()
    assert who(client, token).status_code == 200
    issuer.keys = {"two": new_key()}
    time_machine.move_to(now + 1, tick=False)
    assert who(client, issuer.token("two")).status_code == 200
    assert who(client, token).status_code == 401


def test_the_private_key_of_the_tests_is_no_help(issuer: Issuer, spare_keys: dict[str, Key]) -> None:
    """PEM texts in a header are data: nothing is parsed out of them."""
    token = issuer.token(header={"jwk": private_pem(spare_keys["stranger"]).decode()})
    with pytest.raises(tokens.TokenInvalid, match="header"):
        tokens.verify(token)
