"""Jobs with credits kept for them, from the question whether they may start to the receipt; all through HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounting import limits, organisations, outbox, queries, registry, tasks
from tests.accounting.api.v1.conftest import Caller, Callers, fresh_key, report
from tests.accounting.books import micros, prove
from tests.accounting.hold_books import check_held
from tests.conftest import ISSUER, SOURCE, Federation

MoveClock = Callable[[datetime | None], None]


@pytest.fixture(autouse=True)
def home(federation: Federation) -> Iterator[int]:
    """Alice's own organisation: 100 credits for everything."""
    federation.grant(federation.alice.personal_organisation, micros(100), "everybody gets that")
    yield federation.alice.personal_organisation
    check_held()
    prove()


def cpu(credits: float) -> list[dict[str, Any]]:
    return [{"metric": "cpu", "quantity": str(round(credits * 2400, 3)), "unit": "cpu-seconds"}]


def precheck(caller: Caller, **asked: Any) -> Any:
    answer = caller.post("/precheck", {"checks": [{"source": SOURCE, "user": "alice@egi.eu", **asked}]})
    assert answer.status_code == 200, answer.json()
    return answer.json()["checks"][0]


def reserve(caller: Caller, **asked: Any) -> Any:
    body = {"source": SOURCE, "user": "alice@egi.eu", "job_id": "j-1", "amount": "30", **asked}
    return caller.post("/holds", body, **{"Idempotency-Key": fresh_key()})


def do(caller: Caller, hold: Any, deed: str, **body: Any) -> Any:
    answer = caller.post(f"/holds/{hold['id']}/{deed}", body, **{"Idempotency-Key": fresh_key()})
    assert answer.status_code in (200, 201), answer.json()
    return answer.json()


def spendable(caller: Caller) -> str:
    return str(caller.get("/balance").json()["spendable"])


def test_a_runaway_job_is_stopped_by_its_budget(federation: Federation, callers: Callers) -> None:
    """The user allowed 20 credits; the loop in the process graph never ends (openeo-api #541)."""
    backend = callers.backend
    assert precheck(backend, budget="20", amount="15")["decision"] == "allow"
    assert reserve(backend, budget="20", amount="25").json()["reason"] == "over_budget"
    hold = reserve(backend, budget="20", amount="15").json()

    every_few_minutes = (5, 10, 15.9, 16, 19, 20.5)  # what it has used since it began
    told = [do(backend, hold, "heartbeat", metrics=cpu(used), capture=True) for used in every_few_minutes]
    assert [one["decision"] for one in told] == ["continue", "continue", "continue", "warn", "warn", "stop"]
    assert (told[-1]["reason"], told[-1]["left"]) == ("over_budget", "0")
    assert told[-1]["captured"] == "20.5"
    assert (
        callers.backend.post(
            f"/holds/{hold['id']}/extend", {"amount": "10"}, **{"Idempotency-Key": fresh_key()}
        ).json()["reason"]
        == "over_budget"
    )

    # The back end ends it; its last report, a little more, takes the place of all that was captured.
    ended = report(backend, metrics=cpu(20.75), state="canceled", execution_id="run-1")
    assert (ended.status_code, ended.json()["cost"]) == (201, "20.75")
    after = backend.get(f"/holds/{hold['id']}").json()
    assert (after["state"], after["kept"], after["captured"]) == ("captured", "0", "20.75")
    assert spendable(callers.alice) == "79.25"


def test_one_job_on_two_back_ends_has_one_budget_and_one_receipt(federation: Federation, callers: Callers) -> None:
    """An aggregator splits it; both parts together never spend more than the parent keeps."""
    backend = registry.register_backend("aggregator", "Aggregator", federation.provider)
    registry.register_source("aggregator", backend, ISSUER)
    registry.register_client(ISSUER, "aggregator", "Aggregator", ["aggregator"])
    aggregator, terrascope, cdse = callers.service("aggregator"), callers.backend, callers.other_backend

    parent = reserve(aggregator, source="aggregator", job_id="agg-1", amount="60", budget="60").json()
    one = reserve(terrascope, job_id="j-1", amount="35", parent=parent["id"]).json()
    too_much = reserve(cdse, source="cdse", job_id="c-1", amount="26", parent=parent["id"])
    assert (too_much.status_code, too_much.json()["may_spend"]) == (402, "25")
    two = reserve(cdse, source="cdse", job_id="c-1", amount="25", parent=parent["id"]).json()
    assert spendable(callers.alice) == "40"

    assert do(terrascope, one, "heartbeat", metrics=cpu(25))["decision"] == "continue"
    assert do(cdse, two, "heartbeat", metrics=cpu(24))["decision"] == "warn", "49 of 60 in all"
    assert report(terrascope, metrics=cpu(32), job_id="j-1", execution_id="t-1").json()["cost"] == "32"
    cost = report(cdse, source="cdse", metrics=cpu(24), job_id="c-1", execution_id="c-1").json()["cost"]
    assert cost == "24"
    assert do(aggregator, parent, "heartbeat")["used"] == "56"
    do(aggregator, parent, "release", reason="all parts are done")

    receipt = aggregator.get(f"/holds/{parent['id']}/receipt").json()
    assert receipt["cost"] == "56"
    assert receipt["parts"] == {parent["id"]: "0", one["id"]: "32", two["id"]: "24"}
    assert sorted(part["cost"] for part in receipt["receipts"]) == ["24", "32"]
    assert callers.alice.get(f"/holds/{parent['id']}/receipt").json() == receipt
    assert callers.charlie.get(f"/holds/{parent['id']}/receipt").status_code == 404
    assert spendable(callers.alice) == "44"


