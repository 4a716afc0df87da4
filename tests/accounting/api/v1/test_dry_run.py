"""?dry_run=true on usage reports: the answer of a booking, marked; nothing written, nothing kept, no key used (Q1)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accounting.api.v1 import shapes
from tests.accounting import books
from tests.accounting.api.v1.conftest import Caller, Callers, fresh_key, report, report_body
from tests.accounting.api.v1.test_usage_report_bad_input import check_problem
from tests.accounting.api.v1.test_usage_report_batch import event, items
from tests.conftest import Federation

UNKNOWN_UNIT = [{"metric": "cpu", "quantity": 1, "unit": "parsec"}]


def dry(caller: Caller, path: str = "/usage-reports", body: Any = None, **headers: str) -> Any:
    return caller.post(f"{path}?dry_run=true", report_body() if body is None else body, **headers)


class TestWho:
    def test_only_the_back_ends_of_the_source(self, federation: Federation, callers: Callers) -> None:
        before = books.rows()
        check_problem(dry(callers.anonymous), 401)
        assert check_problem(dry(callers.alice), 403)["code"] == "service_token_needed"
        assert check_problem(dry(callers.other_backend), 403)["code"] == "source_not_allowed"
        check_problem(dry(callers.anonymous, "/usage-reports/batch", {"reports": items(1)}), 401)
        assert books.rows() == before


class TestOne:
    def test_answers_as_the_booking_will(self, federation: Federation, callers: Callers) -> None:
        before = books.rows()
        answer = dry(callers.backend)
        assert (answer.status_code, answer.get("Location")) == (200, None)
        assert books.rows() == before
        said = msgspec.json.decode(answer.content, type=shapes.DryRunReport)
        assert (said.dry_run, said.id, said.booked_at) == (True, None, None)
        booked = report(callers.backend).json()
        assert booked | {"id": None, "booked_at": None, "dry_run": True} == answer.json()

    def test_a_newcomer_has_no_organisation_yet(self, federation: Federation, callers: Callers) -> None:
        answer = dry(callers.backend, body=report_body(user="dora@egi.eu", organisation=federation.lab)).json()
        assert (answer["organisation"], answer["organisation_refused"]) == (None, True)

    def test_a_key_may_come_and_stays_free(self, federation: Federation, callers: Callers) -> None:
        key = fresh_key()
        assert dry(callers.backend, **{"Idempotency-Key": key}).status_code == 200
        assert report(callers.backend, key).status_code == 201
        again = dry(callers.backend, **{"Idempotency-Key": key})
        assert (again.status_code, again["Idempotency-Replayed"]) == (200, "true")
        assert again.json()["dry_run"] is True
        assert again.json()["id"] is not None
        other = dry(callers.backend, body=report_body(job_id="j-2"), **{"Idempotency-Key": key})
        assert check_problem(other, 422)["code"] == "idempotency-key-reused"
        check_problem(dry(callers.backend, **{"Idempotency-Key": "two words"}), 400)

    def test_an_execution_that_was_charged_is_refused_alike(self, federation: Federation, callers: Callers) -> None:
        first = report(callers.backend).json()
        problem = check_problem(dry(callers.backend), 409)
        assert (problem["code"], problem["original"]["id"]) == ("duplicate-execution", first["id"])

    def test_what_would_be_kept_gets_the_same_problem_and_is_not_kept(
        self, federation: Federation, callers: Callers
    ) -> None:
        before = books.rows()
        said = check_problem(dry(callers.backend, body=report_body(metrics=UNKNOWN_UNIT)), 422)
        assert books.rows() == before
        became = check_problem(report(callers.backend, metrics=UNKNOWN_UNIT), 422)
        assert became.pop("kept") is True
        assert became.pop("detail").startswith(said.pop("detail"))
        assert said | {"instance": ""} == became | {"instance": ""}

    @pytest.mark.parametrize("text", ["1", "True", "yes", "", "true&dry_run=true"])
    def test_it_is_true_or_false(self, federation: Federation, callers: Callers, text: str) -> None:
        before = books.rows()
        problem = check_problem(callers.backend.post(f"/usage-reports?dry_run={text}", report_body()), 400)
        assert problem["field"] == "dry_run"
        assert books.rows() == before

    def test_false_books(self, federation: Federation, callers: Callers) -> None:
        answer = callers.backend.post("/usage-reports?dry_run=false", report_body(), **{"Idempotency-Key": "k"})
        assert answer.status_code == 201
        check_problem(callers.backend.post("/usage-reports?dry_run=false", report_body(job_id="j-9")), 400)


class TestBatch:
    def test_each_is_foretold(self, federation: Federation, callers: Callers) -> None:
        reports = [
            *items(2),
            report_body(idempotency_key="k-0", job_id="j-0", execution_id="e-0"),
            report_body(idempotency_key="bad", metrics=UNKNOWN_UNIT),
            {"nothing": 1},
        ]
        before = books.rows()
        answer = dry(callers.backend, "/usage-reports/batch", {"reports": reports})
        assert books.rows() == before
        said = answer.json()
        became = callers.backend.post("/usage-reports/batch", {"reports": reports}).json()
        assert said["dry_run"] is True
        assert said["counts"] == became["counts"]
        for foretold, real in zip(said["items"], became["items"], strict=True):
            assert (foretold["outcome"], foretold["status"]) == (real["outcome"], real["status"])
            if "report" in real:
                assert foretold["report"]["dry_run"] is True
                assert foretold["report"]["cost"] == real["report"]["cost"]
            else:
                assert foretold["problem"]["code"] == real["problem"]["code"]
                assert "kept" not in foretold["problem"]
        msgspec.json.decode(answer.content, type=shapes.BatchAnswer)

    def test_keys_may_be_left_out_everywhere_or_come(self, federation: Federation, callers: Callers) -> None:
        keyless = [report_body(job_id=f"j-{n}", execution_id=f"e-{n}") for n in range(2)]
        answer = dry(callers.backend, "/usage-reports/batch", {"reports": keyless})
        assert (answer.status_code, answer.json()["counts"]["booked"]) == (200, 2)
        answer = dry(callers.backend, "/usage-reports/batch", {"reports": keyless}, **{"Idempotency-Key": "k"})
        assert answer.json()["counts"]["booked"] == 2

    def test_cloud_events_too(self, federation: Federation, callers: Callers) -> None:
        before = books.rows()
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        answer = dry(callers.backend, "/usage-reports/batch", [event(1), event(2)], **headers)
        assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
        assert books.rows() == before
