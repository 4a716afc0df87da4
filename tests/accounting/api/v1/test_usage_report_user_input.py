"""Nothing that a user writes makes a job free: whatever it is, the report is booked, and to the right wallet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accounting import queries
from accounting.models import UsageReport
from tests.accounting.api.v1.conftest import Callers, report, report_body
from tests.accounting.api.v1.test_usage_report_batch import EVENTS, event
from tests.conftest import Federation

TITLES: dict[str, tuple[Any, str]] = {
    "long": ("x" * 5000, "x" * 500),
    "very long": ("x" * 2**21, "x" * 500),
    "NUL": ("free\x00ride", "free\ufffdride"),
    "half a surrogate pair": ("half \ud800 of", "half \ufffd of"),
    "lines": ("a\nb\u202e", "a b "),
    "number": (2024, "2024"),
    "fraction": (1.5, "1.5"),
    "no number": (float("nan"), ""),
    "huge number": (1e300, ""),
    "list": (["a", {"list": "\ud800"}], ""),
    "true": (True, ""),
    "null": (None, ""),
}
PROCESSES = ["x" * 1000, "zero\u200bwidth", " blank", "half \ud800 of a pair", "\x00", "a\nb"]
NO_ORGANISATIONS = [0, -1, 2**63, -(2**63) - 1, int("9" * 60), int("9" * 4000), 1e30]


def send_all(callers: Callers, **changes: Any) -> list[Any]:
    """The same report alone, in a batch and as an event, each with an ordinary one beside it: three answers."""
    bodies = [report_body(job_id=f"j-{n}", execution_id=f"e-{n}") | changes for n in range(3)]
    post = callers.backend.post
    alone = post("/usage-reports", bodies[0], **{"Idempotency-Key": "k-0"})
    batch = post("/usage-reports/batch", {"reports": [bodies[1], report_body()]}, **{"Idempotency-Key": "k-1"})
    events = post("/usage-reports/batch", [event(2, data=bodies[2]), event(3)], **EVENTS)
    assert (alone.status_code, batch.status_code, events.status_code) == (201, 200, 200), (alone, batch, events)
    stored = UsageReport.objects.filter(job__job_id="j-1").exclude(execution_id="application_1").get()
    assert stored.raw == json.dumps(bodies[1])
    return [alone.json(), batch.json()["items"][0]["report"], events.json()["items"][0]["report"]]


@pytest.mark.parametrize(("title", "kept"), TITLES.values(), ids=TITLES.keys())
def test_a_title(federation: Federation, callers: Callers, title: Any, kept: str) -> None:
    assert [one["cost"] for one in send_all(callers, job_title=title)] == ["5.759775"] * 3
    for stored in UsageReport.objects.select_related("job").filter(execution_id__in=("e-0", "e-2")):
        assert (stored.job.title or "") == kept


@pytest.mark.parametrize("name", ["process", "collection"])
@pytest.mark.parametrize("value", PROCESSES, ids=[ascii(value[:8]) for value in PROCESSES])
def test_a_process_or_a_collection(federation: Federation, callers: Callers, name: str, value: str) -> None:
    line = {"metric": "cpu", "quantity": 1, "unit": "cpu-hours", name: value}
    assert [one["cost"] for one in send_all(callers, metrics=[line])] == ["1.5"] * 3
    stored = {getattr(one.lines.get(), name) for one in UsageReport.objects.filter(execution_id__in=("e-0", "e-2"))}
    assert len(stored) == 1
    assert all(len(one) <= 255 and one.isprintable() and one == one.strip() for one in stored)


def test_strange_processes_stay_apart(federation: Federation, callers: Callers) -> None:
    lines = [{"metric": "cpu", "quantity": 1, "unit": "cpu-hours", "process": f"{'x' * 300}{n}"} for n in range(3)]
    answer = report(callers.backend, metrics=lines).json()
    assert len({line["process"] for line in answer["lines"]}) == 3


@pytest.mark.parametrize("process", ["ndvi", "x" * 255, "\u00fcbersicht", "of two words"])
def test_a_process_that_is_fit_is_kept_as_it_is(federation: Federation, callers: Callers, process: str) -> None:
    line = {"metric": "cpu", "quantity": 1, "unit": "cpu-hours", "process": process}
    assert report(callers.backend, metrics=[line]).json()["lines"][0]["process"] == process


@pytest.mark.parametrize("number", NO_ORGANISATIONS, ids=[str(number)[:20] for number in range(len(NO_ORGANISATIONS))])
def test_an_organisation_that_cannot_be(federation: Federation, callers: Callers, number: Any) -> None:
    for answer in send_all(callers, organisation=number):
        assert answer["organisation_refused"] is True
        assert answer["organisation"] == federation.alice.personal_organisation
    assert queries.balance(federation.alice.personal_organisation).posted == -5 * 5_759_775


def test_an_organisation_that_cannot_be_is_the_same_when_sent_again(federation: Federation, callers: Callers) -> None:
    first = report(callers.backend, "k", organisation=2**70)
    again = report(callers.backend, "k", organisation=2**70)
    assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")


@pytest.mark.parametrize("project", ["alps", "no such", "a\u0000b", "\u202e", "x" * 400])
def test_no_project_refuses_a_report(callers: Callers, federation: Federation, project: str) -> None:
    assert report(callers.backend, project=project).status_code == 201
