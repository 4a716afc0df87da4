"""A report is charged once, whatever its client sends again (contract 1.6; I1, I3 to I5, I7, I8)."""

from __future__ import annotations

from typing import Any

import pytest

from accounting import queries
from accounting.models import QuarantinedReport, Transaction, UsageReport
from tests.accounting.api.etl.wire import (
    COST,
    KEY,
    METRICS,
    SENTINEL_HUB,
    UDP,
    Caller,
    added_value,
    billed,
    resources,
    rows,
)
from tests.conftest import SOURCE, Federation

REPLAYED = "Idempotency-Replayed"


def test_the_same_bytes_every_time(backend: Caller, federation: Federation) -> None:
    first = backend.resources(resources())
    assert REPLAYED not in first
    before = rows()
    for _ in range(4):
        again = backend.resources(resources())
        assert (again.status_code, again.content) == (201, first.content)
        assert (again[REPLAYED], again["Content-Type"]) == ("true", "application/json")
    assert rows() == before
    assert queries.balance(federation.alice.current_organisation).posted == -623_923


SAME_MONEY: dict[str, dict[str, Any]] = {
    "title": {"jobName": "another title"},
    "state": {"state": "FAILED"},
    "status": {"status": "FAILED"},
    "times": {"jobStart": None, "jobFinish": 1704961804001},
    "order": {"metrics": dict(reversed(METRICS.items()))},
    "spelling": {"metrics": METRICS | {"cpu": {"unit": "cpu-seconds", "value": "53.00"}}},
    "unknown field": {"more": 1},
}


@pytest.mark.parametrize("change", SAME_MONEY)
def test_what_does_not_change_the_money_is_a_repetition(backend: Caller, change: str) -> None:
    first = backend.resources(resources())
    again = backend.resources(resources(**SAME_MONEY[change]))
    assert (again.status_code, again.content, again[REPLAYED]) == (201, first.content, "true")
    assert not QuarantinedReport.objects.exists()


OTHER_MONEY: dict[str, dict[str, Any]] = {
    "user": {"userId": "bob@egi.eu"},
    "new user": {"userId": "somebody-new@egi.eu"},
    "organisation": {"orgId": 77},
    "job": {"jobId": "j-2"},
    "execution": {"executionId": "application_2"},
    "value": {"metrics": METRICS | {"cpu": {"value": 54, "unit": "cpu-seconds"}}},
    "unit": {"metrics": METRICS | {"cpu": {"value": 53, "unit": "cpu-hours"}}},
    "unit that cannot be booked": {"metrics": METRICS | {"cpu": {"value": 53, "unit": "parsecs"}}},
    "a metric more": {"metrics": METRICS | {"gpu": {"value": 53, "unit": "gpu-seconds"}}},
    "a metric less": {"metrics": {"cpu": METRICS["cpu"]}},
    "no metric": {"metrics": {}},
}


@pytest.mark.parametrize("change", OTHER_MONEY)
def test_another_body_gets_the_first_answer_and_is_kept(backend: Caller, change: str) -> None:
    first = backend.resources(resources())
    before = rows()
    for attempts in (1, 2):
        again = backend.resources(resources(**OTHER_MONEY[change]))
        assert (again.status_code, again.content, again[REPLAYED]) == (201, first.content, "true")
        kept = QuarantinedReport.objects.get()
        assert (kept.category, kept.code, kept.attempts) == ("mismatch", "key_mismatch", attempts)
        assert kept.key == KEY
    assert rows() == before | {"QuarantinedReport": 1}


def test_finished_then_failed(backend: Caller, federation: Federation) -> None:
    """The driver reports a failure under the same request id when reporting the success raised."""
    body = {"jobId": "r-1", "executionId": "r-1", "idempotencyKey": "r-1", "sourceId": SENTINEL_HUB}
    metrics = {"cpu": {"value": 3600, "unit": "cpu-seconds"}}
    first = backend.resources(resources(**body, metrics=metrics, state="FINISHED"))
    second = backend.resources(resources(**body, metrics=metrics, state="FAILED"))
    assert billed(first) == 1.5
    assert second.content == first.content
    assert queries.balance(federation.alice.current_organisation).posted == -1_500_000


