"""/holds over HTTP: who may, what is answered, what a bad request is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings

from accounting import limits, organisations
from accounting.models import Hold
from tests.accounting.api.v1.conftest import Callers, fresh_key, report
from tests.accounting.books import micros, prove, rows
from tests.accounting.hold_books import check_held
from tests.conftest import SOURCE, Federation

NOBODY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
DEEDS = ("heartbeat", "capture", "extend", "release")
CPU_10 = {"metric": "cpu", "quantity": 24000, "unit": "cpu-seconds"}
"""Costs 10 credits."""
BODIES: dict[str, dict[str, Any]] = {
    "heartbeat": {},
    "capture": {"metrics": [CPU_10], "final": False},
    "extend": {"amount": "5"},
    "release": {},
}


BAD: dict[str, list[Any]] = {
    "amount": [0, 1, "0", "-1", "1e3", "1_0", " 1", "1.0000001", "9" * 11, "\u0661", None],
    "budget": ["0", 5, "x", ""],
    "source": ["", 7, "a  b", "x" * 201],
    "user": ["", "a\u200bb", []],
    "user_issuer": [""],
    "job_id": ["", "j\n", 7, "x" * 301],
    "execution_id": ["", "\u0458"],
    "organisation": ["7", 7.5, True],
    "project": [7, "a\u202eb", ""],
    "plans": ["free", [7], [""], ["x" * 256], ["a\u0000"], ["p"] * 21, {"a": 1}],
    "parent": ["", "x", 7],
    "expires_in": [59, 5_184_001, "60", 60.5, -1],
    "failed_open": ["yes", 1],
    "metadata": [[], "x", {"x": "y" * 17_000}],
    "amout": ["1"],
}


@pytest.fixture(autouse=True)
def home(federation: Federation) -> Iterator[int]:
    federation.grant(federation.alice.personal_organisation, micros(100), "g")
    yield federation.alice.personal_organisation
    check_held()
    prove()


def hold_body(**changes: Any) -> dict[str, Any]:
    body = {"source": SOURCE, "user": "alice@egi.eu", "job_id": "j-1", "amount": "30", **changes}
    return {name: value for name, value in body.items() if value is not None}


def opened(callers: Callers, key: str | None = None, **changes: Any) -> Any:
    return callers.backend.post("/holds", hold_body(**changes), **{"Idempotency-Key": key or fresh_key()})


def do(callers: Callers, hold: str, deed: str, key: str | None = None, **body: Any) -> Any:
    headers = {"Idempotency-Key": key or fresh_key()}
    return callers.backend.post(f"/holds/{hold}/{deed}", BODIES[deed] | body, **headers)


class TestWhoMayNot:
    def test_anonymous(self, callers: Callers) -> None:
        assert callers.anonymous.post("/holds", hold_body()).status_code == 401
        assert callers.anonymous.get("/holds").status_code == 401
        assert callers.anonymous.get(f"/holds/{uuid4()}").status_code == 401
        assert {callers.anonymous.post(f"/holds/{uuid4()}/{deed}", BODIES[deed]).status_code for deed in DEEDS} == {401}

    def test_a_person_reserves_nothing(self, callers: Callers) -> None:
        made = opened(callers).json()
        answers = [callers.alice.post("/holds", hold_body(), **{"Idempotency-Key": "k"})]
        answers += [callers.alice.post(f"{made['href']}/{deed}", BODIES[deed]) for deed in DEEDS]
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "service_token_needed")}

    def test_another_back_end_finds_nothing(self, callers: Callers) -> None:
        made = opened(callers).json()
        answers = [callers.other_backend.get(made["href"])]
        answers += [
            callers.other_backend.post(f"{made['href']}/{deed}", BODIES[deed], **{"Idempotency-Key": "k"})
            for deed in DEEDS
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert callers.other_backend.get("/holds").json()["items"] == []

    def test_a_stranger_finds_nothing(self, callers: Callers) -> None:
        made = opened(callers).json()
        assert callers.charlie.get(made["href"]).status_code == 404
        assert callers.charlie.get(f"{made['href']}/receipt").status_code == 404
        assert callers.charlie.get("/holds").json()["items"] == []

    @pytest.mark.parametrize("name", ["x", "1", "%00", NOBODY, NOBODY.upper(), "\u0661" * 8])
    def test_no_such_hold(self, callers: Callers, name: str) -> None:
        assert callers.backend.get(f"/holds/{name}").status_code == 404
        for deed in DEEDS:
            answer = callers.backend.post(f"/holds/{name}/{deed}", BODIES[deed], **{"Idempotency-Key": "k"})
            assert answer.status_code == 404


class TestOpening:
    def test_answers_with_the_hold(self, callers: Callers, home: int) -> None:
        terms: dict[str, Any] = {"budget": "40", "plans": ["free"], "metadata": {"queue": "q"}, "expires_in": 60}
        answer = opened(callers, execution_id="e-1", **terms)
        assert answer.status_code == 201
        made = answer.json()
        assert answer["Location"] == made["href"] == f"/api/v1/holds/{made['id']}"
        created, expires = (datetime.fromisoformat(made.pop(name)) for name in ("created_at", "expires_at"))
        assert (expires - created).total_seconds() == 60
        del made["id"], made["href"]
        assert made == {
            "source": SOURCE,
            "user": "alice@egi.eu",
            "organisation": home,
            "project": None,
            "parent": None,
            "job_id": "j-1",
            "execution_id": "e-1",
            "amount": "30",
            "budget": "40",
            "plans": ["free"],
            "plan": "free",
            "currency": "credits",
            "metadata": {"queue": "q"},
        }

    def test_again_answers_the_same_bytes(self, callers: Callers) -> None:
        first = opened(callers, "k-1")
        do(callers, first.json()["id"], "extend")
        second = opened(callers, "k-1")
        assert (second.status_code, second.content) == (201, first.content)
        assert second["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first

    def test_the_key_of_another_hold(self, callers: Callers) -> None:
        opened(callers, "k-1")
        answer = opened(callers, "k-1", amount="31")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")

    def test_not_enough(self, callers: Callers) -> None:
        before = rows()
        answer = opened(callers, amount="100.000001")
        problem = answer.json()
        assert answer["Content-Type"] == "application/problem+json"
        assert (answer.status_code, problem["code"], problem["reason"]) == (402, "PaymentRequired", "no_credit")
        assert (problem["may_spend"], problem["plans"]) == ("100", {"free": "100"})
        assert problem["top_up"] == problem["links"][0]["href"] == settings.TOP_UP_URL
        assert rows() == before

    def test_refusals_have_openeos_codes(self, callers: Callers, federation: Federation, home: int) -> None:
        firm = organisations.create_organisation("Firm", federation.charlie.pk)
        assert _refused(opened(callers, organisation=firm)) == (403, "PermissionsInsufficient", "not_a_member")
        assert _refused(opened(callers, plans=["gold"])) == (400, "BillingPlanInvalid", "plan_unknown")
        assert _refused(opened(callers, budget="29")) == (402, "PaymentRequired", "over_budget")
        assert _refused(opened(callers, project="x")) == (422, "project_unknown", "project_unknown")
        assert _refused(opened(callers, parent=str(uuid4()))) == (422, "parent_invalid", "parent_unknown")
        limits.set_limit(home, micros(29), period="month")
        assert _refused(opened(callers)) == (402, "PaymentRequired", "over_limit")
        limits.set_rules(home, most_holds=0)
        assert _refused(opened(callers, amount="1")) == (422, "too_many_holds", "too_many_holds")
        limits.suspend(home, "x")
        assert _refused(opened(callers)) == (403, "PermissionsInsufficient", "organisation_suspended")
        assert Hold.objects.count() == 0

    @pytest.mark.parametrize(("field", "value"), [(name, value) for name in BAD for value in BAD[name]])
    def test_a_bad_field_is_named(self, callers: Callers, field: str, value: Any) -> None:
        before = rows()
        answer = callers.backend.post("/holds", {**hold_body(), field: value}, **{"Idempotency-Key": fresh_key()})
        problem = answer.json()
        assert answer.status_code == 400, problem
        assert str(problem["field"]).startswith(field)
        assert rows() == before

    @pytest.mark.parametrize("key", [None, "", "a b", "\u00e9", "x" * 256])
    def test_a_key_is_needed(self, callers: Callers, key: str | None) -> None:
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = callers.backend.post("/holds", hold_body(), **headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-invalid")

    def test_a_number_that_no_organisation_has(self, callers: Callers) -> None:
        for number in (-1, 0, 10**30):
            assert _refused(opened(callers, organisation=number))[2] == "not_a_member"


def _refused(answer: Any) -> tuple[int, str, str]:
    problem = answer.json()
    return answer.status_code, problem["code"], problem["reason"]


class TestReading:
    def test_the_payers_members_and_the_back_end_see_it(self, callers: Callers, federation: Federation) -> None:
        federation.grant(federation.lab, micros(50), "lab")
        made = opened(callers, organisation=federation.lab).json()
        for caller in (callers.backend, callers.alice, callers.bob):
            found = caller.get(made["href"]).json()
            assert (found["id"], found["state"], found["kept"], found["used"]) == (made["id"], "open", "30", "0")
            assert [one["id"] for one in caller.get("/holds").json()["items"]] == [made["id"]]
        assert [(one["plan"], one["amount"]) for one in found["grants"]] == [("free", "30")]

    def test_lists_narrow(self, callers: Callers, home: int) -> None:
        one, two = opened(callers).json(), opened(callers, job_id="j-2").json()
        do(callers, one["id"], "release")

        def found(**query: Any) -> list[str]:
            return [item["id"] for item in callers.backend.get("/holds", query).json()["items"]]

        assert found() == [two["id"], one["id"]]
        assert found(state="open") == found(job_id="j-2") == [two["id"]]
        assert found(state="ended") == [one["id"]]
        assert found(source="cdse") == found(organisation=10**9) == []
        assert found(organisation=home) == [two["id"], one["id"]]
        assert callers.backend.get("/holds", {"state": "x"}).status_code == 400

    def test_a_list_takes_as_many_queries_whatever_its_length(
        self, callers: Callers, django_assert_max_num_queries: Any
    ) -> None:
        for n in range(5):
            opened(callers, job_id=f"j-{n}", amount="1")
        with django_assert_max_num_queries(9):
            assert len(callers.alice.get("/holds").json()["items"]) == 5

    def test_the_story_of_a_job(self, callers: Callers) -> None:
        made = opened(callers).json()
        do(callers, made["id"], "extend")
        report(callers.backend, job_id="j-1", execution_id="e-1")
        found = callers.alice.get(made["href"]).json()
        assert [(one["kind"], one["amount"]) for one in found["events"]] == [
            ("extended", "5"),
            ("captured", "-5.759775"),
            ("released", "-29.240225"),
        ]
        assert (found["state"], found["kept"], found["captured"]) == ("captured", "0", "5.759775")
        receipt = callers.alice.get(f"{made['href']}/receipt").json()
        assert (receipt["cost"], receipt["parts"]) == ("5.759775", {made["id"]: "5.759775"})
        assert [one["cost"] for one in receipt["receipts"]] == ["5.759775"]


class TestHeartbeat:
    def test_moves_the_expiry_and_says_whether_to_go_on(self, callers: Callers) -> None:
        made = opened(callers, expires_in=60, budget="40").json()
        answer = do(callers, made["id"], "heartbeat", metrics=[CPU_10], expires_in=7200)
        pulse = answer.json()
        assert answer.status_code == 200
        assert (pulse["decision"], pulse["used"], pulse["captured"], pulse["kept"]) == ("continue", "10", "0", "30")
        assert (pulse["left"], pulse["budget"], pulse["report"]) == ("30", "40", None)
        assert pulse["expires_at"] > made["expires_at"]

    def test_charges_when_asked(self, callers: Callers) -> None:
        made = opened(callers).json()
        first = do(callers, made["id"], "heartbeat", "k-1", metrics=[CPU_10], capture=True).json()
        again = do(callers, made["id"], "heartbeat", "k-1", metrics=[CPU_10], capture=True).json()
        assert (first["captured"], first["kept"], first["report"]["cost"]) == ("10", "20", "10")
        assert (again["captured"], again["report"]) == ("10", first["report"])

    def test_charging_needs_a_key(self, callers: Callers) -> None:
        made = opened(callers).json()
        answer = callers.backend.post(f"{made['href']}/heartbeat", {"metrics": [CPU_10], "capture": True})
        assert answer.json()["code"] == "idempotency-key-invalid"

    def test_a_runaway_job_is_told_to_stop(self, callers: Callers) -> None:
        made = opened(callers, budget="30").json()
        enough = {**CPU_10, "quantity": 72000}
        pulse = do(callers, made["id"], "heartbeat", metrics=[enough]).json()
        assert (pulse["decision"], pulse["reason"], pulse["left"]) == ("stop", "over_budget", "0")
        assert pulse["detail"] == "30 of 30 credits of the job's budget are used."

    def test_a_unit_that_there_is_not(self, callers: Callers) -> None:
        made = opened(callers).json()
        answer = do(callers, made["id"], "heartbeat", metrics=[{**CPU_10, "unit": "light-years"}])
        assert (answer.status_code, answer.json()["field"]) == (422, "metrics.0.unit")


class TestCapture:
    def test_charges_and_leaves_the_rest_held(self, callers: Callers) -> None:
        made = opened(callers).json()
        first, again = (do(callers, made["id"], "capture", "c-1") for _ in range(2))
        assert (first.status_code, first.json()["cost"]) == (201, "10")
        assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")
        found = callers.backend.get(made["href"]).json()
        assert (found["state"], found["kept"], found["captured"]) == ("open", "20", "10")

    def test_the_last_one_ends_the_hold(self, callers: Callers) -> None:
        made = opened(callers).json()
        assert do(callers, made["id"], "capture", final=True, execution_id="e-1").status_code == 201
        found = callers.backend.get(made["href"]).json()
        assert (found["state"], found["kept"], found["captured"]) == ("captured", "0", "10")
        for deed in ("capture", "extend", "heartbeat", "release"):
            answer = do(callers, made["id"], deed)
            assert (answer.status_code, answer.json()["code"]) == (409, "hold-not-open")

    def test_another_body_under_the_key(self, callers: Callers) -> None:
        made = opened(callers).json()
        do(callers, made["id"], "capture", "c-1")
        answer = do(callers, made["id"], "capture", "c-1", metrics=[{**CPU_10, "quantity": 1}])
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("final", "yes"),
            ("final", None),
            ("metrics", {}),
            ("metrics", [{"metric": "cpu"}]),
            ("state", "created"),
            ("kind", "x"),
            ("execution_id", "a  b"),
            ("finished_at", "yesterday"),
            ("amount", "1"),
        ],
    )
    def test_a_bad_field_is_named(self, callers: Callers, field: str, value: Any) -> None:
        made = opened(callers).json()
        answer = do(callers, made["id"], "capture", **{field: value})
        assert answer.status_code == 400, answer.json()
        assert answer.json()["field"].startswith(field)


class TestExtendAndRelease:
    def test_more_once_a_key(self, callers: Callers) -> None:
        made = opened(callers).json()
        first, again = (do(callers, made["id"], "extend", "e-1") for _ in range(2))
        assert (first.json()["kept"], again.json()["kept"], again["Idempotency-Replayed"]) == ("35", "35", "true")
        assert do(callers, made["id"], "extend", amount="66").status_code == 402
        assert do(callers, made["id"], "extend", amount="0").json()["field"] == "amount"

    def test_release_gives_back_and_is_the_same_again(self, callers: Callers) -> None:
        made = opened(callers).json()
        first, again = (do(callers, made["id"], "release", reason="canceled") for _ in range(2))
        assert (first.status_code, first.content) == (200, again.content)
        assert (first.json()["state"], first.json()["kept"]) == ("released", "0")

    def test_over_is_over(self, callers: Callers, database_clock: Callable[[datetime | None], None]) -> None:
        made = opened(callers).json()
        database_clock(datetime.fromisoformat(made["expires_at"]))
        assert callers.backend.get(made["href"]).json()["state"] == "expired"
        for deed in DEEDS:
            answer = do(callers, made["id"], deed)
            assert (answer.status_code, answer.json()["code"]) == (409, "hold-not-open"), json.dumps(answer.json())
