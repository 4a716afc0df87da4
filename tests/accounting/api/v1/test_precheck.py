"""/precheck: advice for many jobs, the reason of each no, and the openEO error to raise for it (H11)."""

from __future__ import annotations

from typing import Any

import pytest

from accounting import holds, limits, organisations
from tests.accounting.api.v1.conftest import Callers
from tests.accounting.books import micros, rows
from tests.accounting.hold_books import reserve
from tests.conftest import SOURCE, Federation


@pytest.fixture(autouse=True)
def home(federation: Federation) -> int:
    federation.grant(federation.alice.personal_organisation, micros(100), "g")
    return federation.alice.personal_organisation


def check(**changes: Any) -> dict[str, Any]:
    return {"source": SOURCE, "user": "alice@egi.eu"} | changes


def asked(callers: Callers, *checks: dict[str, Any]) -> list[dict[str, Any]]:
    answer = callers.backend.post("/precheck", {"checks": list(checks)})
    assert answer.status_code == 200, answer.json()
    found: list[dict[str, Any]] = answer.json()["checks"]
    return found


def test_who_may_not(callers: Callers) -> None:
    body = {"checks": [check()]}
    assert callers.anonymous.post("/precheck", body).status_code == 401
    assert callers.alice.post("/precheck", body).json()["code"] == "service_token_needed"
    answer = callers.other_backend.post("/precheck", body)
    assert (answer.status_code, answer.json()["field"]) == (403, "checks.0.source")


def test_a_yes_says_what_can_be_spent(callers: Callers, federation: Federation, home: int) -> None:
    federation.grant(home, micros(20), "NoR: project X", kind="sponsored")
    (one,) = asked(callers, check(amount="25", plans=["nor-project-x", "free"]))
    assert (one["decision"], one["reason"], one["text"], one["openeo_error"]) == ("allow", "", "", None)
    assert (one["organisation"], one["may_spend"], one["plan"]) == (home, "120", "sponsored-nor-project-x")
    assert one["spendable"] == {"free": "100", "sponsored-nor-project-x": "20"}


def test_nothing_is_reserved_or_written(callers: Callers) -> None:
    before = rows()
    asked(callers, check(amount="25"), check(amount="1000"), check())
    assert rows() == before


def test_each_no_has_its_reason_and_openeos_error(callers: Callers, federation: Federation, home: int) -> None:
    firm = organisations.create_organisation("Firm", federation.charlie.pk)
    limits.set_limit(federation.lab, 0, period="month")
    federation.grant(federation.lab, micros(10), "lab")
    answers = asked(
        callers,
        check(amount="100.5"),
        check(amount="2", budget="1"),
        check(organisation=firm),
        check(organisation=federation.lab, amount="1"),
        check(plans=["gold"]),
        check(project="alps"),
        check(user="newcomer@egi.eu", amount="1"),
    )
    assert [(one["decision"], one["reason"]) for one in answers] == [
        ("deny", "no_credit"),
        ("deny", "over_budget"),
        ("deny", "not_a_member"),
        ("deny", "over_limit"),
        ("deny", "plan_unknown"),
        ("deny", "project_unknown"),
        ("deny", "no_credit"),
    ]
    assert [(one["openeo_error"]["status"], one["openeo_error"]["code"]) for one in answers] == [
        (402, "PaymentRequired"),
        (402, "PaymentRequired"),
        (403, "PermissionsInsufficient"),
        (402, "PaymentRequired"),
        (400, "BillingPlanInvalid"),
        (400, "BillingPlanInvalid"),
        (402, "PaymentRequired"),
    ]
    assert answers[0]["may_spend"] == "100"
    assert "100 can be spent, 100.5 are needed" in answers[0]["text"]
    assert answers[0]["openeo_error"]["message"] == answers[0]["text"]
    assert all(one["text"] for one in answers)


def test_without_an_amount_anything_will_do(callers: Callers, federation: Federation, home: int) -> None:
    reserve(federation, amount=100)
    assert asked(callers, check())[0]["reason"] == "no_credit"
    holds.release(federation.client, holds.reserve(federation.client, _again(federation)).id)
    assert asked(callers, check())[0]["decision"] == "allow"


def _again(federation: Federation) -> holds.Request:
    from tests.accounting.hold_books import request

    return request(federation, amount=100)


def test_on_credit_is_restricted(callers: Callers, home: int) -> None:
    limits.set_rules(home, overdraft=micros(50), fail_open=micros(7))
    (one,) = asked(callers, check(amount="120"))
    assert (one["decision"], one["reason"], one["may_spend"]) == ("restricted", "overdraft", "150")
    assert one["fail_open"] == "7"


def test_suspended_and_terms(callers: Callers, home: int, settings: Any) -> None:
    settings.TERMS_VERSION = "1"
    settings.TERMS_URL = "https://example.org/terms"
    (one,) = asked(callers, check())
    assert (one["reason"], "https://example.org/terms" in one["text"]) == ("terms_not_accepted", True)
    limits.suspend(home, "x")
    assert asked(callers, check())[0]["reason"] == "organisation_suspended"


def test_what_is_overdue_counts_as_free(callers: Callers, federation: Federation, database_clock: Any) -> None:
    made = reserve(federation, amount=90)
    assert asked(callers, check(amount="50"))[0]["decision"] == "deny"
    database_clock(made.expires_at)
    assert asked(callers, check(amount="50"))[0]["decision"] == "allow"


def test_a_hundred_at_once_in_one_look(callers: Callers, django_assert_max_num_queries: Any) -> None:
    asked(callers, check())
    with django_assert_max_num_queries(3):
        assert len(asked(callers, *[check(amount="1")] * 100)) == 100


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "checks"),
        ({"checks": []}, "checks"),
        ({"checks": [check()] * 101}, "checks"),
        ({"checks": [check(), check(amount="x")]}, "checks.1.amount"),
        ({"checks": [check(budget="0")]}, "checks.0.budget"),
        ({"checks": [check(user="")]}, "checks.0.user"),
        ({"checks": [check(plans=[7])]}, "checks.0.plans"),
        ({"checks": [check(source="nowhere")]}, "checks.0.source"),
        ({"checks": [check(user_issuer="https://elsewhere.example.org")]}, "checks.0.user_issuer"),
        ({"checks": [check(amout="1")]}, "checks.0.amout"),
        ({"check": []}, "check"),
    ],
)
def test_a_bad_field_is_named(callers: Callers, body: dict[str, Any], field: str) -> None:
    answer = callers.backend.post("/precheck", body)
    assert answer.status_code in (400, 422)
    assert answer.json()["field"] == field
