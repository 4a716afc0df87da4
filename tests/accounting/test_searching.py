"""Jobs and back ends are found by what people type, only one's own, and never by reading all of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from accounting import searching, usage
from accounting.models import Job, Source
from tests.conftest import SOURCE, Federation

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def book(federation: Federation, *jobs: tuple[str, str], organisation: int | None = None) -> None:
    """One report of Alice's for each (job id, title), in that order."""
    reports = [
        federation.report(key=job_id, execution_id=job_id, job_id=job_id, job_title=title, organisation=organisation)
        for job_id, title in jobs
    ]
    usage.ingest(federation.client, reports, on_reuse="refuse")


def found(federation: Federation, text: str, *organisations: int, limit: int = 8) -> list[str]:
    mine = organisations or (federation.alice.personal_organisation,)
    return [job.job_id for job in searching.jobs(mine, text, limit)]


class TestJobs:
    def test_those_of_other_organisations_are_not_found(self, federation: Federation) -> None:
        book(federation, ("j-2611aaaa", "Flood map"))

        assert found(federation, "j-2611aaaa", federation.bob.personal_organisation, federation.lab) == []
        assert found(federation, "flood", federation.charlie.personal_organisation) == []
        assert list(searching.jobs([], "flood", 8)) == []

    @pytest.mark.parametrize(
        "text", ["j-2611aaaa", "j-2611", " j-2611aaaa ", "flood", "FLOOD 2024", "2024 ahr", "aaaa"]
    )
    def test_by_the_beginning_of_the_id_or_words_in_any_order(self, federation: Federation, text: str) -> None:
        book(federation, ("j-2611aaaa", "Flood map, Ahr valley, 2024"), ("r-17", "Burnt area, Rhodes"))

        assert found(federation, text) == ["j-2611aaaa"]

    @pytest.mark.parametrize(
        "text", ["", " ", "%", "_", "\\", "flood%map", "flood rhodes", "j_2611", "\x00", "a\x00", "'"]
    )
    def test_what_fits_nothing(self, federation: Federation, text: str) -> None:
        book(federation, ("j-2611aaaa", "Flood map"), ("r-17", "Burnt area, Rhodes"))

        assert found(federation, text) == []

    def test_signs_stand_for_themselves(self, federation: Federation) -> None:
        book(federation, ("j-100%", "Cover > 50 % \\ snow_free"), ("j-1000", "Cover"))

        for text in ("j-100%", "50 %", "snow_", "\\"):
            assert found(federation, text) == ["j-100%"]

    def test_the_last_reported_come_first_and_only_so_many(self, federation: Federation) -> None:
        for number in range(5):
            book(federation, (f"j-{number}", "Flood map"))

        assert found(federation, "flood", limit=3) == ["j-4", "j-3", "j-2"]

    def test_an_id_is_found_however_old_a_title_among_the_newest(
        self, federation: Federation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(searching, "WINDOW", 2)
        for number in range(4):
            book(federation, (f"j-{number}", "Flood map"))

        assert found(federation, "flood") == ["j-3", "j-2"]
        assert found(federation, "j-0") == ["j-0"]

    def test_two_queries_whatever_is_found(
        self, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(6):
            book(federation, (f"j-{number}", "Flood map"))
        with django_assert_num_queries(2):
            for job in searching.jobs([federation.alice.personal_organisation], "flood", 8):
                assert job.source.backend.name
                assert job.organisation.name

    def test_the_database_reads_a_range_of_ids_and_the_newest_titles(self, federation: Federation) -> None:
        """Of 20,000 jobs of this organisation and as many of another, no more than the window."""
        source = Source.objects.get(source_id=SOURCE)
        for organisation, person in (
            (federation.alice.personal_organisation, federation.alice.pk),
            (federation.bob.personal_organisation, federation.bob.pk),
        ):
            Job.objects.bulk_create(
                Job(
                    source=source,
                    job_id=f"j-{number:06d}",
                    person_id=person,
                    organisation_id=organisation,
                    title=f"Mosaic {number}",
                    kind="batch",
                    reported_at=NOW + timedelta(seconds=number),
                )
                for number in range(20_000)
            )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE accounting_job")
        plans: list[str] = []

        def explain(execute: object, sql: str, params: object, many: object, context: object) -> object:
            if "WITH ids" in sql:
                with connection.connection.cursor() as raw:
                    raw.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                    plans.append(json.dumps(raw.fetchone()[0]))
            return execute(sql, params, many, context)  # type: ignore[operator]

        with connection.execute_wrapper(explain):
            assert found(federation, "j-000017") == ["j-000017"]
        (plan,) = plans

        assert "job_by_id" in plan
        assert "job_of_organisation" in plan
        assert "Seq Scan" not in plan
        assert most_rows(json.loads(plan)[0]["Plan"]) <= searching.WINDOW


def most_rows(node: dict[str, Any]) -> int:
    """The most rows that any step of the plan gave or threw away."""
    here = int(node["Actual Rows"]) + int(node.get("Rows Removed by Filter", 0))
    return max([here, *(most_rows(inner) for inner in node.get("Plans", []))])


class TestBackEnds:
    @pytest.mark.parametrize("text", ["terra", "TerraScope/MEP", "vito", "mep terra"])
    def test_by_name_slug_provider_or_source(self, federation: Federation, text: str) -> None:
        assert "terrascope" in [one.slug for one in searching.backends(text, 8)]

    @pytest.mark.parametrize("text", ["", " ", "\x00", "terra nothing", "%"])
    def test_what_fits_nothing(self, federation: Federation, text: str) -> None:
        assert list(searching.backends(text, 8)) == []

    def test_one_bounded_query(self, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(1):
            assert len(searching.backends("e", 1)) == 1
