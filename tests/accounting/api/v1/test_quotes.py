"""POST /quotes: what a job would cost, for whoever may ask; nothing is written (Q1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from accounting import tariffs
from accounting.api.v1 import documents
from accounting.models import Person
from accounting.tariffs import RuleSpec
from tests.accounting import books
from tests.accounting.api.v1 import bad
from tests.accounting.api.v1.conftest import Caller, Callers, report, report_body
from tests.accounting.api.v1.test_usage_report_bad_input import check_problem
from tests.conftest import SOURCE, Federation

NOT_OF_A_QUOTE = ("job_id", "job_title", "execution_id", "started_at", "finished_at")


def body(**changes: Any) -> dict[str, Any]:
    """A quote for Alice's golden job. None leaves a field out."""
    return {name: value for name, value in report_body(**changes).items() if name not in NOT_OF_A_QUOTE}


def ask(caller: Caller, **changes: Any) -> Any:
    return caller.post("/quotes", body(**changes))


class TestWho:
    def test_anonymous_may_not(self, federation: Federation, callers: Callers) -> None:
        check_problem(ask(callers.anonymous), 401)

    def test_a_back_end_may_not_ask_about_a_source_of_others(self, federation: Federation, callers: Callers) -> None:
        problem = check_problem(ask(callers.other_backend), 403)
        assert (problem["code"], problem["field"]) == ("source_not_allowed", "source")
        assert "kept" not in problem

    @pytest.mark.parametrize("name", ["user", "user_issuer"])
    def test_a_person_may_not_ask_for_others(self, federation: Federation, callers: Callers, name: str) -> None:
        problem = check_problem(ask(callers.bob, **{"user": None, name: "alice@egi.eu"}), 403)
        assert (problem["code"], problem["field"]) == ("service_token_needed", name)

    def test_a_strangers_organisation_prices_nothing(self, federation: Federation, callers: Callers) -> None:
        """In the same words as one that does not exist."""
        for organisation in (federation.lab, 10**6):
            quote = ask(callers.charlie, user=None, organisation=organisation).json()
            assert (quote["organisation"], quote["organisation_refused"]) == (
                federation.charlie.personal_organisation,
                True,
            )

    def test_a_person_asks_for_themself_about_any_source(self, federation: Federation, callers: Callers) -> None:
        for source in (SOURCE, "cdse"):
            quote = ask(callers.alice, user=None, source=source, organisation=federation.lab).json()
            assert (quote["user"], quote["organisation"]) == ("alice@egi.eu", federation.lab)

    def test_a_back_end_asks_for_anybody(self, federation: Federation, callers: Callers) -> None:
        for user, organisation in (
            ("alice@egi.eu", federation.alice.personal_organisation),
            ("dora@egi.eu", None),
            (None, None),
        ):
            quote = ask(callers.backend, user=user).json()
            assert (quote["user"], quote["organisation"], quote["cost"]) == (user, organisation, "5.759775")

    def test_a_newcomer_asks_and_is_not_made(self, federation: Federation, callers: Callers) -> None:
        before = books.rows()
        assert ask(callers.person("dora"), user=None).json()["cost"] == "5.759775"
        assert books.rows() == before
        assert not Person.objects.filter(sub="dora@egi.eu").exists()


