"""POST /usage-reports: who may, what it answers, and that each report is charged exactly once (I1 to I8)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg2
import pytest
from django.conf import settings
from django.db import connection

from accounting import booking, queries, registry
from accounting.api.v1 import intake, shapes
from accounting.models import QuarantinedReport, Transaction, UsageReport
from tests.accounting import books
from tests.accounting.api.v1.conftest import Callers, report, report_body
from tests.conftest import ISSUER, Federation


def posted(federation: Federation) -> int:
    return queries.balance(federation.alice.personal_organisation).posted


class TestWho:
    def test_anonymous_may_not(self, federation: Federation, callers: Callers) -> None:
        before = books.rows()
        answer = report(callers.anonymous)
        assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert books.rows() == before

    def test_a_person_may_not(self, federation: Federation, callers: Callers) -> None:
        before = books.rows()
        answer = report(callers.alice)
        assert (answer.status_code, answer.json()["code"]) == (403, "service_token_needed")
        assert books.rows() == before

    def test_a_stranger_back_end_may_not_and_what_it_said_is_kept(
        self, federation: Federation, callers: Callers
    ) -> None:
        answer = report(callers.other_backend)
        assert (answer.status_code, answer.json()["code"]) == (403, "source_not_allowed")
        assert answer.json()["field"] == "source"
        assert posted(federation) == 0
        kept = QuarantinedReport.objects.get()
        assert (kept.code, kept.status, kept.client_id) == (
            "source_not_allowed",
            "open",
            federation.other_client.client,
        )

    def test_a_client_that_was_switched_off_is_a_person_like_any_other(
        self, federation: Federation, callers: Callers
    ) -> None:
        registry.register_client(ISSUER, "job-tracker", "job-tracker", active=False)
        assert report(callers.backend).status_code == 403


class TestAnswer:
    def test_is_the_charge_with_its_reasons(self, federation: Federation, callers: Callers) -> None:
        answer = report(callers.backend)
        assert answer.status_code == 201
        assert answer["Location"] == answer.json()["job"] == "/api/v1/jobs/TerraScope/MEP/j-1"
        assert "Idempotency-Replayed" not in answer
        body = answer.json()
        assert body["cost"] == "5.759775"
        assert [(line["amount"], line["quantity"], line["formula"]) for line in body["lines"]] == [
            ("2.124583", "1.416388888889", "q * 1.5"),
            ("3.635192", "3.635192328559", "q * 1"),
        ]
        assert posted(federation) == -5_759_775

    def test_fits_its_description(self, federation: Federation, callers: Callers) -> None:
        answer = report(callers.backend)
        assert msgspec.json.decode(answer.content, type=shapes.BookedReport, strict=True).cost == "5.759775"

    def test_says_what_is_left_of_the_rate_limit(self, federation: Federation, callers: Callers) -> None:
        answer = report(callers.backend)
        assert answer["RateLimit-Policy"] == f'"default";q={settings.THROTTLE_PER_MINUTE};w=60'
        assert answer["RateLimit"].startswith('"default";r=')

    def test_everything_that_was_said_is_kept(self, federation: Federation, callers: Callers) -> None:
        body = report_body(
            started_at="2026-01-02T03:04:05+01:00",
            finished_at="2026-01-02T04:04:05.250Z",
            state="error",
            kind="sync",
            metrics=[
                {"metric": "cpu", "quantity": 1.50, "unit": "cpu-hours", "process": "ndvi", "collection": "S2"},
            ],
        )
        key = {"Idempotency-Key": "everything"}
        assert callers.backend.post("/usage-reports", body, **key).status_code == 201
        kept = UsageReport.objects.select_related("job", "transaction").get()
        assert (kept.state, kept.kind, kept.execution_id, kept.endpoint) == (
            "FAILED",
            "sync",
            "application_1",
            "usage-reports",
        )
        assert (kept.transaction.key, kept.job.title) == ("everything", "NDVI of Flanders")
        assert kept.started_at == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
        assert kept.finished_at == datetime(2026, 1, 2, 4, 4, 5, 250_000, tzinfo=UTC)
        line = kept.lines.get()
        assert (line.reported, line.process, line.collection) == ("1.5", "ndvi", "S2")
        assert kept.raw == json.dumps(body)

    @pytest.mark.parametrize("state", list(intake.STATES))
    def test_every_openeo_status_is_understood(self, federation: Federation, callers: Callers, state: str) -> None:
        assert report(callers.backend, state=state).status_code == 201
        assert UsageReport.objects.get().state == intake.STATES[state]

    @pytest.mark.parametrize(
        "instant", ["2026-01-02T23:59:00+23:59", "2026-01-01T00:00:00Z", "2025-12-31T04:00:00-20:00"]
    )
    def test_any_offset_is_understood(self, federation: Federation, callers: Callers, instant: str) -> None:
        assert report(callers.backend, finished_at=instant).status_code == 201
        finished = UsageReport.objects.get().finished_at
        assert finished is not None
        assert finished in (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))

    def test_a_whole_number_may_have_a_fraction_of_nothing(self, federation: Federation, callers: Callers) -> None:
        answer = report(callers.backend, organisation=float(federation.lab))
        assert (answer.status_code, answer.json()["organisation"]) == (201, federation.lab)

    def test_without_metrics_costs_nothing(self, federation: Federation, callers: Callers) -> None:
        answer = report(callers.backend, metrics=[])
        assert (answer.status_code, answer.json()["cost"], answer.json()["lines"]) == (201, "0", [])

    def test_an_organisation_that_does_not_know_the_user_does_not_pay(
        self, federation: Federation, callers: Callers
    ) -> None:
        answer = report(callers.backend, user="charlie@egi.eu", organisation=federation.lab).json()
        assert answer["organisation"] == federation.charlie.personal_organisation
        assert (answer["requested_organisation"], answer["organisation_refused"]) == (federation.lab, True)
        assert queries.balance(federation.lab).posted == 0

    def test_an_unknown_user_gets_an_account(self, federation: Federation, callers: Callers) -> None:
        answer = report(callers.backend, user="dora@egi.eu")
        assert answer.status_code == 201
        assert queries.balance(answer.json()["organisation"]).posted == -5_759_775

    @pytest.mark.parametrize("spelling", ["https://other.example.org", "HTTPS://other.example.org/"])
    def test_the_users_issuer_can_be_named(
        self, federation: Federation, callers: Callers, settings: Any, spelling: str
    ) -> None:
        settings.TOKEN_ISSUERS = [
            *settings.TOKEN_ISSUERS,
            {"id": "other", "issuer": "https://Other.example.org/", "jwks_uri": "https://other.example.org/certs"},
        ]
        first = report(callers.backend).json()
        other = report(callers.backend, user_issuer=spelling, execution_id="e-2").json()
        assert first["organisation"] != other["organisation"]


class TestExactlyOnce:
    def test_i1_the_same_report_five_times(self, federation: Federation, callers: Callers) -> None:
        answers = [report(callers.backend, "k") for _ in range(5)]
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len({answer["Location"] for answer in answers}) == 1
        assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, *["true"] * 4]
        assert Transaction.objects.count() == 1
        assert posted(federation) == -5_759_775

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"user": "bob@egi.eu"}, "user"),
            ({"user_issuer": "https://elsewhere.example.org"}, "user_issuer"),
            ({"organisation": 1}, "organisation"),
            ({"job_id": "j-2"}, "job_id"),
            ({"execution_id": "application_2"}, "execution_id"),
            ({"execution_id": None}, "execution_id"),
            ({"metrics": []}, "metrics"),
            ({"metrics": [{"metric": "cpu", "quantity": 5100, "unit": "cpu-seconds"}]}, "metrics"),
            ({"metrics": [{"metric": "cpu", "quantity": 5099, "unit": "cpu-hours"}]}, "metrics"),
            ({"metrics": [{"metric": "time", "quantity": 5099, "unit": "seconds"}]}, "metrics"),
        ],
    )
    def test_i3_the_same_key_for_other_money_is_refused(
        self, federation: Federation, callers: Callers, change: dict[str, Any], field: str
    ) -> None:
        first = report(callers.backend, "k").json()
        before = books.rows()
        answer = report(callers.backend, "k", **change)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
        assert answer.json()["field"] == field
        assert answer.json()["original"] == {"id": first["id"], "cost": first["cost"], "job": first["job"]}
        assert books.rows() == before

    @pytest.mark.parametrize(
        "change",
        [
            {"job_title": "Another title"},
            {"job_title": None},
            {"state": "error"},
            {"started_at": "2026-01-02T03:04:05Z"},
            {"kind": "sync"},
            {
                "metrics": [
                    {"metric": "memory", "quantity": 13400773.0, "unit": "mb-seconds"},
                    {"metric": "cpu", "quantity": "5099.00", "unit": "cpu-seconds"},
                ]
            },
        ],
    )
    def test_i4_what_is_no_money_does_not_matter(
        self, federation: Federation, callers: Callers, change: dict[str, Any]
    ) -> None:
        first = report(callers.backend, "k")
        again = report(callers.backend, "k", **change)
        assert (again.status_code, again.content) == (201, first.content)
        assert again["Idempotency-Replayed"] == "true"

    def test_i4_neither_do_spaces_and_the_order_of_keys(self, federation: Federation, callers: Callers) -> None:
        first = report(callers.backend, "k")
        raw = json.dumps(dict(reversed(report_body().items())), indent=3).encode()
        assert callers.backend.post("/usage-reports", raw, **{"Idempotency-Key": "k"}).content == first.content

    def test_i5_two_back_ends_may_use_the_same_key(self, federation: Federation, callers: Callers) -> None:
        assert report(callers.backend, "1").status_code == 201
        other = report(callers.other_backend, "1", source="cdse")
        assert (other.status_code, other.headers.get("Idempotency-Replayed")) == (201, None)
        assert Transaction.objects.count() == 2

    def test_i6_the_same_execution_under_another_key_is_refused(self, federation: Federation, callers: Callers) -> None:
        first = report(callers.backend, "k-1").json()
        before = books.rows()
        answer = report(callers.backend, "k-2")
        assert (answer.status_code, answer.json()["code"]) == (409, "duplicate-execution")
        assert answer.json()["field"] == "execution_id"
        assert answer.json()["original"] == {"id": first["id"], "cost": first["cost"], "job": first["job"]}
        assert books.rows() == before

    def test_i8_a_first_attempt_that_was_refused_does_not_use_up_its_key(
        self, federation: Federation, callers: Callers
    ) -> None:
        wrong = [{"metric": "cpu", "quantity": 5099, "unit": "parsecs"}]
        assert report(callers.backend, "k", metrics=wrong).status_code == 422
        assert report(callers.backend, "k", metrics="none").status_code == 400
        answer = report(callers.backend, "k")
        assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (201, None)
        assert posted(federation) == -5_759_775


class TestStillRunning:
    """Another session stands for the first request, which holds the key's mark and the payer's wallet."""

    @pytest.fixture
    def other_session(self, committed_federation: Federation) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        dsn = connection.get_connection_params()
        dsn = {name: dsn[name] for name in ("dbname", "user", "password", "host", "port")}
        with psycopg2.connect(**dsn) as session, session.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM accounting_account WHERE organisation_id = %s FOR UPDATE",
                [committed_federation.alice.personal_organisation],
            )
            yield cursor
            session.rollback()
        session.close()

    def test_the_twin_is_asked_to_come_back(
        self, committed_federation: Federation, callers: Callers, other_session: Any
    ) -> None:
        sent = intake.to_report(intake.convert(report_body(), shapes.UsageReport), "k", "")
        mark = booking._mark(committed_federation.client, sent)
        other_session.execute("SELECT pg_advisory_xact_lock_shared(%s)", [mark])
        answer = report(callers.backend, "k")
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-in-progress")
        assert answer["Retry-After"] == "1"

    def test_another_report_of_a_busy_payer_is_asked_to_come_back_as_unavailable(
        self, committed_federation: Federation, callers: Callers, other_session: Any
    ) -> None:
        answer = report(callers.backend, "k")
        assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
        assert int(answer["Retry-After"]) >= 1
        other_session.connection.rollback()
        assert report(callers.backend, "k").status_code == 201


class TestMethods:
    def test_only_post(self, federation: Federation, callers: Callers) -> None:
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
            answer = callers.backend.send(method, "/usage-reports")
            assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")

    def test_options_says_so_too(self, federation: Federation, callers: Callers) -> None:
        answer = callers.backend.send("OPTIONS", "/usage-reports")
        assert (answer.status_code, answer["Allow"]) == (200, "POST, OPTIONS")


class TestStatements:
    @pytest.fixture(autouse=True)
    def warm(self, federation: Federation, callers: Callers) -> None:
        report(callers.backend, "warm", execution_id="e-0")

    def test_a_report_takes_two(self, callers: Callers, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(2):
            assert report(callers.backend, "k").status_code == 201

    def test_a_repetition_takes_one(self, callers: Callers, django_assert_num_queries: Any) -> None:
        report(callers.backend, "k")
        with django_assert_num_queries(1):
            assert report(callers.backend, "k").status_code == 201

    def test_a_malformed_one_takes_none(self, callers: Callers, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert report(callers.backend, "k", metrics=None).status_code == 400
