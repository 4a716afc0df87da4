"""GET /jobs and /jobs/{source}/{job id}: whoever paid, and whoever reported, sees what it cost and why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accounting import members, organisations, registry, usage
from accounting.api.v1 import documents
from tests.accounting.api.v1.conftest import Callers, report
from tests.accounting.api.v1.test_entries import pages, unnamed
from tests.accounting.api.v1.test_usage_report_bad_input import check_problem
from tests.conftest import ISSUER, Federation


@pytest.fixture
def life(federation: Federation, callers: Callers) -> Federation:
    """One job of Alice's own, one of the lab, one of Charlie's at the other back end."""
    report(callers.backend, "k-1", job_id="j-1", execution_id="e-1", state="error")
    report(callers.backend, "k-2", job_id="j-2", execution_id="e-2", organisation=federation.lab, kind="sync")
    report(callers.other_backend, "k-3", job_id="j-3", execution_id="e-3", source="cdse", user="charlie@egi.eu")
    return federation


def ids(answer: Any) -> list[str]:
    return [job["job_id"] for job in answer.json()["items"]]


class TestWhoSeesTheList:
    def test_anonymous_may_not(self, life: Federation, callers: Callers) -> None:
        check_problem(callers.anonymous.get("/jobs"), 401)

    def test_a_person_sees_what_their_organisations_paid(self, life: Federation, callers: Callers) -> None:
        assert ids(callers.alice.get("/jobs")) == ["j-2", "j-1"]
        assert ids(callers.bob.get("/jobs")) == ["j-2"]
        assert ids(callers.charlie.get("/jobs")) == ["j-3"]

    def test_a_newcomer_sees_none(self, life: Federation, callers: Callers) -> None:
        assert ids(callers.person("dora").get("/jobs")) == []

    def test_a_back_end_sees_those_of_its_sources(self, life: Federation, callers: Callers) -> None:
        assert ids(callers.backend.get("/jobs")) == ["j-2", "j-1"]
        assert ids(callers.other_backend.get("/jobs")) == ["j-3"]

    def test_a_back_end_that_lost_its_source_sees_none(self, life: Federation, callers: Callers) -> None:
        registry.register_client(ISSUER, "job-tracker", "job-tracker", [])
        assert ids(callers.backend.get("/jobs")) == []

    def test_a_strangers_organisation_is_absent(self, life: Federation, callers: Callers) -> None:
        check_problem(callers.charlie.get("/jobs", {"organisation": life.lab}), 404)


class TestWhoSeesOne:
    def test_anonymous_may_not(self, life: Federation, callers: Callers) -> None:
        check_problem(callers.anonymous.get("/jobs/TerraScope/MEP/j-1"), 401)

    @pytest.mark.parametrize("name", ["bob", "charlie", "dora"])
    def test_a_strangers_job_is_as_absent_as_none(self, life: Federation, callers: Callers, name: str) -> None:
        caller = callers.person(name)
        hidden = check_problem(caller.get("/jobs/TerraScope/MEP/j-1"), 404)
        absent = check_problem(caller.get("/jobs/TerraScope/MEP/j-99"), 404)
        del hidden["instance"], absent["instance"]
        assert hidden == absent

    def test_a_back_end_does_not_see_another_ones(self, life: Federation, callers: Callers) -> None:
        check_problem(callers.other_backend.get("/jobs/TerraScope/MEP/j-1"), 404)
        assert callers.other_backend.get("/jobs/cdse/j-3").status_code == 200

    def test_a_former_member_no_longer_sees_it(self, life: Federation, callers: Callers) -> None:
        members.change_role(life.lab, life.alice.pk, "owner")
        assert callers.bob.get("/jobs/TerraScope/MEP/j-2").status_code == 200
        members.remove(life.lab, life.bob.pk)
        check_problem(callers.bob.get("/jobs/TerraScope/MEP/j-2"), 404)


class TestList:
    def test_says_what_a_job_was_and_cost(self, life: Federation, callers: Callers) -> None:
        job = callers.alice.get("/jobs", {"job_id": "j-1"}).json()["items"][0]
        assert job.pop("reported_at")
        assert job == {
            "source": "TerraScope/MEP",
            "backend": "terrascope",
            "job_id": "j-1",
            "user": "alice@egi.eu",
            "organisation": life.alice.personal_organisation,
            "title": "NDVI of Flanders",
            "kind": "batch",
            "state": "error",
            "started_at": None,
            "finished_at": None,
            "cost": "5.759775",
            "costs": {"compute": "5.759775", "added_value": "0"},
            "currency": "credits",
            "href": "/api/v1/jobs/TerraScope/MEP/j-1",
        }

    def test_fits_its_description(self, life: Federation, callers: Callers) -> None:
        answer = callers.alice.get("/jobs")
        assert len(msgspec.json.decode(answer.content, type=documents.JobPage, strict=True).items) == 2

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"source": "TerraScope/MEP"}, ["j-2", "j-1"]),
            ({"source": "cdse"}, []),
            ({"job_id": "j-1"}, ["j-1"]),
            ({"state": "error"}, ["j-1"]),
            ({"state": "finished"}, ["j-2"]),
            ({"state": "queued"}, []),
            ({"kind": "sync"}, ["j-2"]),
            ({"from": "2020-01-01T00:00:00Z"}, ["j-2", "j-1"]),
            ({"to": "2020-01-01T00:00:00Z"}, []),
        ],
    )
    def test_is_narrowed(self, life: Federation, callers: Callers, query: dict[str, str], found: list[str]) -> None:
        assert ids(callers.alice.get("/jobs", query)) == found

    def test_is_narrowed_to_an_organisation(self, life: Federation, callers: Callers) -> None:
        assert ids(callers.alice.get("/jobs", {"organisation": life.lab})) == ["j-2"]
        assert ids(callers.backend.get("/jobs", {"organisation": life.lab})) == ["j-2"]

    def test_refuses_what_it_does_not_know(self, life: Federation, callers: Callers) -> None:
        values = {
            "state": ("FINISHED", "done", "\x00"),
            "kind": ("Batch",),
            "from": ("2026-01-01",),
            "to": ("now",),
            "organisation": ("lab",),
            "source": ("s\x00",),
            "job_id": ("j" * 301,),
            "cursor": ("x", "cD14", "cD0yMDI2", "\x00"),
            "limit": ("all",),
            "status": ("finished",),
            "user": ("alice@egi.eu",),
        }
        for caller in (callers.alice, callers.backend):
            assert unnamed(caller, "/jobs", values) == []

    @pytest.mark.parametrize("limit", [1, 7, 12])
    def test_pages_of_jobs_reported_at_one_instant_are_the_whole(
        self, federation: Federation, callers: Callers, limit: int
    ) -> None:
        reports = [
            federation.report(f"k-{n}", job_id=f"j-{n}", execution_id=f"e-{n}", endpoint="usage-reports")
            for n in range(12)
        ]
        usage.ingest(federation.client, reports, on_reuse="refuse")
        for caller in (callers.alice, callers.backend):
            found = [job["job_id"] for job in pages(caller, "/jobs", limit=limit)]
            assert sorted(found) == sorted(f"j-{n}" for n in range(12))

    @pytest.mark.parametrize("more", [0, 30])
    def test_statements_do_not_depend_on_how_many_there_are(
        self, life: Federation, callers: Callers, django_assert_num_queries: Any, more: int
    ) -> None:
        for number in range(more):
            report(callers.backend, f"m-{number}", job_id=f"m-{number}", execution_id=f"m-{number}")
        callers.alice.get("/jobs")
        with django_assert_num_queries(3):  # the person, the memberships, the jobs
            assert len(ids(callers.alice.get("/jobs"))) == 2 + more


class TestOne:
    def test_has_its_executions_costs_and_receipts(self, life: Federation, callers: Callers) -> None:
        report(callers.backend, "k-9", job_id="j-1", execution_id="e-9", state="finished")
        answer = callers.alice.get("/jobs/TerraScope/MEP/j-1")
        body = answer.json()
        assert (body["cost"], body["costs"]["compute"], body["state"]) == ("11.51955", "11.51955", "finished")
        assert [(run["execution_id"], run["state"], run["cost"]) for run in body["executions"]] == [
            ("e-1", "error", "5.759775"),
            ("e-9", "finished", "5.759775"),
        ]
        assert [(receipt["execution_id"], receipt["cost"]) for receipt in body["receipts"]] == [
            ("e-1", "5.759775"),
            ("e-9", "5.759775"),
        ]
        assert body["receipts"][0]["state"] == "error"
        assert body["receipts"][0]["facts"]["state"] == "FAILED"
        assert body["other_payers"] == []
        assert answer["Cache-Control"] == "no-store"

    def test_fits_its_description(self, life: Federation, callers: Callers) -> None:
        answer = callers.alice.get("/jobs/TerraScope/MEP/j-1")
        assert msgspec.json.decode(answer.content, type=documents.JobDetail, strict=True).receipts[0].lines

    def test_shows_each_of_its_payers_to_those_who_may_see_them(self, life: Federation, callers: Callers) -> None:
        organisations.switch_organisation(life.alice.pk, life.lab)
        report(callers.backend, "k-9", job_id="j-1", execution_id="e-9")
        body = callers.alice.get("/jobs/TerraScope/MEP/j-1").json()
        assert (body["organisation"], body["cost"]) == (life.lab, "5.759775")
        (other,) = body["other_payers"]
        assert (other["organisation"], other["cost"]) == (life.alice.personal_organisation, "5.759775")
        assert callers.bob.get("/jobs/TerraScope/MEP/j-1").json()["other_payers"] == []
        assert len(callers.backend.get("/jobs/TerraScope/MEP/j-1").json()["other_payers"]) == 1

    @pytest.mark.parametrize(
        ("source", "job_id"),
        [
            ("cdse", "j-1"),
            ("TerraScope/MEP", "a/b/c"),
            ("TerraScope/MEP", "abc@egi.eu_2024-08-20T10:00:00+00:00"),
            ("TerraScope/MEP", "j 1?x=y#z%2F"),
            ("a/b/c", "d"),
        ],
    )
    def test_is_found_at_the_address_that_was_answered(
        self, federation: Federation, callers: Callers, source: str, job_id: str
    ) -> None:
        registry.register_source(source, federation.backend, ISSUER)
        registry.register_client(ISSUER, "job-tracker", "job-tracker", [source])
        answer = report(callers.backend, source=source, job_id=job_id, metrics=[])
        found = callers.alice.send("GET", answer["Location"])
        assert (found.status_code, found.json()["source"], found.json()["job_id"]) == (200, source, job_id)
        assert callers.alice.send("GET", found.json()["href"]).json()["job_id"] == job_id

    def test_is_found_with_the_slashes_of_its_source_encoded(self, life: Federation, callers: Callers) -> None:
        assert callers.alice.send("GET", "/jobs/TerraScope%2FMEP/j-1").json()["job_id"] == "j-1"

    def test_at_any_other_address_there_is_none(self, life: Federation, callers: Callers) -> None:
        for path in (
            "/jobs/x",
            "/jobs/x/",
            "/jobs//",
            "/jobs//j-1",
            "/jobs//TerraScope/MEP/j-1",
            "/jobs/TerraScope/MEP/",
            "/jobs/TerraScope/MEP/j-1/",
            "/jobs/TerraScope/MEP/j-1/receipt",
            "/jobs/TerraScope/MEP/%00",
            "/jobs/%00/j-1",
            "/jobs/TerraScope/MEP/%FF%FE",
            "/jobs/" + "a/" * 500 + "b",
            "/jobs/s/" + "j" * 3000,
        ):
            for caller in (callers.alice, callers.backend):
                check_problem(caller.send("GET", path), 404)

    def test_has_no_parameters(self, life: Federation, callers: Callers) -> None:
        answer = callers.alice.get("/jobs/TerraScope/MEP/j-1", {"expand": "all"})
        assert check_problem(answer, 400)["field"] == "expand"

    def test_only_reading(self, life: Federation, callers: Callers) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = callers.alice.send(method, "/jobs/TerraScope/MEP/j-1")
            assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")

    @pytest.mark.parametrize("more", [0, 10])
    def test_statements_do_not_depend_on_how_many_reports_it_has(
        self, life: Federation, callers: Callers, django_assert_num_queries: Any, more: int
    ) -> None:
        for number in range(more):
            report(callers.backend, f"m-{number}", job_id="j-1", execution_id=f"m-{number}")
        callers.alice.get("/jobs")
        with django_assert_num_queries(8):
            assert len(callers.alice.get("/jobs/TerraScope/MEP/j-1").json()["receipts"]) == 1 + more
