"""The list of jobs: every filter, both orders, what cannot be read, and the same jobs as files."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounting import job_lists, limits, queries, usage
from accounting.job_lists import Criteria
from portal.models import User
from tests.conftest import SOURCE, Federation
from tests.portal import scene as scenes
from tests.portal.reader import sign_in, text_of


def hrefs(response: Any) -> list[str]:
    return re.findall(r'data-open[^>]*href="([^"]+)"', response.content.decode())


def records(client: Client, query: str = "") -> list[dict[str, Any]]:
    response = client.get(f"/jobs/export.json?{query}")
    document: dict[str, list[dict[str, Any]]] = json.loads(response.getvalue())
    return document["jobs"]


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "kept"),
        [
            ("kind=sync", lambda job: job["kind"] == "sync"),
            ("state=FAILED", lambda job: job["state"] == "FAILED"),
            ("backend=cdse", lambda job: job["source"] == "cdse"),
            ("text=ndvi", lambda job: "ndvi" in job["title"].lower()),
            ("text=J-2600", lambda job: job["job_id"].startswith("j-2600")),
            ("least=5.5", lambda job: Decimal(job["cost"]) >= Decimal("5.5")),
            ("kind=batch&backend=terrascope&least=2", lambda job: True),
        ],
    )
    def test_page_and_files_have_the_same_jobs(self, alice: Client, query: str, kept: Any) -> None:
        found = records(alice, query)
        whole = records(alice)

        assert 0 < len(found) < len(whole)
        assert all(kept(job) for job in found)
        if "&" not in query:
            assert [job for job in whole if kept(job)] == found
        assert hrefs(alice.get(f"/jobs/?{query}")) == [urlsplit(job["href"]).path for job in found]
        rows = list(csv.DictReader(io.StringIO(alice.get(f"/jobs/export.csv?{query}").getvalue().decode())))
        assert [row["job_id"] for row in rows] == [job["job_id"] for job in found]

    def test_of_a_member_or_a_project(self, federation: Federation) -> None:
        lab = federation.lab
        limits.create_project(lab, "alps", "Alps")
        reports = [
            federation.report("a", organisation=lab, job_id="j-a", project="alps"),
            federation.report("b", organisation=lab, job_id="j-b", user=federation.bob.sub),
        ]
        usage.ingest(federation.client, reports, on_reuse="refuse")
        client = sign_in(federation.alice.sub)
        client.post("/organisation/switch/", {"organisation": lab})
        (project,) = job_lists.projects(lab)

        assert hrefs(client.get(f"/jobs/?project={project.id}")) == [f"/jobs/{SOURCE}/j-a"]
        assert hrefs(client.get(f"/jobs/?member={federation.bob.pk}")) == [f"/jobs/{SOURCE}/j-b"]
        assert client.get(f"/jobs/?member={federation.charlie.pk}").status_code == 400
        assert client.get("/jobs/?project=999999").status_code == 400

    def test_days_are_those_of_the_persons_zone(self, federation: Federation, database_clock: Any) -> None:
        database_clock(datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
        usage.ingest(federation.client, [federation.report()], on_reuse="refuse")
        client = sign_in(federation.alice.sub)
        day, next_day = date(2026, 3, 1), date(2026, 3, 2)
        assert len(hrefs(client.get(f"/jobs/?since={day}&until={day}"))) == 1

        User.objects.update(time_zone="Europe/Vienna")
        assert hrefs(client.get(f"/jobs/?since={day}&until={day}")) == []
        assert len(hrefs(client.get(f"/jobs/?since={next_day}&until={next_day}"))) == 1

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ("kind=x", "kind"),
            ("sort=x", "sort"),
            ("member=x", "member"),
            ("member=-1", "member"),
            ("member=99999999999999999999", "member"),
            ("project=1.5", "project"),
            ("since=x", "since"),
            ("since=0001-01-01", "since"),
            ("until=9999-12-31", "until"),
            ("since=2026-W12-1", "since"),
            ("since=20260101", "since"),
            ("text=a%00b", "text"),
            (f"text={'x' * 201}", "text"),
            ("least=x", "least"),
            ("least=-1", "least"),
            ("least=1e5", "least"),
            (f"least={'9' * 40}", "least"),
            ("least=99999999999999", "least"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, alice: Client, query: str, named: str) -> None:
        for path in ("/jobs/", "/jobs/export.csv", "/jobs/export.json"):
            response = alice.get(f"{path}?{query}")
            assert response.status_code == 400
            assert named in text_of(response)

    @pytest.mark.parametrize("text", ["%", "_", "\\", "'", "ü", "漢", "  "])
    def test_any_text_can_be_looked_for(self, alice: Client, text: str) -> None:
        assert alice.get("/jobs/", {"text": text}).status_code == 200

    def test_half_a_character_finds_nothing(self, alice: Client) -> None:
        assert "No job fits" in text_of(alice.get("/jobs/?text=%ED%B2%80"))


class TestOrder:
    def test_by_cost_pages_follow_one_another_without_gap_or_double(self, db: None) -> None:
        scene, alice = scenes.furnish("https://aai.example.org/auth/realms/egi", jobs=30), sign_in(scenes.ALICE)
        by_cost = ("-cost", "-pk")
        rows = job_lists.matching(scene.lab, Criteria()).order_by(*by_cost)
        expected = [f"/jobs/{job.source.source_id}/{job.job_id}" for job in rows]
        found, path = [], "/jobs/?sort=cost"
        while path:
            page = alice.get(path)
            found += hrefs(page)
            link = re.search(r'href="([^"]+)"[^>]*rel="next"', page.content.decode())
            path = link[1].replace("&amp;", "&") if link else ""

        assert len(expected) > 25
        assert found == expected
        assert [job["job_id"] for job in records(alice, "sort=cost")] == [path.rpartition("/")[2] for path in expected]


class TestFiles:
    def test_a_stranger_gets_none_and_others_only_their_own(self, alice: Client, client: Client) -> None:
        for ending in ("csv", "json"):
            assert client.get(f"/jobs/export.{ending}").status_code == 302
        assert records(sign_in("mallory@egi.eu")) == []
        assert "j-26" not in sign_in("mallory@egi.eu").get("/jobs/export.csv").getvalue().decode()

    def test_costs_are_exact_and_sum_to_what_was_spent(self, alice: Client, scene: scenes.Scene) -> None:
        total = sum(Decimal(job["cost"]) for job in records(alice))
        spent = queries.spent(scene.lab, datetime(2020, 1, 1, tzinfo=UTC))

        assert total == Decimal(spent).scaleb(-6)
        golden = next(job for job in records(alice) if job["job_id"] == scene.golden)
        assert (golden["cost"], golden["cost_compute"], golden["cost_added_value"]) == ("7.759775", "7.759775", "0")
        assert golden["person"] == "You"

    @pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@x", "\t=1", '=HYPERLINK("http://x")'])
    def test_no_cell_is_a_formula(self, federation: Federation, title: str) -> None:
        usage.ingest(federation.client, [federation.report(job_title=title.strip("\t"))], on_reuse="refuse")
        (row,) = csv.DictReader(io.StringIO(sign_in(federation.alice.sub).get("/jobs/export.csv").getvalue().decode()))

        assert row["title"] == f"'{title.strip(chr(9))}"

    def test_are_sent_in_parts_with_a_fixed_number_of_queries(
        self, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        reports = [federation.report(f"k-{n}", job_id=f"j-{n}", execution_id=f"e-{n}") for n in range(30)]
        usage.ingest(federation.client, reports, on_reuse="refuse")
        client = sign_in(federation.alice.sub)
        response = client.get("/jobs/export.csv")

        assert response.streaming
        assert response["Content-Disposition"].startswith('attachment; filename="jobs-20')
        with django_assert_num_queries(1):
            parts = list(response)
        assert len(parts) == 31


class TestChoosing:
    def test_each_row_has_a_box_with_a_name_of_its_own(self, alice: Client) -> None:
        page = alice.get("/jobs/").content.decode()
        boxes = re.findall(r'type="checkbox" name="job" value="([^"]+)"', page)

        assert len(boxes) == len(hrefs(alice.get("/jobs/")))
        assert 'action="/compare/"' in page
        assert alice.get("/compare/", {"job": boxes[:3]}).status_code == 200


def test_two_halves_of_time_make_the_whole(alice: Client) -> None:
    edge = (datetime.now(UTC) - timedelta(days=1)).date()
    before, after = records(alice, f"until={edge}"), records(alice, f"since={edge + timedelta(days=1)}")

    assert before
    assert after
    assert after + before == records(alice)
