"""Signing in with the real provider: who one becomes, and how long that lasts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounting import organisations, registry
from devtools.provider import ProviderAdmin
from portal import provider
from portal.models import User
from tests.portal.visitor import Visitor, assert_refused

pytestmark = [pytest.mark.provider]

ALICE = "1c0ffee0alice@egi.eu"
EARLY_ADOPTER = "urn:mace:egi.eu:group:vo.openeo.cloud:role=early_adopter#aai.egi.eu"
OPERATOR = "urn:mace:egi.eu:group:vo.openeo.cloud:operators:role=staff#aai.egi.eu"


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
