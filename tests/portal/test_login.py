"""Signing in with the real provider: who one becomes, and that every fault ends on a page that says what to do."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounting import organisations, registry
from devtools.provider import ProviderAdmin
from portal import provider
from portal.api import fetching
from portal.models import User
from tests.portal.visitor import Visitor

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


def assert_refused(visitor: Visitor, response: Any, status: int) -> None:
    """Nobody is signed in, and the page says what to do."""
    page = response.content.decode()
    assert response.status_code == status, page
    assert "Sign in again" in page
    assert "Reference" in page
    assert visitor.user is None
    assert User.objects.count() == 0


class TestWho:
    def test_the_first_sign_in_makes_the_person_and_the_user(self, visitor: Visitor, settings: Any) -> None:
        response = visitor.sign_in()

        user = visitor.user
        assert (response.status_code, response["Location"]) == (302, "/dashboard/")
        assert user is not None
        assert (user.issuer, user.sub) == (settings.OIDC_ISSUER, ALICE)
        assert (user.name, user.email, user.email_verified) == ("Alice Archer", "alice@example.org", True)
        assert user.entitlements == [EARLY_ADOPTER]
        person = organisations.find_person(registry.normalise_issuer(settings.OIDC_ISSUER), ALICE)
        assert person is not None
        assert user.person_id == person.pk
        assert person.plan == settings.DEFAULT_PLAN

    def test_a_person_known_from_a_usage_report_is_the_same_person(self, visitor: Visitor, settings: Any) -> None:
        known = organisations.ensure_person(registry.normalise_issuer(settings.OIDC_ISSUER), ALICE)

        visitor.sign_in()

        assert visitor.user is not None
        assert visitor.user.person_id == known.pk

    def test_signing_in_again_brings_the_claims_up_to_date(self, visitor: Visitor, op: ProviderAdmin) -> None:
        op.add_person(login="eve", sub="eve-1@egi.eu", name="Eve Old", email="eve@example.org")
        visitor.sign_in("eve")
        before = visitor.user
        op.add_person(login="eve", sub="eve-1@egi.eu", name="Eve New", email="new@example.org", email_verified=False)
        again = Visitor()
        again.sign_in("eve")

        assert before is not None
        assert again.user == before
        assert (again.user.name, again.user.email) == ("Eve New", "new@example.org")
        assert again.user.email_verified is False

    @pytest.mark.parametrize("email", ["alice@example.org", "ALICE@example.org", "alice@example.org\u200b"])
    @pytest.mark.parametrize("verified", [True, False])
    def test_an_equal_email_is_another_account(
        self, visitor: Visitor, op: ProviderAdmin, email: str, verified: bool
    ) -> None:
        visitor.sign_in()
        op.add_person(login="mallory", sub="mallory@egi.eu", email=email, email_verified=verified)
        attacker = Visitor()
        attacker.sign_in("mallory")

        assert attacker.user is not None
        assert attacker.user != visitor.user
        assert attacker.user.person_id != visitor.user.person_id  # type: ignore[union-attr]

    def test_entitlements_give_the_plan_and_take_it_away(
        self, visitor: Visitor, op: ProviderAdmin, settings: Any
    ) -> None:
        settings.PLANS_BY_ENTITLEMENT = {"Early_Adopter": "early-adopter"}
        sub = {"login": "plan", "sub": "plan@egi.eu"}
        plans = []
        for entitlements in ([EARLY_ADOPTER, "urn:mace:egi.eu:res:gocdb#aai.egi.eu"], EARLY_ADOPTER, []):
            op.add_person(**sub, eduperson_entitlement=entitlements)
            Visitor().sign_in("plan")
            person = organisations.find_person(registry.normalise_issuer(settings.OIDC_ISSUER), "plan@egi.eu")
            plans.append(person.plan if person else None)

        assert plans == ["early-adopter", "early-adopter", settings.DEFAULT_PLAN]

    def test_staff_only_by_the_configured_entitlement(self, visitor: Visitor, op: ProviderAdmin, settings: Any) -> None:
        op.add_person(login="boss", sub="boss@egi.eu", entitlements=[OPERATOR], is_staff=True)
        visitor.sign_in("boss")
        assert visitor.user is not None
        assert not visitor.user.is_staff

        settings.STAFF_ENTITLEMENT = OPERATOR
        Visitor().sign_in("boss")
        assert User.objects.get(sub="boss@egi.eu").is_staff

        op.add_person(login="boss", sub="boss@egi.eu", entitlements=[EARLY_ADOPTER])
        Visitor().sign_in("boss")
        assert not User.objects.get(sub="boss@egi.eu").is_staff

    def test_hostile_claims_are_cleaned_not_stumbled_over(self, visitor: Visitor, op: ProviderAdmin) -> None:
        op.add_person(
            login="hostile",
            sub="hostile@egi.eu",
            name="\u202eAnn\u0000\ud800 <script>alert(1)</script>\n" + "x" * 5000,
            email=["a@example.org"],
            email_verified="true",
            voperson_id={"a": 1},
            entitlements=[None, 3, "urn:\u0000", "y" * 9000],
        )
        assert visitor.sign_in("hostile").status_code == 302

        user = visitor.user
        assert user is not None
        assert user.name.startswith("Ann <script>alert(1)</script> xxx")
        assert len(user.name) == 255
        assert (user.email, user.email_verified, user.voperson_id) == ("", False, "")
        assert b"<script>alert" not in visitor.client.get("/profile/").content

    def test_a_sub_that_is_no_identifier_is_refused(self, visitor: Visitor, op: ProviderAdmin, settings: Any) -> None:
        for sub in ("", "x" * 256, "a\u0000b", "\u0430lice@egi.eu"):
            address = visitor.start()
            token = op.mint({"aud": "portal", "sub": sub, "nonce": visitor.nonce(address)})
            callback = visitor.consent(address)
            op.set_fault("token", "claims", set={"id_token": token}, times=1)
            assert_refused(visitor, visitor.finish(callback), 502)


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
        self, visitor: Visitor, op: ProviderAdmin, monkeypatch: pytest.MonkeyPatch, endpoint: str
    ) -> None:
        callback = visitor.consent(visitor.start())
        op.set_fault(endpoint, "hang")
        monkeypatch.setattr(fetching, "TIMEOUT_SECONDS", 0.4)
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


class TestSessions:
    def test_the_request_carries_pkce_state_and_nonce(self, visitor: Visitor) -> None:
        address = visitor.start()

        for part in ("response_type=code", "code_challenge_method=S256", "code_challenge=", "state=", "nonce="):
            assert part in address

    def test_signing_in_changes_the_session_key(self, visitor: Visitor) -> None:
        visitor.start()
        before = visitor.client.session.session_key

        visitor.sign_in()

        assert visitor.client.session.session_key != before
        assert not Session.objects.filter(session_key=before).exists()

    @pytest.mark.parametrize("wanted", ["/jobs/?state=FAILED", "/profile/", "/jobs/cdse/j-1%252F2"])
    def test_it_leads_on_to_the_page_that_was_wanted(self, visitor: Visitor, wanted: str) -> None:
        assert visitor.sign_in(next_path=wanted)["Location"] == wanted

    @pytest.mark.parametrize(
        "wanted",
        [
            "https://evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "http://127.0.0.1:23090/jobs/",
            "javascript:alert(1)",
            "/%0d%0aX: y\r\nSet-Cookie: a=b",
            "\t//evil.example",
            "jobs/",
            "@evil.example",
            "/" + "x" * 3000,
        ],
    )
    def test_it_leads_nowhere_else(self, visitor: Visitor, wanted: str) -> None:
        assert visitor.sign_in(next_path=wanted)["Location"] == "/dashboard/"

    def test_each_tab_comes_back_to_its_own_page(self, visitor: Visitor) -> None:
        first, second = visitor.start("/jobs/"), visitor.start("/profile/")
        other = Visitor(client=visitor.client)

        assert visitor.finish(visitor.consent(first))["Location"] == "/jobs/"
        assert visitor.finish(other.consent(second))["Location"] == "/profile/"

    def test_who_is_signed_in_need_not_again(self, visitor: Visitor) -> None:
        visitor.sign_in()

        assert visitor.client.get("/oidc/authenticate/?next=/jobs/")["Location"] == "/jobs/"
        assert visitor.client.get("/")["Location"] == "/dashboard/"

    def test_signing_out_ends_the_session_and_offers_the_provider(self, visitor: Visitor) -> None:
        visitor.sign_in()
        key = visitor.client.session.session_key

        response = visitor.client.post("/sign-out/")
        page = visitor.client.get(response["Location"]).content.decode()

        assert visitor.user is None
        assert not Session.objects.filter(session_key=key).exists()
        assert "protocol/openid-connect/logout?client_id=portal&amp;post_logout_redirect_uri=http%3A%2F%2F127" in page
        assert visitor.client.get("/dashboard/").status_code == 302

    def test_signing_out_takes_a_post_with_its_token(self, visitor: Visitor) -> None:
        visitor.sign_in()
        visitor.client.handler.enforce_csrf_checks = True

        assert visitor.client.get("/sign-out/").status_code == 405
        assert visitor.client.post("/sign-out/").status_code == 403
        assert visitor.user is not None

    def test_a_closed_account_is_out_at_once_and_stays_out(self, visitor: Visitor) -> None:
        visitor.sign_in()
        User.objects.update(is_active=False)

        assert visitor.client.get("/profile/").status_code == 302
        response = Visitor().sign_in()
        assert response.status_code == 403
        assert b"This account is closed" in response.content

    def test_a_session_ends_when_it_is_not_used(self, visitor: Visitor) -> None:
        visitor.sign_in()
        with time_machine.travel(timezone.now() + timedelta(hours=7), tick=True) as clock:
            assert visitor.client.get("/profile/").status_code == 200
            clock.shift(timedelta(hours=7))
            assert visitor.client.get("/profile/").status_code == 200
            clock.shift(timedelta(hours=8, minutes=1))
            assert visitor.client.get("/profile/").status_code == 302

    def test_a_session_ends_after_a_day_at_the_latest(self, visitor: Visitor) -> None:
        visitor.sign_in()
        with time_machine.travel(timezone.now(), tick=True) as clock:
            for _ in range(5):
                clock.shift(timedelta(hours=4, minutes=45))
                assert visitor.client.get("/profile/").status_code == 200
            clock.shift(timedelta(minutes=20))
            assert visitor.client.get("/profile/").status_code == 302

    def test_a_page_of_a_signed_in_person_does_not_ask_the_provider(self, visitor: Visitor, op: ProviderAdmin) -> None:
        visitor.sign_in()
        provider.forget()
        for endpoint in ("discovery", "jwks", "userinfo"):
            op.set_fault(endpoint, "close")

        assert visitor.client.get("/profile/").status_code == 200
