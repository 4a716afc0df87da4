"""A provider gone wrong, a callback gone astray: nobody is signed in, and a page says what to do. Never a 500."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from devtools.provider import ProviderAdmin
from portal import provider
from tests.portal.visitor import Visitor, assert_refused

pytestmark = [pytest.mark.provider]

ALICE = "1c0ffee0alice@egi.eu"
EARLY_ADOPTER = "urn:mace:egi.eu:group:vo.openeo.cloud:role=early_adopter#aai.egi.eu"
OPERATOR = "urn:mace:egi.eu:group:vo.openeo.cloud:operators:role=staff#aai.egi.eu"

ID_TOKEN_FAULTS = [
    "wrong_audience",
    "wrong_issuer",
    "wrong_nonce",
    "no_nonce",
    "wrong_subject",
    "no_subject",
    "wrong_azp",
    "expired",
    "future",
    "no_expiry",
    "alg_none",
    "alg_hs256",
    "foreign_key",
    "unknown_kid",
    "no_kid",
    "no_id_token",
    "garbled_id_token",
]


class TestFaults:
    @pytest.mark.parametrize("kind", ID_TOKEN_FAULTS)
    def test_a_bad_id_token_is_refused(self, visitor: Visitor, op: ProviderAdmin, kind: str) -> None:
        callback = visitor.consent(visitor.start())
        op.set_fault("token", kind)

        assert_refused(visitor, visitor.finish(callback), 502)

    @pytest.mark.parametrize(
        ("endpoint", "kind", "more", "status"),
        [
            ("token", "status", {"status": 400}, 502),
            ("token", "status", {"status": 401}, 502),
            ("token", "status", {"status": 500}, 503),
            ("token", "status", {"status": 503}, 503),
            ("token", "close", {}, 503),
            ("token", "not_json", {}, 502),
            ("token", "wrong_json", {}, 502),
            ("token", "empty", {}, 502),
            ("token", "empty_object", {}, 502),
            ("token", "claims", {"set": {"access_token": 7}}, 502),
            ("token", "claims", {"set": {"id_token": ["a"]}}, 502),
            ("jwks", "status", {"status": 500}, 503),
            ("jwks", "not_json", {}, 503),
            ("jwks", "close", {}, 503),
            ("userinfo", "status", {"status": 401}, 502),
            ("userinfo", "status", {"status": 500}, 503),
            ("userinfo", "close", {}, 503),
            ("userinfo", "not_json", {}, 502),
            ("userinfo", "wrong_json", {}, 502),
            ("userinfo", "empty_object", {}, 502),
            ("userinfo", "claims", {"set": {"sub": "somebody-else@egi.eu"}}, 502),
        ],
    )
    def test_a_provider_gone_wrong_ends_on_a_page(
        self, visitor: Visitor, op: ProviderAdmin, endpoint: str, kind: str, more: dict[str, Any], status: int
    ) -> None:
        callback = visitor.consent(visitor.start())
        op.set_fault(endpoint, kind, **more)

        response = visitor.finish(callback)

        assert_refused(visitor, response, status)
        assert response.has_header("Retry-After") == (status == 503)

    @pytest.mark.parametrize("endpoint", ["token", "jwks", "userinfo"])
    def test_a_provider_that_hangs_is_not_waited_for(
        self, visitor: Visitor, op: ProviderAdmin, settings: Any, endpoint: str
    ) -> None:
        callback = visitor.consent(visitor.start())
        op.set_fault(endpoint, "hang")
        settings.OIDC_TIMEOUT = 0.4
        started = time.monotonic()

        assert_refused(visitor, visitor.finish(callback), 503)
        assert time.monotonic() - started < 2

    @pytest.mark.parametrize(
        ("kind", "more", "status"),
        [
            ("status", {"status": 500}, 503),
            ("status", {"status": 404}, 502),
            ("close", {}, 503),
            ("not_json", {}, 502),
            ("empty_object", {}, 502),
        ],
    )
    def test_a_provider_that_cannot_be_discovered(
        self, visitor: Visitor, op: ProviderAdmin, kind: str, more: dict[str, Any], status: int
    ) -> None:
        op.set_fault("discovery", kind, **more)

        assert_refused(visitor, visitor.client.get("/oidc/authenticate/"), status)

    def test_a_known_provider_may_be_away_when_discovery_is_due(self, visitor: Visitor, op: ProviderAdmin) -> None:
        visitor.start()
        op.set_fault("discovery", "close")
        fetched_at, document = next(iter(provider._known.values()))
        provider._known[next(iter(provider._known))] = (fetched_at - provider.FRESH_SECONDS - 1, document)

        assert visitor.sign_in().status_code == 302

    @pytest.mark.parametrize(
        ("claims", "accepted"),
        [
            ({"aud": ["portal"]}, True),
            ({"aud": ["portal", "other"], "azp": "portal"}, True),
            ({"aud": ["portal", "other"]}, False),
            ({"aud": ["portal", "other"], "azp": "other"}, False),
            ({"aud": ["other"]}, False),
            ({"aud": "portal", "typ": "Bearer"}, False),
            ({"aud": "portal", "typ": "Logout"}, False),
            ({"aud": "portal", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, False),
            ({"aud": "portal", "iat": None}, False),
            ({"aud": "portal", "exp": "soon"}, False),
            ({"aud": "portal", "nonce": ["a"]}, False),
            ({"aud": None}, False),
        ],
    )
    def test_whom_a_token_is_for_and_what_it_is(
        self, visitor: Visitor, op: ProviderAdmin, claims: dict[str, Any], accepted: bool
    ) -> None:
        address = visitor.start()
        token = op.mint({"sub": ALICE, "nonce": visitor.nonce(address)} | claims)
        callback = visitor.consent(address)
        op.set_fault("token", "claims", set={"id_token": token})

        response = visitor.finish(callback)

        if accepted:
            assert response["Location"] == "/dashboard/"
        else:
            assert_refused(visitor, response, 502)

    def test_clocks_may_differ_by_seconds(self, visitor: Visitor, op: ProviderAdmin) -> None:
        outcomes = []
        for ahead in (20, 60):
            address = visitor.start()
            now = int(time.time())
            claims = {"aud": "portal", "sub": ALICE, "nonce": visitor.nonce(address), "iat": now + ahead}
            token = op.mint(claims | {"nbf": now + ahead})
            callback = visitor.consent(address)
            op.set_fault("token", "claims", set={"id_token": token}, times=1)
            outcomes.append(visitor.finish(callback).status_code)
            visitor = Visitor()

        assert outcomes == [302, 502]

    def test_giving_up_at_the_provider(self, visitor: Visitor) -> None:
        callback = visitor.consent(visitor.start(), cancel="yes")

        response = visitor.finish(callback)

        assert_refused(visitor, response, 400)
        assert b"You cancelled the sign-in" in response.content

    @pytest.mark.parametrize(
        ("error", "status"), [("temporarily_unavailable", 503), ("invalid_scope", 502), ("<script>", 502)]
    )
    def test_an_error_of_the_authorisation_endpoint(self, visitor: Visitor, error: str, status: int) -> None:
        address = visitor.start()
        state = address.partition("state=")[2].partition("&")[0]

        response = visitor.client.get("/oidc/callback/", {"error": error, "state": state})

        assert_refused(visitor, response, status)
        assert b"<script>" not in response.content

    @pytest.mark.parametrize("query", ["", "code=x", "state=x", "code=x&state=x", "error=access_denied", "state=%00"])
    def test_a_callback_that_nobody_asked_for(self, visitor: Visitor, query: str) -> None:
        assert_refused(visitor, visitor.client.get(f"/oidc/callback/?{query}"), 400)

    def test_a_callback_without_its_code(self, visitor: Visitor) -> None:
        state = visitor.start().partition("state=")[2].partition("&")[0]

        assert_refused(visitor, visitor.client.get("/oidc/callback/", {"state": state}), 502)

    def test_a_code_that_the_provider_did_not_give(self, visitor: Visitor) -> None:
        state = visitor.start().partition("state=")[2].partition("&")[0]

        assert_refused(visitor, visitor.client.get("/oidc/callback/", {"state": state, "code": "made-up"}), 502)

    def test_a_sign_in_left_open_for_too_long(self, visitor: Visitor) -> None:
        callback = visitor.consent(visitor.start())
        with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
            assert_refused(visitor, visitor.finish(callback), 400)

    def test_a_callback_works_once(self, visitor: Visitor) -> None:
        callback = visitor.consent(visitor.start())
        visitor.finish(callback)
        first = visitor.user

        again = visitor.finish(callback)

        assert again.status_code == 400
        assert visitor.user == first

    def test_a_callback_works_in_its_own_browser_only(self, visitor: Visitor) -> None:
        callback = visitor.consent(visitor.start())
        victim = Visitor()
        victim.start()

        assert_refused(victim, victim.finish(callback), 400)

    def test_a_forged_error_does_not_sign_anybody_out(self, visitor: Visitor) -> None:
        visitor.sign_in()

        response = visitor.client.get("/oidc/callback/?error=access_denied&state=forged")

        assert response.status_code == 400
        assert visitor.user is not None

    def test_a_new_key_is_taken_up(self, visitor: Visitor, op: ProviderAdmin) -> None:
        visitor.sign_in()
        op.rotate_keys()
        with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=True):
            assert Visitor().sign_in("bob").status_code == 302

    def test_no_secret_reaches_a_log(
        self, visitor: Visitor, op: ProviderAdmin, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        callback = visitor.consent(visitor.start())
        code = callback.partition("code=")[2].partition("&")[0]
        op.set_fault("token", "wrong_audience")
        visitor.finish(callback)
        ours = [record for record in caplog.records if not record.name.startswith("urllib3")]
        text = "\n".join(f"{record.getMessage()} {record.__dict__.get('fields')}" for record in ours)

        assert "sign_in_failed" in text
        for secret in (code, settings.OIDC_RP_CLIENT_SECRET, "eyJ"):
            assert secret not in text
