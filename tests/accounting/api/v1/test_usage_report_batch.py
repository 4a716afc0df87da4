"""POST /usage-reports/batch: each report by itself, all in one transaction, an outcome for each (I10)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from accounting import queries
from accounting.api.v1 import shapes
from accounting.models import QuarantinedReport, Transaction, UsageReport
from tests.accounting import books
from tests.accounting.api.v1.conftest import Caller, Callers, report, report_body
from tests.accounting.api.v1.test_usage_report_bad_input import check_problem
from tests.conftest import Federation

EVENTS = {"Content-Type": "application/cloudevents-batch+json"}


def items(count: int, start: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """Reports of different jobs, each with its key."""
    numbers = range(start, start + count)
    return [report_body(job_id=f"j-{n}", execution_id=f"e-{n}", idempotency_key=f"k-{n}", **changes) for n in numbers]


def send(caller: Caller, reports: list[Any], **headers: str) -> Any:
    return caller.post("/usage-reports/batch", {"reports": reports}, **headers)


def event(number: int, **changes: Any) -> dict[str, Any]:
    data = report_body(job_id=f"j-{number}", execution_id=f"e-{number}")
    return {
        "specversion": "1.0",
        "id": f"{number}",
        "source": "/backends/terrascope",
        "type": "org.openeo.usage-report.v1",
        "time": "2026-05-04T10:00:00Z",
        "data": data,
        **changes,
    }


class TestWho:
    def test_anonymous_may_not(self, federation: Federation, callers: Callers) -> None:
        check_problem(send(callers.anonymous, items(1)), 401)

    def test_a_person_may_not(self, federation: Federation, callers: Callers) -> None:
        check_problem(send(callers.alice, items(1)), 403)
        assert Transaction.objects.count() == 0

    def test_a_stranger_back_end_gets_no_report_booked_and_all_are_kept(
        self, federation: Federation, callers: Callers
    ) -> None:
        answer = send(callers.other_backend, items(3))
        assert answer.status_code == 207
        assert {item["problem"]["code"] for item in answer.json()["items"]} == {"source_not_allowed"}
        assert (Transaction.objects.count(), QuarantinedReport.objects.count()) == (0, 3)


class TestOutcomes:
    def test_all_booked(self, federation: Federation, callers: Callers) -> None:
        answer = send(callers.backend, items(3))
        assert answer.status_code == 200
        body = answer.json()
        assert body["counts"] == {"booked": 3, "replayed": 0, "quarantined": 0, "refused": 0, "invalid": 0}
        assert [(item["index"], item["outcome"], item["status"]) for item in body["items"]] == [
            (n, "booked", 201) for n in range(3)
        ]
        assert [item["report"]["job_id"] for item in body["items"]] == ["j-0", "j-1", "j-2"]
        assert queries.balance(federation.alice.personal_organisation).posted == -3 * 5_759_775
        books.prove()

    def test_an_answer_fits_its_description(self, federation: Federation, callers: Callers) -> None:
        answer = send(callers.backend, [*items(2), *items(1), 7, *items(1, 5, source="nobody")])
        assert msgspec.json.decode(answer.content, type=shapes.BatchAnswer, strict=True).counts.booked == 2

    def test_the_same_batch_again_replays_each(self, federation: Federation, callers: Callers) -> None:
        first = send(callers.backend, items(3))
        again = send(callers.backend, items(3))
        assert (again.status_code, again["Idempotency-Replayed"]) == (200, "true")
        assert "Idempotency-Replayed" not in first
        assert again.json()["counts"]["replayed"] == 3
        assert [item["report"] for item in again.json()["items"]] == [item["report"] for item in first.json()["items"]]
        assert Transaction.objects.count() == 3

    def test_a_report_sent_alone_before_is_replayed(self, federation: Federation, callers: Callers) -> None:
        (one,) = items(1)
        alone = report(callers.backend, one["idempotency_key"], job_id=one["job_id"], execution_id=one["execution_id"])
        answer = send(callers.backend, [one]).json()
        assert answer["items"][0]["outcome"] == "replayed"
        assert answer["items"][0]["report"] == alone.json()

    def test_i10_duplicates_and_a_bad_one_stop_no_other(self, federation: Federation, callers: Callers) -> None:
        batch: list[Any] = [*items(449), *items(50), {**items(1, 900)[0], "metrics": "none"}]
        answer = send(callers.backend, batch)
        body = answer.json()
        assert answer.status_code == 207
        assert body["counts"] == {"booked": 449, "replayed": 50, "quarantined": 0, "refused": 0, "invalid": 1}
        assert [item["index"] for item in body["items"]] == list(range(500))
        assert body["items"][499]["problem"]["field"] == "metrics"
        assert [item["report"] for item in body["items"][449:499]] == [item["report"] for item in body["items"][:50]]
        assert Transaction.objects.count() == 449
        books.prove()

    def test_each_kind_of_failure_has_its_outcome(self, federation: Federation, callers: Callers) -> None:
        send(callers.backend, items(1))
        batch = [
            {**items(1, 0)[0], "user": "bob@egi.eu"},
            {**items(1, 0)[0], "idempotency_key": "another"},
            items(1, 2, source="nobody")[0],
            None,
            {**items(1, 4)[0], "price": 1},
            items(1, 5)[0],
        ]
        answer = send(callers.backend, batch).json()["items"]
        assert [(item["outcome"], item["status"]) for item in answer] == [
            ("refused", 422),
            ("refused", 409),
            ("quarantined", 422),
            ("invalid", 400),
            ("invalid", 400),
            ("booked", 201),
        ]
        problems = [item["problem"] for item in answer[:5]]
        assert [(problem["code"], problem.get("field")) for problem in problems] == [
            ("idempotency-key-reused", "user"),
            ("duplicate-execution", "execution_id"),
            ("source_unknown", "source"),
            ("invalid_input", None),
            ("unknown_field", "price"),
        ]
        assert problems[0]["original"]["cost"] == problems[1]["original"]["cost"] == "5.759775"
        assert all(problem["type"].endswith(f"/problems/{problem['code']}") for problem in problems)

    def test_the_bytes_of_each_are_kept(self, federation: Federation, callers: Callers) -> None:
        raw = b'{ "reports" : [ %s ,\n %s ] }' % tuple(json.dumps(one, indent=1).encode() for one in items(2))
        assert callers.backend.post("/usage-reports/batch", raw).status_code == 200
        kept = list(UsageReport.objects.order_by("pk").values_list("raw", flat=True))
        assert kept == [json.dumps(one, indent=1) for one in items(2)]


class TestKeys:
    def test_the_header_numbers_reports_without_one(self, federation: Federation, callers: Callers) -> None:
        batch = [{**one, "idempotency_key": None} for one in items(2)] + items(1, 7)
        assert send(callers.backend, batch, **{"Idempotency-Key": "run-1"}).status_code == 200
        assert list(Transaction.objects.order_by("pk").values_list("key", flat=True)) == ["run-1/0", "run-1/1", "k-7"]

    def test_without_any_a_report_is_invalid(self, federation: Federation, callers: Callers) -> None:
        answer = send(callers.backend, [report_body(), *items(1)]).json()["items"]
        assert answer[0]["problem"]["code"] == "idempotency-key-invalid"
        assert answer[0]["problem"]["field"] == "idempotency_key"
        assert answer[1]["outcome"] == "booked"

    @pytest.mark.parametrize("key", ["", "a b", "k" * 256, "\u00fc"])
    def test_a_malformed_one_is_named(self, federation: Federation, callers: Callers, key: str) -> None:
        answer = send(callers.backend, [{**items(1)[0], "idempotency_key": key}]).json()["items"]
        assert answer[0]["problem"]["field"] == "idempotency_key"
        assert (answer[0]["outcome"], Transaction.objects.count()) == ("invalid", 0)

    def test_a_malformed_header_refuses_the_batch(self, federation: Federation, callers: Callers) -> None:
        problem = check_problem(send(callers.backend, items(1), **{"Idempotency-Key": "a b"}), 400)
        assert problem["field"] == "Idempotency-Key"
        assert Transaction.objects.count() == 0


class TestEnvelope:
    @pytest.mark.parametrize(
        ("document", "field"),
        [
            ([], None),
            ({}, "reports"),
            ({"reports": []}, "reports"),
            ({"reports": {}}, "reports"),
            ({"reports": None}, "reports"),
            ({"reports": "all"}, "reports"),
            ({"reports": items(1), "dry_run": True}, "dry_run"),
            (None, None),
            (7, None),
        ],
    )
    def test_that_is_none_is_refused_and_nothing_written(
        self, federation: Federation, callers: Callers, document: Any, field: str | None
    ) -> None:
        before = books.rows()
        problem = check_problem(callers.backend.post("/usage-reports/batch", document), 400)
        assert problem.get("field") == field
        assert books.rows() == before

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b'{"reports": [',
            b'{"reports": [], "reports": []}',
            json.dumps({"reports": [report_body(job_id="j\x00")]}).encode(),
            json.dumps({"reports": [report_body()]}).replace('"kind"', '"state": "x", "kind"', 1).encode(),
        ],
    )
    def test_that_is_no_strict_json_is_refused_as_a_whole(
        self, federation: Federation, callers: Callers, raw: bytes
    ) -> None:
        before = books.rows()
        check_problem(callers.backend.post("/usage-reports/batch", raw), 400)
        assert books.rows() == before

    def test_of_more_than_a_thousand_is_refused_and_nothing_written(
        self, federation: Federation, callers: Callers
    ) -> None:
        before = books.rows()
        problem = check_problem(send(callers.backend, [items(1)[0]] * 1001), 413)
        assert (problem["code"], problem["field"]) == ("batch-too-large", "reports")
        assert books.rows() == before

    def test_of_a_thousand_is_accepted(self, federation: Federation, callers: Callers) -> None:
        answer = send(callers.backend, items(1000, metrics=[{"metric": "cpu", "quantity": 1, "unit": "cpu-hours"}]))
        assert (answer.status_code, answer.json()["counts"]["booked"]) == (200, 1000)
        assert queries.balance(federation.alice.personal_organisation).posted == -1_500_000_000

    def test_only_post(self, federation: Federation, callers: Callers) -> None:
        for method in ("GET", "PUT", "DELETE"):
            answer = callers.backend.send(method, "/usage-reports/batch")
            assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")


class TestOneTransaction:
    def test_a_batch_takes_two_statements_whatever_its_size(
        self, federation: Federation, callers: Callers, django_assert_num_queries: Any
    ) -> None:
        send(callers.backend, items(1))
        with django_assert_num_queries(2):
            send(callers.backend, items(50, 100))

    def test_a_bad_one_keeps_it_together(
        self, federation: Federation, callers: Callers, django_assert_num_queries: Any
    ) -> None:
        """Read, savepoint of the surrounding test's transaction, book, quarantine, release."""
        send(callers.backend, items(1))
        with django_assert_num_queries(3):
            send(callers.backend, [*items(20, 100), *items(1, 200, source="nobody")])


