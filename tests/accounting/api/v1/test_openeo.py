"""GET /openeo/billing and /openeo/me: openEO's shapes, for anybody and for the user alone; errors are openEO's (Q2)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from accounting import organisations
from accounting.api.v1 import documents
from portal import claims
from tests.accounting.api.v1.conftest import Caller, Callers, report
from tests.conftest import ISSUER, Federation

BILLING, ME = "/openeo/billing", "/openeo/me"


def check_error(answer: Any, status: int, code: str) -> dict[str, Any]:
    """It is openEO's error object."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert answer["Content-Type"] == "application/json"
    assert body.keys() == {"id", "code", "message", "links"}
    assert body["id"] == answer["X-Request-ID"]
    assert body["message"]
    assert body["links"][0]["rel"] == "about"
    return body


class TestBilling:
    def test_is_for_anybody_even_with_a_bad_token(self, federation: Federation, callers: Callers) -> None:
        answers = [caller.get(BILLING) for caller in (callers.anonymous, callers.alice, Caller("rubbish"))]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert len({answer.content for answer in answers}) == 1

    def test_is_what_openeo_calls_billing(self, federation: Federation, callers: Callers, settings: Any) -> None:
        settings.TOP_UP_URL = "https://pay.example.org/"
        settings.PLANS_URL = "https://plans.example.org/"
        billing = callers.anonymous.get(BILLING).json()
        msgspec.convert(billing, documents.OpenEOBilling)
        assert (billing["currency"], billing["default_plan"]) == ("credits", "free")
        named = {plan["name"]: plan for plan in billing["plans"]}
        assert list(named) == ["free", "trial", "sponsored", "voucher", "paid"]
        assert [name for name, plan in named.items() if plan["paid"]] == ["paid"]
        assert named["paid"]["url"] == "https://pay.example.org/"
        assert named["free"]["url"] == "https://plans.example.org/"
        assert all(plan["description"] for plan in named.values())

    def test_caches_keep_it_and_ask_again_by_its_tag(self, federation: Federation, callers: Callers) -> None:
        first = callers.anonymous.get(BILLING)
        tag = first["ETag"]
        assert first["Cache-Control"] == "public, max-age=300"
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = callers.anonymous.send("GET", BILLING, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag), known
        for other in ('"other"', "", tag.strip('"'), "W/"):
            assert callers.anonymous.send("GET", BILLING, headers={"If-None-Match": other}).status_code == 200, other

    def test_a_page_of_any_origin_may_read_it_but_brings_nobody_along(
        self, federation: Federation, callers: Callers
    ) -> None:
        for known in ('"nothing"', "*"):
            headers = {"Origin": "https://editor.example.org", "If-None-Match": known}
            answer = callers.anonymous.send("GET", BILLING, headers=headers)
            assert answer["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in answer
            assert not answer.cookies

    def test_takes_no_parameters_and_no_other_method(self, federation: Federation, callers: Callers) -> None:
        check_error(callers.anonymous.get(BILLING, {"user": "x"}), 400, "RequestInvalid")
        check_error(callers.anonymous.post(BILLING, {}), 405, "MethodNotAllowed")


class TestWhoMaySeeMe:
    def test_anonymous_may_not(self, federation: Federation, callers: Callers) -> None:
        body = check_error(callers.anonymous.get(ME), 401, "AuthenticationRequired")
        assert body["links"][0]["href"].endswith("/problems/authentication_required")

    def test_a_bad_token_may_not(self, federation: Federation, callers: Callers) -> None:
        check_error(Caller("rubbish").get(ME), 403, "TokenInvalid")

    def test_a_back_end_may_not(self, federation: Federation, callers: Callers) -> None:
        check_error(callers.backend.get(ME), 403, "PermissionsInsufficient")

    @pytest.mark.parametrize("extra", [0, 10**6])
    def test_a_strangers_organisation_is_not_found(self, federation: Federation, callers: Callers, extra: int) -> None:
        body = check_error(callers.charlie.get(ME, {"organisation": federation.lab + extra}), 404, "NotFound")
        assert body["message"].startswith("there is no organisation")

    def test_nobody_elses_page_may_read_it(self, federation: Federation, callers: Callers) -> None:
        answer = callers.alice.get(ME, Origin="https://editor.example.org")
        assert "Access-Control-Allow-Origin" not in answer
        assert answer["Cache-Control"] == "no-store"


class TestMe:
    def test_says_what_the_editor_shows(self, federation: Federation, callers: Callers, settings: Any) -> None:
        settings.TOP_UP_URL = "https://pay.example.org/"
        home = federation.alice.personal_organisation
        soon = datetime.now(UTC) + timedelta(days=9)
        federation.grant(home, 12_000_000, "free", expires_at=soon)
        federation.grant(home, 2_500_000, "ESA NoR: 4711", kind="sponsored")
        federation.grant(home, 1_000_000, "ESA NoR 4711", kind="sponsored")
        me = callers.alice.get(ME).json()
        msgspec.convert(me, documents.OpenEOUser)
        assert (me["user_id"], me["budget"], me["default_plan"]) == ("alice@egi.eu", 15.5, "sponsored-esa-nor-4711")
        assert "name" not in me
        assert [(plan["name"], plan["paid"]) for plan in me["plans"]] == [
            ("sponsored-esa-nor-4711", False),
            ("free", False),
        ]
        assert me["plans"][0]["description"] == "ESA NoR: 4711"
        assert [(link["rel"], link["href"]) for link in me["links"]] == [
            ("payment", "https://pay.example.org/"),
            ("edit-form", f"{settings.PUBLIC_URL}/profile/"),
            ("related", f"{settings.PUBLIC_URL}/jobs/"),
        ]
        assert all(link["title"] for link in me["links"])

    def test_the_budget_is_a_number_to_the_micro_credit(self, federation: Federation, callers: Callers) -> None:
        federation.grant(federation.alice.personal_organisation, 10_000_000, "free")
        report(callers.backend)
        raw = callers.alice.get(ME).content
        assert json.loads(raw, parse_float=str)["budget"] == "4.240225"

    def test_without_credits_it_is_nothing_and_never_null(self, federation: Federation, callers: Callers) -> None:
        assert callers.bob.get(ME).json()["budget"] == 0
        report(callers.backend)  # Alice has a debt now
        me = callers.alice.get(ME).json()
        assert (me["budget"], me["default_plan"], me["plans"]) == (0, "free", [])

    def test_a_name_is_there_once_the_person_has_signed_in(self, federation: Federation, callers: Callers) -> None:
        claims.store(ISSUER, "alice@egi.eu", {"name": "Alice Archer"})
        claims.store(ISSUER, "bob@egi.eu", {"email": "bob@example.org"})
        assert callers.alice.get(ME).json()["name"] == "Alice Archer"
        assert "name" not in callers.bob.get(ME).json()

    def test_of_another_organisation_or_the_current_one(self, federation: Federation, callers: Callers) -> None:
        federation.grant(federation.lab, 3_000_000, "lab", kind="paid")
        assert callers.alice.get(ME).json()["budget"] == 0
        named = callers.alice.get(ME, {"organisation": federation.lab}).json()
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        current = callers.alice.get(ME).json()
        assert named == current
        assert (named["budget"], named["default_plan"]) == (3, "paid")

    @pytest.mark.parametrize("query", [{"organisation": "x"}, {"organisation": 0}, {"organisation": ""}, {"at": "now"}])
    def test_a_bad_query_is_refused(self, federation: Federation, callers: Callers, query: dict[str, Any]) -> None:
        check_error(callers.alice.get(ME, query), 400, "RequestInvalid")


def test_an_unknown_address_among_them_is_answered_alike(federation: Federation, callers: Callers) -> None:
    check_error(callers.anonymous.get("/openeo/nothing"), 404, "NotFound")
