"""Jobs side by side: only those that the person may see, and causes that sum to the whole difference."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounting import ledger
from accounting.rating import UsageLine
from tests.accounting.books import booked
from tests.conftest import SOURCE, Federation
from tests.portal import scene as scenes
from tests.portal.reader import sign_in, text_of


def compared(client: Client, *names: str) -> Any:
    return client.get("/compare/", {"job": names})


def section(response: Any, heading: str) -> str:
    """The HTML of the section with that heading's id."""
    html: str = response.content.decode()
    return html[html.index(f'aria-labelledby="{heading}"') :].partition("</section>")[0]


def columns(response: Any) -> list[list[Decimal]]:
    """The figures of the table of causes, a list a job; the last of each is the whole difference."""
    table = section(response, "causes-head").rpartition("<table")[2]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    cell = re.compile(r'<td class="figure">(?:<data class="credits" value="([^"]+)"|<span class="text-muted">(0)<)')
    cells = [[Decimal(one or other) for one, other in cell.findall(row)] for row in rows]
    return [list(column) for column in zip(*cells, strict=True)]


class TestWhoSeesWhat:
    def test_a_job_of_others_does_not_exist_beside_ones_own(self, federation: Federation) -> None:
        booked(federation, "a", job_id="mine")
        bob = federation.bob
        booked(federation, "b", job_id="bobs", user=bob.sub, organisation=bob.personal_organisation)
        alice = sign_in(federation.alice.sub)

        assert compared(alice, f"{SOURCE}/mine").status_code == 200
        assert compared(alice, f"{SOURCE}/bobs").status_code == 404
        assert compared(alice, f"{SOURCE}/mine", f"{SOURCE}/bobs").status_code == 404
        assert compared(alice, f"{SOURCE}/mine", f"{SOURCE}/none").status_code == 404

    def test_jobs_offered_are_those_of_the_payer(self, federation: Federation) -> None:
        bob = federation.bob
        booked(federation, "a", job_id="mine")
        booked(federation, "b", job_id="bobs", user=bob.sub, organisation=bob.personal_organisation)

        page = compared(sign_in(federation.alice.sub)).content.decode()
        assert "mine" in page
        assert "bobs" not in page

    @pytest.mark.parametrize("query", ["job=x", "job=/x", "job=x/", "job=", "&".join(f"job=a/{n}" for n in range(7))])
    def test_what_names_no_job_is_refused(self, alice: Client, query: str) -> None:
        response = alice.get(f"/compare/?{query}")

        assert response.status_code == 400
        assert "job" in text_of(response)

    @pytest.mark.parametrize("name", ["a/%00", "%00/a", "a/%ED%B2%80", "a/" + "9" * 5000])
    def test_nonsense_finds_nothing(self, alice: Client, name: str) -> None:
        assert alice.get(f"/compare/?job={name}").status_code == 404


class TestDifferences:
    def test_causes_sum_to_the_difference_of_the_costs(self, alice: Client, scene: scenes.Scene) -> None:
        picks = re.findall(r'name="job" value="([^"]+)"', alice.get("/jobs/").content.decode())
        for start in range(len(picks) - 2):
            found = columns(compared(alice, *picks[start : start + 3]))
            assert len(found) == 2
            for *parts, whole in found:
                assert sum(parts) == whole

    def test_the_whole_is_what_the_costs_say(self, federation: Federation) -> None:
        booked(federation, "a", job_id="a")
        booked(federation, "b", job_id="b", lines=(UsageLine("cpu", Decimal(7200), "cpu-seconds", "7200"),))
        response = compared(sign_in(federation.alice.sub), f"{SOURCE}/a", f"{SOURCE}/b")
        page = text_of(response)

        assert "B cost 2.76 credits less than A. Main cause: Memory, 3.64." in page
        assert columns(response) == [[Decimal("0.875417"), Decimal("-3.635192"), Decimal("-2.759775")]]
        assert "CPU-hours 1.4164 2" in page
        assert "GB-hours 3.6352 –" in page

    def test_a_refund_is_a_cause(self, federation: Federation) -> None:
        booked(federation, "a", job_id="a")
        ledger.reverse(booked(federation, "b", job_id="b"), "goodwill")
        response = compared(sign_in(federation.alice.sub), f"{SOURCE}/a", f"{SOURCE}/b")

        assert "Given back" in section(response, "causes-head")
        assert columns(response) == [[Decimal("-5.759775"), Decimal("-5.759775")]]

    def test_equal_jobs_have_no_causes(self, federation: Federation) -> None:
        booked(federation, "a", job_id="a")
        booked(federation, "b", job_id="b")
        page = text_of(compared(sign_in(federation.alice.sub), f"{SOURCE}/a", f"{SOURCE}/b"))

        assert "B cost exactly as much as A." in page
        assert "the jobs cost the same, for the same reasons" in page

    def test_a_job_named_twice_counts_once(self, federation: Federation) -> None:
        booked(federation, "a", job_id="a/b")
        page = text_of(compared(sign_in(federation.alice.sub), f"{SOURCE}/a%2Fb", f"{SOURCE}/a%2fb"))

        assert "What shall stand beside Batch job (a/b)?" in page

    def test_another_job_is_the_measure_by_one_link(self, federation: Federation) -> None:
        for name in "abc":
            booked(federation, name, job_id=name)
        page = compared(sign_in(federation.alice.sub), *(f"{SOURCE}/{name}" for name in "abc")).content.decode()
        links = re.findall(r'href="/compare/\?([^"]+)">Measure against', page)
        out = re.findall(r'class="icon-button[^"]*" href="/compare/\?([^"]+)"', page)

        assert [link.replace("&amp;", "&") for link in links] == [
            "job=TerraScope%2FMEP%2Fb&job=TerraScope%2FMEP%2Fa&job=TerraScope%2FMEP%2Fc",
            "job=TerraScope%2FMEP%2Fc&job=TerraScope%2FMEP%2Fa&job=TerraScope%2FMEP%2Fb",
        ]
        assert len(out) == 3


def test_takes_a_fixed_number_of_queries(
    federation: Federation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for name in "abcdef":
        booked(federation, name, job_id=name)
        booked(federation, f"{name}-2", job_id=name, execution_id="again")
    client = sign_in(federation.alice.sub)
    compared(client, f"{SOURCE}/a", f"{SOURCE}/b")  # rules are remembered
    for many in ("ab", "abcde"):
        with django_assert_num_queries(12):
            compared(client, *(f"{SOURCE}/{name}" for name in many))