class TestCloudEvents:
    def test_are_booked_with_source_and_id_as_key(self, federation: Federation, callers: Callers) -> None:
        answer = callers.backend.post("/usage-reports/batch", [event(1), event(2)], **EVENTS)
        assert (answer.status_code, answer.json()["counts"]["booked"]) == (200, 2)
        keys = list(Transaction.objects.order_by("pk").values_list("key", flat=True))
        assert keys == ["/backends/terrascope 1", "/backends/terrascope 2"]
        assert json.loads(UsageReport.objects.earliest("pk").raw) == event(1)

    def test_the_same_event_again_is_replayed(self, federation: Federation, callers: Callers) -> None:
        callers.backend.post("/usage-reports/batch", [event(1)], **EVENTS)
        answer = callers.backend.post("/usage-reports/batch", [event(1, time="2026-05-05T00:00:00Z")], **EVENTS)
        assert answer.json()["counts"]["replayed"] == 1

    def test_may_have_attributes_that_we_do_not_know(self, federation: Federation, callers: Callers) -> None:
        one = event(1, subject="j-1", datacontenttype="application/json", traceparent="00-ab")
        assert callers.backend.post("/usage-reports/batch", [one], **EVENTS).status_code == 200

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"specversion": "0.3"}, "specversion"),
            ({"type": "org.example.other"}, "type"),
            ({"id": ""}, "id"),
            ({"id": 7}, "id"),
            ({"id": "i" * 129}, "id"),
            ({"id": "a\tb"}, "id"),
            ({"source": ""}, "source"),
            ({"source": "/a b"}, "source"),
            ({"source": "s" * 171}, "source"),
            ({"data": None}, "data"),
            ({"data": {}}, "data.source"),
            ({"data": {**report_body(), "cost": 1}}, "data.cost"),
            ({"data": report_body(user="\u200b")}, "data.user"),
        ],
    )
    def test_a_bad_one_is_named(
        self, federation: Federation, callers: Callers, change: dict[str, Any], field: str
    ) -> None:
        answer = callers.backend.post("/usage-reports/batch", [event(1, **change), event(2)], **EVENTS).json()
        assert answer["items"][0]["problem"]["field"] == field
        assert [item["outcome"] for item in answer["items"]] == ["invalid", "booked"]

    @pytest.mark.parametrize("document", [{}, {"reports": items(1)}, [], None])
    def test_come_in_an_array(self, federation: Federation, callers: Callers, document: Any) -> None:
        check_problem(callers.backend.post("/usage-reports/batch", document, **EVENTS), 400)