def test_key_shift_of_the_driver(backend: Caller, federation: Federation) -> None:
    """With a fee, the metrics come under `<key>_1`; run again without the fee they come under the key itself."""
    fee = {"processing": {"value": 2, "unit": "credits"}}
    paid = billed(backend.resources(resources(metrics=fee)))
    paid += billed(backend.resources(resources(idempotencyKey=f"{KEY}_1")))
    again = backend.resources(resources())
    assert billed(again) == 2
    assert queries.balance(federation.alice.current_organisation).posted == -round(paid * 1e6)
    assert QuarantinedReport.objects.get().category == "mismatch"


def test_both_endpoints_know_the_key_apart(backend: Caller) -> None:
    """Old clients send resources and every added value under one key."""
    area = {"value": 1, "unit": "square_kilometer"}
    common = {"sourceId": SENTINEL_HUB, "idempotencyKey": KEY}
    answers = [
        backend.resources(resources(**common)),
        backend.added_value(added_value(**common, service=UDP, area=area)),
        backend.added_value(added_value(**common, service="load_stac", area=area)),
        backend.added_value(added_value(**common, service="ndvi", area=area)),
    ]
    assert [billed(answer) for answer in answers] == [pytest.approx(COST), 2, 0, 0]
    assert not any(REPLAYED in answer for answer in answers)
    assert Transaction.objects.filter(key=KEY).count() == 4


def test_each_source_knows_the_key_apart(backend: Caller) -> None:
    answers = [backend.resources(resources(sourceId=source)) for source in (SOURCE, SENTINEL_HUB)]
    assert not any(REPLAYED in answer for answer in answers)
    assert UsageReport.objects.count() == 2


def test_each_client_knows_the_key_apart(backend: Caller, other_backend: Caller) -> None:
    answers = [
        backend.resources(resources(idempotencyKey="1")),
        other_backend.resources(resources(idempotencyKey="1", sourceId="cdse")),
    ]
    assert not any(REPLAYED in answer for answer in answers)
    assert UsageReport.objects.count() == 2


def test_added_value_is_repeated_like_resources(backend: Caller) -> None:
    first = backend.added_value(added_value())
    again = backend.added_value(added_value(area={"value": 41.0, "unit": "square_meter"}))
    assert (again.status_code, again.content, again[REPLAYED]) == (201, first.content, "true")
    assert QuarantinedReport.objects.get().service == "load_stac"


def test_a_refused_report_does_not_use_its_key_up(backend: Caller) -> None:
    malformed = backend.resources(resources(state=["FAILED"]))
    unbookable = backend.resources(resources(metrics={"cpu": {"value": 1, "unit": "parsecs"}}))
    assert (malformed.status_code, unbookable.status_code) == (400, 422)
    corrected = backend.resources(resources())
    assert billed(corrected) == pytest.approx(COST)
    assert REPLAYED not in corrected


def test_repetition_is_answered_before_anything_is_checked(backend: Caller) -> None:
    """A retry that arrives after the tariff or the clock changed still gets its answer."""
    first = backend.resources(resources())
    again = backend.resources(resources(jobFinish=1))
    assert (again.status_code, again.content) == (201, first.content)


@pytest.mark.parametrize("number", [3, 40])
def test_long_keys_are_told_apart_to_the_last_character(backend: Caller, number: int) -> None:
    base = "k" * (300 - number)
    for last in range(number):
        answer = backend.resources(resources(idempotencyKey=base + "x" * last + "y", metrics={}))
        assert REPLAYED not in answer
    assert UsageReport.objects.count() == number
