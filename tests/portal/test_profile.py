"""The profile and the tokens on it: who sees whose, what is said of entitlements, how choices show at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounting import organisations
from portal.api import script_tokens
from portal.models import ApiToken, User
from tests.portal import scene as scenes
from tests.portal.reader import ISSUER, sign_in, text_of

VO = "urn:mace:egi.eu:group:vo.openeo.cloud"
ADOPTER = f"{VO}:role=early_adopter#aai.egi.eu"
MEMBER = f"{VO}#aai.egi.eu"
ELSEWHERE = "urn:mace:egi.eu:aai.egi.eu:member@fedcloud.egi.eu"
ROUTES = ["/profile/", "/profile/tokens/", "/profile/tokens/new/", "/profile/data/", "/profile/data/erase/"]


def user_of(sub: str = scenes.ALICE) -> User:
    return User.objects.get(sub=sub)


def made(user: User, name: str = "nightly", **terms: Any) -> ApiToken:
    row, _ = script_tokens.create(user, name, ["jobs:read"], 30, **terms)
    return row


def token_form(**changes: Any) -> dict[str, Any]:
    return {"name": "nightly", "scopes": ["jobs:read"], "organisation": "all", "days": "30"} | changes


class TestWhoSeesWhat:
    @pytest.mark.parametrize("path", ROUTES)
    def test_strangers_sign_in_first(self, client: Client, db: None, path: str) -> None:
        assert client.get(path)["Location"].startswith("/oidc/authenticate/")
        assert client.post(path).status_code in {302, 405}
        assert not ApiToken.objects.exists()

    @pytest.mark.parametrize("path", ROUTES)
    def test_pages_are_kept_by_nobody(self, alice: Client, path: str) -> None:
        assert "no-store" in alice.get(path)["Cache-Control"]

    def test_tokens_of_others_are_neither_listed_nor_revoked(self, alice: Client) -> None:
        made(user_of(), "canary of alice")
        mallory = sign_in("mallory@egi.eu")

        assert "canary of alice" not in text_of(mallory.get("/profile/tokens/"))
        assert mallory.post(f"/profile/tokens/{ApiToken.objects.get().pk}/revoke/").status_code == 404
        assert ApiToken.objects.get().revoked_at is None

    def test_a_token_for_an_organisation_of_others_is_not_made(self, alice: Client) -> None:
        stranger = organisations.ensure_person(ISSUER, "x@egi.eu")
        response = alice.post("/profile/tokens/new/", token_form(organisation=stranger.personal_organisation))

        assert response.status_code == 422
        assert not ApiToken.objects.exists()

    @pytest.mark.parametrize("wrong", ["9" * 30, "0", str(2**63 - 1)])
    def test_a_token_that_there_is_not(self, alice: Client, wrong: str) -> None:
        assert alice.post(f"/profile/tokens/{wrong}/revoke/").status_code == 404


class TestProfile:
    def test_says_what_each_entitlement_means(self, db: None, settings: Any) -> None:
        settings.PLANS_BY_ENTITLEMENT = {"Early_Adopter": "early-adopter", "": "member"}
        settings.STAFF_ENTITLEMENT = "Early_Adopter"
        text = text_of(sign_in("a@egi.eu", eduperson_entitlement=[MEMBER, ADOPTER, ELSEWHERE]).get("/profile/"))

        assert "Early adopter in vo.openeo.cloud Gives you the plan early-adopter." in text
        assert "Member in vo.openeo.cloud Would give you the plan member, if you had none that comes first." in text
        assert "Lets you see the pages of the operators." in text
        assert f"1 not used here {ELSEWHERE}" in text

    def test_an_entitlement_without_a_plan_is_said_to_change_nothing(self, db: None, settings: Any) -> None:
        settings.PLANS_BY_ENTITLEMENT = {}
        text = text_of(sign_in("a@egi.eu", eduperson_entitlement=[ADOPTER]).get("/profile/"))

        assert "A membership that changes nothing here." in text

    def test_takes_few_queries(self, alice: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(6):
            alice.get("/profile/")

    def test_a_choice_shows_on_the_next_page(self, alice: Client) -> None:
        response = alice.post("/profile/", {"language": "de", "time_zone": "Asia/Tokyo"})
        assert response.status_code == 302
        page = alice.get("/profile/").content.decode()

        assert '<html lang="de"' in page
        assert "Asia/Tokyo" in page
        alice.post("/profile/", {"language": "browser", "time_zone": "UTC"})
        assert (user_of().language, user_of().time_zone) == ("", "")
        assert '<html lang="en"' in alice.get("/profile/").content.decode()

    def test_as_the_browser_says_forgets_what_the_switch_remembered(self, alice: Client) -> None:
        alice.post("/language/", {"language": "de"})
        alice.post("/profile/", {"language": "browser", "time_zone": "UTC"})

        assert '<html lang="en"' in alice.get("/profile/").content.decode()

    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("europe/brussels", "Europe/Brussels"),
            ("New York", "America/New_York"),
            (" America/New York ", "America/New_York"),
            ("utc", ""),
        ],
    )
    def test_time_zones_may_be_typed_carelessly(self, alice: Client, typed: str, kept: str) -> None:
        alice.post("/profile/", {"language": "browser", "time_zone": typed})

        assert user_of().time_zone == kept

    @pytest.mark.parametrize(
        "wrong",
        [
            {"language": "xx"},
            {"language": "\x00"},
            {"time_zone": "Mars/Olympus"},
            {"time_zone": "../../etc/passwd"},
            {"time_zone": "\x00"},
            {"time_zone": "a" * 10_000},
            {"time_zone": ""},
            {"time_zone": "Etc/GMT+5"},
        ],
    )
    def test_a_wrong_choice_is_said_beside_the_field(self, alice: Client, wrong: dict[str, str]) -> None:
        response = alice.post("/profile/", {"language": "en", "time_zone": "UTC"} | wrong)

        assert response.status_code == 422
        assert "form-errors" in response.content.decode()
        assert (user_of().language, user_of().time_zone) == ("", "")

    def test_the_preview_is_a_part_of_the_page(self, alice: Client) -> None:
        asked = {"language": "de", "time_zone": "Asia/Tokyo"}
        response = alice.get("/profile/", asked, headers={"HX-Request": "true"})

        assert "<html" not in response.content.decode()
        assert "1.234,57" in text_of(response)
        assert "in Asia/Tokyo" in text_of(response)
        for wrong in ({"language": "xx", "time_zone": "Mars"}, {}, {"time_zone": "\x00"}):
            assert "UTC" in text_of(alice.get("/profile/", wrong, headers={"HX-Request": "true"}))


class TestTokens:
    def test_a_new_one_is_shown_once_and_works(self, alice: Client) -> None:
        response = alice.post("/profile/tokens/new/", token_form(name="  nightly   report "))
        assert response["Location"] == "/profile/tokens/"
        cookie = response.cookies["shown_once"]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/profile/")

        page = alice.get("/profile/tokens/").content.decode()
        (token,) = set(re.findall(r"oec_[0-9A-Za-z]{49}", page))
        assert script_tokens.verify(token).scopes == ("jobs:read",)
        assert "nightly report is ready" in page
        assert token not in alice.get("/profile/tokens/").content.decode()

    def test_neither_the_session_nor_the_cookie_says_it(self, alice: Client) -> None:
        alice.post("/profile/tokens/new/", token_form())
        sealed, pad = alice.session["shown_once"][1], alice.cookies["shown_once"].value
        page = alice.get("/profile/tokens/").content.decode()
        (token,) = set(re.findall(r"oec_[0-9A-Za-z]{49}", page))

        for half in (sealed, pad):
            assert script_tokens.text_of(bytes.fromhex(half)) != token
        assert sealed != pad

    def test_another_browser_of_the_session_does_not_see_it(self, alice: Client) -> None:
        alice.post("/profile/tokens/new/", token_form())
        del alice.cookies["shown_once"]

        assert not re.search(r"oec_[0-9A-Za-z]{49}", alice.get("/profile/tokens/").content.decode())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": ""},
            {"name": "a\x00b"},
            {"name": "\u202eabc"},
            {"name": "x" * 81},
            {"scopes": []},
            {"scopes": ["usage:write"]},
            {"scopes": ["jobs:read", "\x00"]},
            {"days": "366"},
            {"days": "-1"},
            {"organisation": ""},
            {"organisation": "\u0661"},
            {"organisation": "9" * 40},
        ],
    )
    def test_what_is_wrong_is_said_beside_the_field(self, alice: Client, wrong: dict[str, Any]) -> None:
        response = alice.post("/profile/tokens/new/", token_form(**wrong))

        assert response.status_code == 422
        assert "form-errors" in response.content.decode()
        assert not ApiToken.objects.exists()

    def test_the_bound_is_said(self, alice: Client) -> None:
        for _ in range(script_tokens.MOST_TOKENS):
            made(user_of())
        response = alice.post("/profile/tokens/new/", token_form())

        assert response.status_code == 422
        assert "You have 20 tokens that work" in text_of(response)

    def test_revoking_is_said_and_seen(self, alice: Client) -> None:
        token = made(user_of())
        response = alice.post(f"/profile/tokens/{token.pk}/revoke/", follow=True)

        assert "nightly works no more." in text_of(response)
        assert "Revoked" in text_of(response)

    def test_the_list_goes_on_by_cursor_in_as_many_queries(
        self, alice: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(30):
            row = made(user_of(), f"number {number:02}")
            script_tokens.revoke(user_of(), row.pk)
        with django_assert_num_queries(6):
            first = alice.get("/profile/tokens/").content.decode()
        assert "number 29" in first
        assert "number 04" not in first
        older = re.search(r'href="(/profile/tokens/\?after=[^"]+)"', first)
        assert older
        part = alice.get(older[1], headers={"HX-Request": "true"})
        assert "number 04" in text_of(part)
        assert "<html" not in part.content.decode()

    @pytest.mark.parametrize("query", ["after=x", "after=1&before=1", "after=" + "9" * 40, "before=1.2", "after=%00"])
    def test_a_wrong_place_is_refused(self, alice: Client, query: str) -> None:
        assert alice.get(f"/profile/tokens/?{query}").status_code == 400
