"""Script tokens: who gets in with one, to what, until when; and that nothing of it stands or is written anywhere."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern

from accounting import organisations
from accounting.api.etl import urls as etl
from accounting.api.v1 import urls as v1
from portal import logs
from portal.api import script_tokens, tokens
from portal.api.scopes import SCOPES
from portal.models import ApiToken, User
from tests.portal import scene as scenes
from tests.portal.reader import ISSUER, sign_in

pytestmark = pytest.mark.django_db

ALL = list(SCOPES)
Answer = Any


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def alice(db: None) -> User:
    sign_in(scenes.ALICE, name="Alice Archer")
    return User.objects.get(sub=scenes.ALICE)


def made(user: User, scopes: list[str] | None = None, **terms: Any) -> str:
    _, secret = script_tokens.create(user, "nightly", scopes or ALL, terms.pop("days", 30), **terms)
    return script_tokens.text_of(secret)


def call(token: str, path: str = "/api/v1/balance", method: str = "GET", **terms: Any) -> Answer:
    client = Client(headers={"host": "127.0.0.1"})
    return client.generic(method, path, headers={"authorization": f"Bearer {token}"}, **terms)


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    return body


class TestWhoDoesNotGetIn:
    def test_nobody_without_a_token(self, client: Client) -> None:
        refused(client.get("/api/v1/balance"), 401, "authentication_required")

    @pytest.mark.parametrize(
        "change",
        [
            lambda token: token[:-1],
            lambda token: token + "a",
            lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
            lambda token: "oec_" + token[4:].swapcase(),
            lambda token: token.replace("oec_", "OEC_"),
            lambda token: "oec_",
            lambda token: "oec_" + "0" * 49,
            lambda token: "oec_" + "\uff11" * 49,
            lambda token: f"oidc/egi/{token}",
        ],
    )
    def test_nobody_with_something_like_one(self, alice: User, change: Callable[[str], str]) -> None:
        wrong = change(made(alice))

        with CaptureQueriesContext(connection) as queries:
            answer = Client(headers={"host": "127.0.0.1"}).get("/api/v1/balance", HTTP_AUTHORIZATION=f"Bearer {wrong}")

        refused(answer, 401, "token_invalid")
        assert len(queries) == 0

    def test_a_well_formed_one_that_was_never_made_is_looked_up_a_few_times_only(self, alice: User) -> None:
        token = script_tokens.text_of(b"\x07" * 32)

        with CaptureQueriesContext(connection) as queries:
            answers = [call(token) for _ in range(30)]

        refused(answers[0], 401, "token_invalid")
        refused(answers[-1], 429, "rate_limited")
        assert answers[-1]["Retry-After"] == "60"
        assert len(queries) == 20
        assert call(made(alice)).status_code == 200

    def test_expired_by_the_database_clock(self, alice: User) -> None:
        token = made(alice)
        ApiToken.objects.update(created_at=F("created_at") - timedelta(days=31), expires_at=F("created_at"))

        assert "expired on 20" in refused(call(token), 401, "token_invalid")["detail"]

    def test_revoked(self, alice: User) -> None:
        token = made(alice)
        assert call(token).status_code == 200
        script_tokens.revoke(alice, ApiToken.objects.get().pk)

        assert "revoked on 20" in refused(call(token), 401, "token_invalid")["detail"]

    def test_of_a_closed_account(self, alice: User) -> None:
        token = made(alice)
        User.objects.update(is_active=False)

        refused(call(token), 401, "token_invalid")

    def test_no_identity_provider_is_asked_about_one(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[object] = []
        monkeypatch.setattr(tokens, "verify", lambda *texts: asked.append(texts))
        call(script_tokens.text_of(b"\x01" * 32))
        call(f"oidc/egi/{made(alice)}")

        assert asked == []

    def test_somebody_elses_cannot_be_revoked(self, alice: User) -> None:
        token = made(alice)
        sign_in("mallory@egi.eu")
        mallory = User.objects.get(sub="mallory@egi.eu")

        assert script_tokens.revoke(mallory, ApiToken.objects.get().pk) is None
        assert call(token).status_code == 200


class TestWhatItMayDo:
    def test_the_missing_scope_is_named(self, alice: User) -> None:
        answer = call(made(alice, ["jobs:read"]))

        assert refused(answer, 403, "scope_missing")["scope"] == "balance:read"
        assert 'error="insufficient_scope", scope="balance:read"' in answer["WWW-Authenticate"]

    def test_another_organisation_is_not_found(self, scene: scenes.Scene) -> None:
        sign_in(scenes.ALICE)
        alice = User.objects.get(sub=scenes.ALICE)
        token = made(alice, organisation=scene.home)

        assert call(token).json()["organisation"] == scene.home
        for path in ("balance", "entries", "jobs", "holds"):
            refused(call(token, f"/api/v1/{path}?organisation={scene.lab}"), 404, "not_found")
        assert call(token, f"/api/v1/jobs/TerraScope/MEP/{scene.golden}").status_code == 404
        assert {job["organisation"] for job in call(token, "/api/v1/jobs").json()["items"]} <= {scene.home}
        assert call(made(alice), f"/api/v1/jobs/TerraScope/MEP/{scene.golden}").status_code == 200
        asked = {"source": "cdse", "metrics": [], "organisation": scene.lab}
        answer = call(token, "/api/v1/quotes", "POST", data=json.dumps(asked), content_type="application/json")
        refused(answer, 404, "not_found")

    def test_an_organisation_that_the_person_has_left_is_gone(self, scene: scenes.Scene) -> None:
        sign_in(scenes.ALICE)
        token = made(User.objects.get(sub=scenes.ALICE), organisation=scene.lab)
        assert call(token).status_code == 200
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM accounting_member WHERE organisation_id = %s AND person_id = %s", [scene.lab, scene.alice]
            )

        refused(call(token), 404, "not_found")
        assert call(token, "/api/v1/jobs").json()["items"] == []

    def test_an_organisation_of_others_is_not_found_without_a_restriction_either(self, scene: scenes.Scene) -> None:
        stranger = organisations.ensure_person(ISSUER, "x@egi.eu")
        sign_in(scenes.ALICE)
        token = made(User.objects.get(sub=scenes.ALICE))

        refused(call(token, f"/api/v1/balance?organisation={stranger.personal_organisation}"), 404, "not_found")


def _routes() -> Iterator[tuple[str, type[Any], str]]:
    """Every method of every address of both APIs that a token can be sent to."""
    for prefix, patterns in (("/api/v1/", v1.urlpatterns), ("/", etl.urlpatterns)):
        for pattern in patterns:
            assert isinstance(pattern, URLPattern)
            view: Any = pattern.callback
            view = getattr(view, "cls", None)
            if view is None or not view.authentication_classes:
                continue
            path = re.sub(r"<path:source>", "cdse", str(pattern.pattern))
            path = re.sub(r"<str:hold>", "00000000-0000-0000-0000-000000000000", path)
            path = re.sub(r"<[^>]*>", "x", path).strip("^$").lstrip("/*+")
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                yield prefix + path, view, method


ROUTES = list(_routes())


class TestEveryRouteAndScope:
    def test_the_matrix_has_both_apis(self) -> None:
        paths = {path for path, _, _ in ROUTES}
        assert {"/api/v1/balance", "/api/v1/holds", "/api/v1/usage-reports", "/resources"} <= paths

    @pytest.mark.parametrize(("path", "view", "method"), ROUTES, ids=[f"{m} {p}" for p, _, m in ROUTES])
    def test_opens_only_what_the_view_declares(self, alice: User, path: str, view: type[Any], method: str) -> None:
        wanted = getattr(view, "script_scopes", {}).get(method)
        body: dict[str, Any] = {"data": "{}", "content_type": "application/json"} if method != "GET" else {}
        for scope in SCOPES:
            answer = call(made_once(alice, scope), path, method, **body)
            if scope == wanted:
                assert answer.status_code not in {401, 403, 405, 500}, answer.content
            else:
                assert answer.status_code == 403, (scope, answer.content)

    def test_every_scope_is_used_and_every_used_one_is_offered(self) -> None:
        used = {scope for _, view, _ in ROUTES for scope in getattr(view, "script_scopes", {}).values()}
        assert used == set(SCOPES)

    def test_nothing_that_writes_is_open(self) -> None:
        """Posts that only ask are named one by one."""
        posted = {path for path, view, method in ROUTES if method == "POST" and "POST" in _scopes(view)}
        assert posted == {"/api/v1/quotes", "/api/v1/estimates", "/api/v1/openeo/estimate"}


def _scopes(view: type[Any]) -> dict[str, str]:
    return getattr(view, "script_scopes", {})


def made_once(user: User, scope: str) -> str:
    """In place of the ones before, of which a person may have only so many."""
    ApiToken.objects.filter(user=user).delete()
    return made(user, [scope])


class TestWhatIsKept:
    def test_its_form_can_be_recognised_and_is_256_bits(self, alice: User) -> None:
        token = made(alice)

        assert re.fullmatch(r"oec_[0-9A-Za-z]{49}", token)
        assert script_tokens.text_of(b"\x00" * 32).startswith("oec_" + "0" * 43)
        assert script_tokens.text_of(b"\xff" * 32)[4:47] < "z" * 43
        assert len({script_tokens.text_of(bytes([n]) * 32) for n in range(256)}) == 256

    def test_no_table_holds_it(self, alice: User) -> None:
        token = made(alice)
        row = ApiToken.objects.get()

        assert token.startswith(row.prefix)
        assert len(row.prefix) == 8
        assert token[8:] not in str(vars(row))

    def test_the_day_of_use_is_written_once_a_day(self, alice: User) -> None:
        token = made(alice)
        assert ApiToken.objects.get().last_used_on is None
        call(token)
        with CaptureQueriesContext(connection) as queries:
            call(token)

        assert ApiToken.objects.get().last_used_on is not None
        assert not [one for one in queries if one["sql"].startswith("UPDATE")]
        assert len([one for one in queries if "portal_apitoken" in one["sql"]]) == 1

    def test_no_log_line_holds_it(self, alice: User) -> None:
        token = made(alice)
        record = logging.makeLogRecord({"msg": f"see {token}, please", "fields": {"key": token, "cut": token[:30]}})

        line = logs.Formatter().format(record)
        assert "see [redacted], please" in line
        assert token[4:30] not in line

    def test_a_request_line_names_the_token_by_its_number(
        self, alice: User, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        token = made(alice)
        with caplog.at_level("INFO"):
            call(token)

        lines = [getattr(record, "fields", {}) for record in caplog.records]
        said = next(line for line in lines if line.get("actor_kind"))
        assert (said["actor_kind"], said["actor"]) == ("script", str(ApiToken.objects.get().pk))
        assert token not in str(lines) + capsys.readouterr().out

    @pytest.mark.parametrize(
        "change",
        [
            {"expires_at": F("created_at") + timedelta(days=365, seconds=1)},
            {"expires_at": F("created_at")},
            {"scopes": []},
            {"name": ""},
        ],
    )
    def test_the_database_refuses(self, alice: User, change: dict[str, Any]) -> None:
        made(alice)
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiToken.objects.update(**change)

    def test_a_year_is_possible_and_twenty_at_once_the_most(self, alice: User) -> None:
        for _ in range(script_tokens.MOST_TOKENS):
            made(alice, days=365)
        with pytest.raises(script_tokens.TooManyTokens):
            made(alice)

        script_tokens.revoke(alice, ApiToken.objects.latest("pk").pk)
        made(alice)