class TestAnswer:
    def test_it_fits_its_description_and_is_marked(self, federation: Federation, callers: Callers) -> None:
        answer = ask(callers.backend)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        quote = msgspec.json.decode(answer.content, type=documents.Quote)
        assert (quote.quote, quote.state, quote.currency) == (True, "finished", "credits")
        assert (quote.valid_until, quote.tariff and quote.tariff.name) == (None, "CDSE-like rates")

    def test_its_lines_are_those_of_the_receipt(self, federation: Federation, callers: Callers) -> None:
        quote = ask(callers.backend).json()
        report(callers.backend)
        receipt = callers.alice.get(f"/jobs/{SOURCE}/j-1").json()["receipts"][0]
        assert quote["cost"] == receipt["cost"]
        assert (quote["tariff"], quote["facts"]) == (receipt["tariff"], receipt["facts"])
        for said, booked in zip(quote["lines"], receipt["lines"], strict=True):
            assert said == {name: booked[name] for name in said}
        assert [line["formula"] for line in quote["lines"]] == ["q * 1.5", "q * 1"]

    def test_what_is_left_out_is_a_finished_batch_job_now(self, federation: Federation, callers: Callers) -> None:
        quote = ask(callers.backend, state=None, kind=None).json()
        assert (quote["state"], quote["kind"], quote["rated_at"]) == ("finished", "batch", quote["quoted_at"])

    def test_a_published_change_ends_it(self, federation: Federation, callers: Callers) -> None:
        change = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)
        tariffs.publish(SOURCE, "Dearer", [RuleSpec("CPU", "cpu", "cpu-hour", Decimal(3))], starts_at=change)
        text = change.isoformat().replace("+00:00", "Z")
        now, then = ask(callers.backend).json(), ask(callers.backend, at=text).json()
        assert (now["valid_until"], now["cost"]) == (text, "5.759775")
        assert (then["valid_until"], then["cost"], then["rated_at"]) == (None, "4.249167", text)

    def test_the_cost_is_that_of_the_report_that_follows(self, federation: Federation, callers: Callers) -> None:
        metrics = [
            {"metric": "processing", "quantity": "17.3", "unit": "shpu", "process": "ndvi", "collection": "S2"},
            {"metric": "cpu", "quantity": 0.1, "unit": "cpu-hours"},
        ]
        quote = ask(callers.backend, metrics=metrics, state="error", kind="sync").json()
        assert quote["cost"] == report(callers.backend, metrics=metrics, state="error", kind="sync").json()["cost"]


class TestBadInput:
    def test_every_field_that_reports_refuse_is_refused_with_its_name(
        self, federation: Federation, callers: Callers
    ) -> None:
        before, wrong, tried = books.rows(), {}, 0
        for name, sent, field in _bad_fields():
            tried += 1
            answer = callers.backend.post("/quotes", sent)
            if answer.status_code != 400 or check_problem(answer, 400).get("field") != field:
                wrong[name] = answer.content
        assert wrong == {}
        assert tried > 120
        assert books.rows() == before

    def test_a_document_that_is_none(self, federation: Federation, callers: Callers) -> None:
        for name, raw in bad.documents():
            answer = callers.backend.post("/quotes", raw)
            assert answer.status_code in (400, 413), name
            check_problem(answer, 400, 413)

    @pytest.mark.parametrize(
        ("changes", "status", "code", "field"),
        [
            ({"source": "nowhere"}, 422, "source_unknown", "source"),
            ({"user_issuer": "https://elsewhere.example.org"}, 422, "issuer_unknown", "user_issuer"),
            ({"at": "2014-01-01T00:00:00Z"}, 422, "times_impossible", "at"),
            ({"at": "2015-01-01T00:00:00Z"}, 422, "tariff_missing", "source"),
            ({"metrics": [{"metric": "cpu", "quantity": 1, "unit": "parsec"}]}, 422, "unit_unknown", "metrics.0.unit"),
            (
                {"metrics": [{"metric": "cpu", "quantity": "1" * 18, "unit": "cpu-hours"}]},
                422,
                "quantity_impossible",
                "metrics.0.quantity",
            ),
        ],
    )
    def test_what_a_report_would_be_kept_for_is_refused_and_not_kept(
        self, federation: Federation, callers: Callers, changes: dict[str, Any], status: int, code: str, field: str
    ) -> None:
        before = books.rows()
        problem = check_problem(ask(callers.backend, **changes), status)
        assert (problem["code"], problem["field"]) == (code, field)
        assert "kept" not in problem
        assert books.rows() == before

    def test_unknown_parameters_and_other_methods(self, federation: Federation, callers: Callers) -> None:
        check_problem(callers.backend.post("/quotes?dry_run=true", body()), 400)
        check_problem(callers.backend.get("/quotes"), 405)


def _bad_fields() -> Iterator[tuple[str, dict[str, Any], str]]:
    for name, sent, field in bad.fields():
        if field in ("job_id", "job_title", "execution_id", "started_at") or " missing" in name or field == "user":
            continue
        at = {"at": sent["finished_at"]} if "finished_at" in sent else {}
        kept = {key: value for key, value in sent.items() if key not in NOT_OF_A_QUOTE}
        yield name, kept | at, "at" if field == "finished_at" else field
    for what, value in bad._NO_IDENTIFIER.items():
        if value is not None:  # somebody new
            yield f"user {what}", body(user=value), "user"
    for name in ("source", "metrics"):
        yield f"{name} missing", {key: value for key, value in body().items() if key != name}, name
    for name in NOT_OF_A_QUOTE:
        yield f"unknown {name}", {**body(), name: "x"}, name