def test_a_job_whose_hold_expires_reports_late(
    federation: Federation, callers: Callers, home: int, database_clock: MoveClock
) -> None:
    """Its back end went silent; the credits are free again, the owner is told, the work is charged once."""
    backend = callers.backend
    hold = reserve(backend, expires_in=3600).json()
    do(backend, hold, "heartbeat", metrics=cpu(10), capture=True, expires_in=3600)
    opened = datetime.fromisoformat(hold["created_at"])
    database_clock(opened + timedelta(hours=3))
    assert tasks.expire_holds() == 1
    assert spendable(callers.alice) == "90"
    assert backend.get(f"/holds/{hold['id']}").json()["state"] == "expired"
    silent = backend.post(f"/holds/{hold['id']}/heartbeat", {})
    assert (silent.status_code, silent.json()["state"]) == (409, "expired")
    outbox.deliver()
    assert "hold_expired" in [notice.kind for notice in queries.notices(federation.alice.pk)]

    # Two days later the back end is up again; meanwhile Alice works for the lab, which does not pay for this job.
    organisations.switch_organisation(federation.alice.pk, federation.lab)
    database_clock(opened + timedelta(days=2))
    late = report(backend, metrics=cpu(25))
    assert (late.json()["cost"], late.json()["organisation"]) == ("25", home)
    assert queries.balance(home).posted == micros(75)
    assert queries.balance(federation.lab).posted == 0
    assert backend.get(f"/holds/{hold['id']}").json()["captured"] == "25"


def test_the_list_of_plans_decides_which_credits_pay(federation: Federation, callers: Callers, home: int) -> None:
    """`credit-plans` of the job: first the sponsored project, then the card; the free credits are for other days."""
    federation.grant(home, micros(20), "NoR project X", kind="sponsored", fund="esa")
    federation.grant(home, micros(200), "Card", kind="paid")
    backend, plans = callers.backend, ["sponsored-nor-project-x", "paid"]
    advice = precheck(backend, plans=plans, amount="50")
    assert (advice["decision"], advice["plan"]) == ("allow", "sponsored-nor-project-x")
    wrong = reserve(backend, plans=["nor-project-y"])
    assert (wrong.status_code, wrong.json()["code"]) == (400, "BillingPlanInvalid")
    assert reserve(backend, plans=["sponsored"], amount="21").status_code == 402

    hold = reserve(backend, plans=plans, amount="50").json()
    bound = backend.get(f"/holds/{hold['id']}").json()["grants"]
    assert [(one["plan"], one["amount"]) for one in bound] == [("sponsored-nor-project-x", "20"), ("paid", "30")]
    assert report(backend, metrics=cpu(45)).json()["cost"] == "45"
    left = {grant.label: grant.remaining for grant in queries.open_grants(home)}
    assert left == {"everybody gets that": micros(100), "Card": micros(175)}


def test_a_limit_of_the_organisation_stops_a_members_running_job(federation: Federation, callers: Callers) -> None:
    """Its owner lowers what Alice may spend a month while her job runs; what it has used by then is charged."""
    lab, backend = federation.lab, callers.backend
    federation.grant(lab, micros(500), "Lab's own", kind="paid")
    limits.set_limit(lab, micros(200), period="month", person=federation.alice.pk)
    hold = reserve(backend, organisation=lab, amount="50").json()
    assert do(backend, hold, "heartbeat", metrics=cpu(30))["decision"] == "continue"

    limits.set_limit(lab, micros(32), period="month", person=federation.alice.pk)
    assert do(backend, hold, "heartbeat", metrics=cpu(31))["decision"] == "warn"
    stop = do(backend, hold, "heartbeat", metrics=cpu(33))
    assert (stop["decision"], stop["reason"]) == ("stop", "over_limit")
    refused = reserve(backend, organisation=lab, job_id="j-2", amount="1")
    assert (refused.status_code, refused.json()["reason"]) == (402, "over_limit")
    assert reserve(backend, user="bob@egi.eu", organisation=lab, job_id="b-1", amount="1").status_code == 201

    assert report(backend, metrics=cpu(33.5), state="canceled", organisation=lab).json()["cost"] == "33.5"
    assert queries.balance(lab).posted == micros(466.5)
