"""/precheck: advice for many jobs, the reason of each no, and the openEO error to raise for it (H11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from accounting import estimates, holds, limits, organisations, workloads
from accounting.models import JobWorkload, Source, StoredEstimate
from accounting.rating import UsageLine
from tests.accounting.api.v1.conftest import Callers
from tests.accounting.books import book, micros, rows
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
    assert [one["plan"] for one in answers[2:5]] == [None, "free", None]


@pytest.mark.parametrize("plans", [[7], [""], "free", ["free"] * 21, [None], {"free": 1}])
def test_a_list_of_plans_that_is_none_is_that_users_no_and_nobody_elses(
    callers: Callers, home: int, plans: Any
) -> None:
    first, second = asked(callers, check(plans=plans, amount="1"), check(amount="1"))
    assert (first["decision"], first["reason"], first["may_spend"], first["plan"]) == (
        "deny",
        "plan_unknown",
        "0",
        None,
    )
    assert first["openeo_error"]["code"] == "BillingPlanInvalid"
    assert "send a list of at most 20" in first["text"] == first["openeo_error"]["message"]
    assert (first["organisation"], second["decision"]) == (home, "allow")


def test_whoever_may_start_nothing_is_promised_nothing(callers: Callers, home: int) -> None:
    limits.set_rules(home, fail_open=micros(7))
    limits.suspend(home, "unpaid")
    (one,) = asked(callers, check(amount="1"))
    assert (one["reason"], one["may_spend"], one["fail_open"]) == ("organisation_suspended", "0", "0")


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
    page = f"{settings.PUBLIC_URL}{reverse('terms')}"
    assert (one["reason"], f"Accept them at {page} " in one["text"]) == ("terms_not_accepted", True)
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
        ({"checks": [check(amount=25)]}, "checks.0.amount"),
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


WORKLOAD = {"udp": {"url": "https://algorithms.example.org/udp/ndvi"}, "area_m2": 1e8, "time_steps": 10}


def learn(federation: Federation, costs: list[float]) -> None:
    """So many finished jobs of that workload, each with its cost in credits."""
    for n, cost in enumerate(costs):
        line = UsageLine("processing", Decimal(str(cost)), "credits", str(cost))
        changes = {"job_id": f"l-{n}", "execution_id": f"l-{n}", "user": federation.bob.sub}
        book(federation, f"l-{n}", lines=(line,), finished_at=datetime.now(UTC) - timedelta(hours=1), **changes)
        source = Source.objects.get(source_id=SOURCE).pk
        workloads.record(source, f"l-{n}", f"l-{n}", federation.bob.pk, workloads.read(WORKLOAD))
    estimates.collect()


class TestEstimates:
    def test_what_jobs_like_it_cost_is_what_is_needed(self, callers: Callers, federation: Federation) -> None:
        learn(federation, [20 + n / 10 for n in range(20)])
        (one,) = asked(callers, check(workload=WORKLOAD))
        assert one["decision"] == "allow"
        assert (
            19 < float(one["estimate"]["p10"]) < float(one["estimate"]["median"]) < float(one["estimate"]["p90"]) < 24
        )
        assert one["estimate"]["jobs"] == 20

    def test_it_may_start_but_perhaps_not_finish(self, callers: Callers, federation: Federation) -> None:
        learn(federation, [n * 10 for n in range(3, 14)])  # the median is what there is, p90 is not
        (one,) = asked(callers, check(workload=WORKLOAD))
        assert (one["decision"], one["reason"]) == ("restricted", "may_not_finish")
        assert one["text"]

    def test_more_than_there_is_is_a_no(self, callers: Callers, federation: Federation) -> None:
        learn(federation, [300 + n for n in range(12)])
        (one,) = asked(callers, check(workload=WORKLOAD))
        assert (one["decision"], one["reason"]) == ("deny", "no_credit")

    def test_nothing_known_is_no_figure(self, callers: Callers) -> None:
        unknown: list[Any] = [WORKLOAD, {"udp": 7}, "x", {"geometry": {"type": "Polygon"}}, {}, [], 7]
        for one in asked(callers, *[check(workload=workload) for workload in unknown]):
            assert (one["decision"], one["estimate"]) == ("allow", None)

    def test_an_amount_that_is_told_counts(self, callers: Callers, federation: Federation) -> None:
        learn(federation, [300 + n for n in range(12)])
        (one,) = asked(callers, check(workload=WORKLOAD, amount="5"))
        assert (one["decision"], one["estimate"]["jobs"]) == ("allow", 12)

    def test_a_hold_keeps_the_workload_and_its_estimate(self, callers: Callers, federation: Federation) -> None:
        learn(federation, [20 + n / 10 for n in range(12)])
        body = {**check(job_id="j-9", amount="30"), "workload": WORKLOAD}
        for _ in range(2):
            assert callers.backend.post("/holds", body, **{"Idempotency-Key": "h"}).status_code == 201
        assert JobWorkload.objects.filter(job_id="j-9").count() == 1
        stored = StoredEstimate.objects.get(job_id="j-9")
        assert stored.person_id == federation.alice.pk
        assert micros(19) < stored.median < micros(24)
        body = {**check(job_id="j-10", amount="30"), "workload": {"udp": []}}
        assert callers.backend.post("/holds", body, **{"Idempotency-Key": "h-2"}).status_code == 201
        assert not JobWorkload.objects.filter(job_id="j-10").exists()
