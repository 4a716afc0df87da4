"""Jobs as people look for them: whose they are first of all, then each filter, both orders by an index, a stream."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from accounting import job_lists, limits, raw_reports, usage
from accounting.job_lists import Criteria
from accounting.models import Job, Organisation, Source
from accounting.rating import UsageLine
from tests.accounting.books import GOLDEN, micros
from tests.conftest import Federation

CHEAP = (UsageLine("processing", Decimal(10), "shpu", "10"),)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def jobs(federation: Federation, database_clock: Any) -> Federation:
    """Of the lab: a cheap one of Alice's, a failed one for a project a day later, one of Bob's elsewhere after another
    day; and one of Alice's own.
    """
    lab, bob, home = federation.lab, federation.bob.sub, federation.alice.personal_organisation
    limits.create_project(lab, "alps", "Alps")
    mep, cdse = federation.client, federation.other_client
    for day, client, report in (
        (0, mep, federation.report("k-1", organisation=lab, job_id="j-cheap", job_title="Snow 100%", lines=CHEAP)),
        (1, mep, federation.report("k-2", organisation=lab, job_id="j-failed", state="FAILED", project="alps")),
        (2, cdse, federation.report("k-3", organisation=lab, job_id="J-Bob", source="cdse", user=bob, kind="sync")),
        (2, mep, federation.report("k-4", organisation=home, job_id="j-own")),
    ):
        database_clock(NOON + timedelta(days=day))
        usage.ingest(client, [report], on_reuse="refuse")
    return federation


def names(federation: Federation, **terms: Any) -> set[str]:
    return set(job_lists.matching(federation.lab, Criteria(**terms)).values_list("job_id", flat=True))


def test_without_criteria_all_of_the_organisation_and_nothing_of_others(jobs: Federation) -> None:
    assert names(jobs) == {"j-cheap", "j-failed", "J-Bob"}
    assert set(job_lists.matching(jobs.charlie.personal_organisation, Criteria())) == set()


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        ({"backend": "cdse"}, {"J-Bob"}),
        ({"state": "FAILED"}, {"j-failed"}),
        ({"kind": "sync"}, {"J-Bob"}),
        ({"text": "j-B"}, {"J-Bob"}),
        ({"text": "SNOW"}, {"j-cheap"}),
        ({"text": "%"}, {"j-cheap"}),
        ({"text": "_"}, set()),
        ({"least": GOLDEN}, {"j-failed", "J-Bob"}),
        ({"least": GOLDEN + 1}, set()),
        ({"since": NOON + timedelta(days=1)}, {"j-failed", "J-Bob"}),
        ({"until": NOON + timedelta(days=1)}, {"j-cheap"}),
        ({"since": NOON, "until": NOON + timedelta(days=2), "state": "FAILED"}, {"j-failed"}),
        ({"backend": "cdse", "state": "FAILED"}, set()),
    ],
)
def test_each_criterion_narrows_it(jobs: Federation, terms: dict[str, Any], found: set[str]) -> None:
    assert names(jobs, **terms) == found


def test_of_a_member_or_of_a_project(jobs: Federation) -> None:
    (project,) = job_lists.projects(jobs.lab)

    assert (project.slug, project.name) == ("alps", "Alps")
    assert names(jobs, project=project.id) == {"j-failed"}
    assert names(jobs, person=jobs.bob.pk) == {"J-Bob"}
    assert set(job_lists.people(jobs.lab)) == {jobs.alice.pk, jobs.bob.pk}


def test_the_cost_is_that_of_all_reports(jobs: Federation) -> None:
    area = UsageLine("area", Decimal(3), "km2", "3")
    more = jobs.report(
        "k-5", organisation=jobs.lab, job_id="j-cheap", endpoint="addedvalue", service="x", lines=(area,)
    )
    usage.ingest(jobs.client, [more], on_reuse="refuse")

    by_cost = ("-cost", "-pk")
    rows = job_lists.matching(jobs.lab, Criteria()).order_by(*by_cost)
    assert [row.__dict__["cost"] for row in rows] == [GOLDEN, GOLDEN, micros(1.5)]


def _fill(federation: Federation, count: int) -> None:
    """Rows as reports leave them, without the reports: only lists look at them here."""
    source = Source.objects.get(source_id="cdse").pk
    organisations = (federation.lab, federation.charlie.personal_organisation)
    for start in range(0, count, 5_000):
        Job.objects.bulk_create(
            Job(
                source_id=source,
                job_id=f"j-{number}",
                person_id=federation.alice.pk,
                organisation_id=organisations[number % 5 == 0],
                title=f"Title of job {number}",
                kind="batch",
                state="FINISHED",
                cost_compute=number * 7919 % 1_000_003,
                reported_at=NOON + timedelta(seconds=number * 31 % 99_991),
            )
            for number in range(start, start + 5_000)
        )
    with connection.cursor() as cursor:
        # What earlier tests left known of the small tables would have the planner expect nearly nothing.
        tables = ("job", "source", "backend", "organisation", "person")
        cursor.execute(f"ANALYZE {', '.join(f'accounting_{table}' for table in tables)}")


@pytest.mark.parametrize(
    ("order", "index"), [(("-reported_at", "-pk"), "job_of_organisation"), (("-cost", "-pk"), "job_by_cost")]
)
def test_each_order_has_an_index(federation: Federation, order: tuple[str, ...], index: str) -> None:
    _fill(federation, 10_000)
    plan = job_lists.matching(federation.lab, Criteria()).order_by(*order)[:26].explain()

    assert index in plan
    assert "Sort" not in plan.replace("Incremental Sort", "")


def test_a_stream_takes_the_memory_of_a_part(federation: Federation) -> None:
    """Eight times as many rows take no more memory than a fetch or two; all at once they take much more."""
    _fill(federation, 20_000)
    rows = job_lists.matching(federation.lab, Criteria()).order_by("-reported_at", "-pk")
    count, streamed = _peak(lambda: sum(1 for _ in job_lists.stream(rows)))
    _, part = _peak(lambda: sum(1 for _ in job_lists.stream(rows[: 4 * job_lists.CHUNK])))
    _, whole = _peak(lambda: len(list(rows)))

    assert count == 16_000
    assert streamed < 1.2 * part
    assert whole > 5 * streamed


def _peak(act: Any) -> tuple[int, int]:
    tracemalloc.start()
    try:
        return act(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class TestSimilar:
    def test_are_of_the_same_title_else_of_the_same_back_end_and_kind(self, jobs: Federation) -> None:
        for number in range(3):
            report = jobs.report(f"t-{number}", organisation=jobs.lab, job_id=f"t-{number}", job_title="Snow 100%")
            usage.ingest(jobs.client, [report], on_reuse="refuse")
        titled, untitled = (Job.objects.get(job_id=name) for name in ("t-1", "j-failed"))

        assert [job.job_id for job in job_lists.similar(titled, 2)] == ["t-2", "t-0"]
        assert [job.job_id for job in job_lists.similar(untitled, 9)] == ["t-2", "t-1", "t-0", "j-cheap"]

    def test_are_never_of_another_payer(self, jobs: Federation) -> None:
        own = Job.objects.get(job_id="j-own")

        assert Organisation.objects.count() > 1
        assert job_lists.similar(own, 9) == []


def test_raw_reports_are_those_of_one_payer_oldest_first(jobs: Federation) -> None:
    home, lab = jobs.alice.personal_organisation, jobs.lab
    for number, payer in enumerate((home, lab, lab)):
        raw = json.dumps({"jobId": "j-two", "number": number})
        report = jobs.report(f"r-{number}", organisation=payer, job_id="j-two", raw=raw, execution_id=f"e-{number}")
        usage.ingest(jobs.client, [report], on_reuse="refuse")
    of_lab = Job.objects.get(job_id="j-two", organisation_id=lab)

    found = raw_reports.of_job(of_lab.pk)
    assert [json.loads(one.text)["number"] for one in found] == [1, 2]
    assert [one.endpoint for one in found] == ["resources", "resources"]
