"""GET /balance: one's own organisation, or one of which the caller is a member; now and at any instant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from accounting import ledger, organisations
from accounting.api.v1 import documents
from accounting.models import Transaction
from tests.accounting.api.v1.conftest import Callers, report
from tests.accounting.api.v1.test_entries import unnamed
from tests.accounting.api.v1.test_usage_report_bad_input import check_problem
from tests.accounting.books import micros
from tests.accounting.hold_books import reserve
from tests.conftest import Federation


class TestWho:
    def test_anonymous_may_not(self, federation: Federation, callers: Callers) -> None:
        check_problem(callers.anonymous.get("/balance"), 401)

    def test_a_back_end_may_not(self, federation: Federation, callers: Callers) -> None:
        assert check_problem(callers.backend.get("/balance"), 403)["code"] == "person_token_needed"

    @pytest.mark.parametrize("extra", [0, 1_000_000])
    def test_a_strangers_organisation_is_as_absent_as_none(
        self, federation: Federation, callers: Callers, extra: int
    ) -> None:
        problem = check_problem(callers.charlie.get("/balance", {"organisation": federation.lab + extra}), 404)
        assert (problem["code"], problem["field"]) == ("not_found", "organisation")
        assert problem["detail"].replace(str(federation.lab + extra), "N") == (
            "there is no organisation N of which you are a member"
        )

    def test_a_member_may(self, federation: Federation, callers: Callers) -> None:
        for member in (callers.alice, callers.bob):
            answer = member.get("/balance", {"organisation": federation.lab})
            assert answer.json()["organisation"] == federation.lab

    def test_without_a_name_it_is_the_current_one(self, federation: Federation, callers: Callers) -> None:
        assert callers.alice.get("/balance").json()["organisation"] == federation.alice.personal_organisation
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        assert callers.alice.get("/balance").json()["organisation"] == federation.lab

    def test_a_newcomer_has_an_empty_one(self, federation: Federation, callers: Callers) -> None:
        assert callers.person("dora").get("/balance").json()["posted"] == "0"


class TestAnswer:
    def test_shows_what_is_left_and_in_which_grants(self, federation: Federation, callers: Callers) -> None:
        expires = datetime.now(UTC) + timedelta(days=30)
        home = federation.alice.personal_organisation
        federation.grant(home, 4_000_000, "trial", kind="trial", expires_at=expires, backends=[federation.backend])
        federation.grant(home, 10_000_000, "paid", kind="paid", processes=["ndvi", "evi"])
        federation.grant(home, 10_000_000, "free")
        report(callers.backend)
        answer = callers.alice.get("/balance")
        body = answer.json()
        assert {name: body[name] for name in ("posted", "held", "spendable", "debt", "currency")} == {
            "posted": "18.240225",
            "held": "0",
            "spendable": "18.240225",
            "debt": "0",
            "currency": "credits",
        }
        assert body["euro"] == {"credit": "0.01", "posted": "0.18240225", "spendable": "0.18240225"}
        assert [(grant["label"], grant["amount"], grant["remaining"]) for grant in body["grants"]] == [
            ("free", "10", "8.240225"),
            ("paid", "10", "10"),
        ]
        assert body["grants"][1]["scope"] == {"backends": [], "processes": ["ndvi", "evi"]}
        assert answer["Cache-Control"] == "no-store"

    def test_shows_what_running_jobs_keep_of_each_grant(self, federation: Federation, callers: Callers) -> None:
        home = federation.alice.personal_organisation
        federation.grant(home, micros(10), "free")
        federation.grant(home, micros(10), "paid", kind="paid")
        reserve(federation, amount=12.5)
        body = callers.alice.get("/balance").json()
        assert (body["posted"], body["held"], body["spendable"]) == ("20", "12.5", "7.5")
        assert [(one["label"], one["remaining"], one["held"]) for one in body["grants"]] == [
            ("free", "10", "10"),
            ("paid", "10", "2.5"),
        ]
        past = callers.alice.get("/balance", {"at": body["as_of"]}).json()
        assert [one["held"] for one in past["grants"]] == ["0", "0"]

    def test_shows_the_scope_by_the_names_of_back_ends(self, federation: Federation, callers: Callers) -> None:
        federation.grant(federation.alice.personal_organisation, 1, "trial", backends=[federation.backend])
        (grant,) = callers.alice.get("/balance").json()["grants"]
        assert grant["scope"] == {"backends": ["terrascope"], "processes": []}

    def test_shows_a_debt(self, federation: Federation, callers: Callers) -> None:
        report(callers.backend)
        body = callers.alice.get("/balance").json()
        assert (body["posted"], body["spendable"], body["debt"]) == ("-5.759775", "-5.759775", "5.759775")
        assert body["euro"]["spendable"] == "-0.05759775"

    def test_fits_its_description(self, federation: Federation, callers: Callers) -> None:
        federation.grant(federation.alice.personal_organisation, 4_000_000, "g")
        answer = callers.alice.get("/balance")
        assert msgspec.json.decode(answer.content, type=documents.Balance, strict=True).grants


class TestAtAnInstant:
    def test_is_what_it_was(
        self, federation: Federation, callers: Callers, database_clock: Callable[[datetime | None], None]
    ) -> None:
        """A life of four days, then asked about each evening."""
        home = federation.alice.personal_organisation
        day = datetime(2026, 3, 1, 12, tzinfo=UTC)
        story: list[Callable[[], Any]] = [
            lambda: federation.grant(home, 3_000_000, "small", expires_at=day + timedelta(days=40)),
            lambda: report(callers.backend, "k"),
            lambda: federation.grant(home, 10_000_000, "large"),
            lambda: ledger.reverse(Transaction.objects.get(kind="usage").pk, "goodwill"),
        ]
        for number, happens in enumerate(story):
            database_clock(day + timedelta(days=number))
            happens()
        database_clock(None)

        seen = []
        for number in range(-1, 5):
            evening = (day + timedelta(days=number, hours=8)).isoformat().replace("+00:00", "Z")
            body = callers.alice.get("/balance", {"at": evening}).json()
            assert body["as_of"] == evening
            grants = {grant["label"]: grant["remaining"] for grant in body["grants"]}
            seen.append((body["posted"], body["spendable"], body["debt"], grants))
        assert seen == [
            ("0", "0", "0", {}),
            ("3", "3", "0", {"small": "3"}),
            ("-2.759775", "-2.759775", "2.759775", {}),
            ("7.240225", "7.240225", "0", {"large": "7.240225"}),
            ("13", "13", "0", {"small": "3", "large": "10"}),
            ("13", "13", "0", {"small": "3", "large": "10"}),
        ]

    def test_of_the_present_is_the_balance(self, federation: Federation, callers: Callers) -> None:
        federation.grant(federation.alice.personal_organisation, 3_000_000, "g")
        report(callers.backend)
        now = callers.alice.get("/balance").json()
        then = callers.alice.get("/balance", {"at": now["as_of"]}).json()
        assert now == then

    def test_a_plus_sign_may_come_as_a_space(self, federation: Federation, callers: Callers) -> None:
        assert callers.alice.get("/balance", {"at": "2026-01-01T00:00:00 02:00"}).json()["as_of"] == (
            "2025-12-31T22:00:00Z"
        )

    def test_that_is_none_or_has_not_come_is_refused(self, federation: Federation, callers: Callers) -> None:
        instants = (
            "",
            "now",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-02-30T00:00:00Z",
            "20260101T000000Z",
            "2026-W01-1T00:00:00Z",
            "1704961751000",
            "9999-12-31T23:59:59-14:00",
            "9000-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z\x00",
            "\u0662\u0660\u0662\u0666-01-01T00:00:00Z",
        )
        assert unnamed(callers.alice, "/balance", {"at": instants}) == []

    def test_long_ago_there_was_nothing(self, federation: Federation, callers: Callers) -> None:
        assert callers.alice.get("/balance", {"at": "0001-01-02T00:00:00Z"}).json()["posted"] == "0"


class TestParameters:
    def test_an_organisation_that_is_no_id(self, federation: Federation, callers: Callers) -> None:
        numbers = ("", "0", "-1", "1.0", "abc", " 1", "1e3", str(2**63), "9" * 40, "\u0661", "1\x00")
        assert unnamed(callers.alice, "/balance", {"organisation": numbers}) == []

    def test_an_unknown_one_is_named(self, federation: Federation, callers: Callers) -> None:
        assert check_problem(callers.alice.get("/balance", {"organization": "1"}), 400)["field"] == "organization"

    def test_one_that_comes_twice_is_named(self, federation: Federation, callers: Callers) -> None:
        query = {"at": ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]}
        assert check_problem(callers.alice.get("/balance", query), 400)["field"] == "at"


class TestMethods:
    def test_only_reading(self, federation: Federation, callers: Callers) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = callers.alice.send(method, "/balance")
            assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")

    def test_head_is_get_without_a_body(self, federation: Federation, callers: Callers) -> None:
        answer = callers.alice.send("HEAD", "/balance")
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("grants", [0, 20])
def test_statements_do_not_depend_on_how_many_grants_there_are(
    federation: Federation, callers: Callers, django_assert_num_queries: Any, grants: int
) -> None:
    for number in range(grants):
        federation.grant(federation.alice.personal_organisation, 1_000_000, f"g-{number}")
    callers.alice.get("/balance")
    with django_assert_num_queries(4):
        assert len(callers.alice.get("/balance").json()["grants"]) == grants
