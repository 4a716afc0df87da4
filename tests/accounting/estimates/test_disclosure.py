"""Whose jobs a figure may be made of (E4): many others', and one's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounting import estimates, organisations
from accounting.estimates import ANYBODY, Audience, disclosure
from accounting.estimates.disclosure import Payer, are_many
from accounting.estimates.evidence import Evidence
from tests.accounting.estimates.jobs import NOW, Past, workload
from tests.conftest import ISSUER, SOURCE

DAY = timedelta(days=1)
HERE = 1
UDP, WIDER = "batch|url:udp", "batch|process:wider"


def payers(*pairs: tuple[int, int]) -> list[Payer]:
    return [Payer(organisation, person) for organisation, person in pairs]


class TestMany:
    @pytest.mark.parametrize(
        ("found", "many"),
        [
            ([], False),
            ([(1, 1)] * 50, False),
            ([(1, 1), (2, 2)] * 20, False),
            ([(1, 1), (2, 2), (3, 3)], True),
            ([(1, 1), (1, 2), (1, 3), (1, 4)], False),  # one organisation of many
            ([(1, 1), (2, 1), (3, 1), (4, 1)], False),  # one person in many
            ([(1, 1), (2, 2), (3, 2)], False),
            ([(1, 1)] * 6 + [(2, 2), (3, 3)], True),  # three quarters
            ([(1, 1)] * 7 + [(2, 2), (3, 3)], False),
        ],
    )
    def test_of_three_organisations_and_three_persons_none_of_which_stands_out(
        self, found: list[tuple[int, int]], many: bool
    ) -> None:
        assert are_many(payers(*found)) is many


def job(pk: int, keys: Iterable[str] = (UDP,), label: str = UDP, **changes: Any) -> Evidence:
    terms: dict[str, Any] = {
        "state": "FINISHED",
        "area_km2": 1.0,
        "time_steps": 2,
        "seconds": 9.0,
        "source": HERE,
    } | changes
    return Evidence(pk=pk, label=label, charges="[]", known_at=NOW, keys={"batch|any", *keys}, **terms)


def screened(jobs: list[Evidence], owners: list[Payer], audience: Audience = ANYBODY) -> list[Evidence]:
    """As `screen`, with the payers told instead of looked up."""
    known = dict(zip([job.pk for job in jobs], owners, strict=True))
    screening = disclosure._Screening(known, (UDP, WIDER), audience)
    kept = screening.keep(jobs)
    for having, forgotten in disclosure._MEASURED:
        kept = screening.forget(kept, having, forgotten)
    return kept


class TestScreening:
    THREE = payers((1, 1), (2, 2), (3, 3))

    def test_few_others_are_left_out_and_many_kept(self) -> None:
        jobs = [job(1), job(2), job(3)]
        assert screened(jobs, self.THREE) == jobs
        assert screened(jobs[:2], self.THREE[:2]) == []

    def test_each_back_end_counts_for_itself(self) -> None:
        jobs = [job(1), job(2), job(3, source=2)]
        assert screened(jobs, self.THREE) == []

    def test_ones_own_are_kept_but_do_not_make_the_others_many(self) -> None:
        jobs = [job(1), job(2), job(3)]
        assert screened(jobs, self.THREE, Audience(frozenset({3}))) == [jobs[2]]

    def test_a_job_that_failed_does_not_count_as_a_payer(self) -> None:
        assert screened([job(1), job(2), job(3, state="FAILED")], self.THREE) == []

    def test_a_wider_name_may_be_known_while_the_narrow_one_is_not(self) -> None:
        jobs = [job(1, (UDP, WIDER)), job(2, (WIDER,), "batch|url:2"), job(3, (WIDER,), "batch|url:3")]
        kept = screened(jobs, self.THREE)
        assert [(one.label, one.is_like(UDP), one.is_like(WIDER)) for one in kept] == [(WIDER, False, True)] * 3

    def test_what_few_told_is_as_if_nobody_had(self) -> None:
        jobs = [job(1), job(2), job(3, time_steps=None), job(4, area_km2=None, time_steps=None)]
        kept = screened(jobs, payers((1, 1), (2, 2), (3, 3), (4, 4)))
        assert [(one.area_km2, one.time_steps, one.seconds) for one in kept] == [
            (1.0, None, 9.0), (1.0, None, 9.0), (1.0, None, 9.0), (None, None, 9.0)
        ]  # fmt: skip
        fewer = [job(1), job(2, area_km2=None), job(3, area_km2=None, seconds=None)]
        kept = screened(fewer, self.THREE)
        assert [(one.area_km2, one.seconds) for one in kept] == [(None, None)] * 3

    def test_ones_own_measures_stay(self) -> None:
        jobs = [job(1), job(2, area_km2=None), job(3, area_km2=None), job(4, area_km2=None)]
        kept = screened(jobs, payers((9, 9), (1, 1), (2, 2), (3, 3)), Audience(frozenset({9})))
        assert kept[0] == jobs[0]

    @given(
        st.lists(
            st.tuples(
                st.integers(1, 4), st.integers(1, 4), st.integers(1, 2), st.booleans(), st.booleans(), st.booleans()
            ),
            max_size=14,
        ),
        st.frozensets(st.integers(1, 4), max_size=2),
    )
    def test_whatever_is_left_under_a_name_is_ones_own_or_of_many(
        self, made: list[tuple[int, int, int, bool, bool, bool]], own: frozenset[int]
    ) -> None:
        jobs, owners = [], []
        for pk, (organisation, person, source, narrow, area, steps) in enumerate(made):
            one = job(pk, (UDP, WIDER) if narrow else (WIDER,), UDP if narrow else "batch|url:x", source=source)
            jobs.append(replace(one, area_km2=1.0 if area else None, time_steps=1 if steps else None))
            owners.append(Payer(organisation, person))
        kept = screened(jobs, owners, Audience(own))
        for source in (1, 2):
            for key in (UDP, WIDER, "batch|url:x"):
                found = [one for one in kept if one.source == source and one.is_like(key)]
                for having in ((), ("area_km2",), ("area_km2", "time_steps")):
                    others = [
                        owners[one.pk]
                        for one in found
                        if owners[one.pk].organisation not in own and all(getattr(one, name) for name in having)
                    ]
                    assert not others or are_many(others)


@pytest.fixture
def four(past: Past) -> list[str]:
    """Users of four organisations, each their own."""
    subs = [past.federation.alice.sub, past.federation.bob.sub, past.federation.charlie.sub, "dora@egi.eu"]
    people = [organisations.ensure_person(ISSUER, sub) for sub in subs]
    for person in people:
        organisations.switch_organisation(person.pk, person.personal_organisation)
    return subs


def home(sub: str) -> Audience:
    return Audience(frozenset({organisations.ensure_person(ISSUER, sub).personal_organisation}))


class TestComparing:
    def test_two_users_are_nobodys_business_and_a_third_makes_it_public(self, past: Past, four: list[str]) -> None:
        for sub in four[:2]:
            past.days(3, 4, user=sub)
        estimates.collect(now=NOW)
        assert not estimates.compare(workload(), at=NOW, audience=ANYBODY).options
        assert estimates.compare(workload(), at=NOW).options  # a back end knows its jobs
        past.days(3, 4, user=four[2])
        estimates.collect(now=NOW)
        (option,) = estimates.compare(workload(), at=NOW, audience=ANYBODY).options
        assert (option.estimate.source, option.estimate.jobs) == (SOURCE, 36)

    def test_one_organisation_of_many_members_is_one(self, past: Past, four: list[str]) -> None:
        lab = past.federation.lab
        for sub in four:
            person = organisations.ensure_person(ISSUER, sub)
            if sub not in {past.federation.alice.sub, past.federation.bob.sub}:
                organisations.add_member(lab, person.pk, "developer")
            past.days(3, 4, user=sub, organisation=lab)
        estimates.collect(now=NOW)
        assert not estimates.compare(workload(), at=NOW, audience=ANYBODY).options

    def test_a_member_sees_figures_of_their_own_jobs_only(self, past: Past, four: list[str]) -> None:
        past.days(4, 4, user=four[0], factor=1)
        past.days(4, 4, user=four[1], factor=10)
        estimates.collect(now=NOW)
        (mine,) = estimates.compare(workload(), at=NOW, audience=home(four[0])).options
        (theirs,) = estimates.compare(workload(), at=NOW, audience=home(four[1])).options
        assert (mine.estimate.jobs, theirs.estimate.jobs) == (16, 16)
        assert theirs.estimate.median > 5 * mine.estimate.median
        assert not estimates.compare(workload(), at=NOW, audience=home(four[3])).options

    def test_the_figures_of_a_stranger_do_not_move_with_the_jobs_of_one_user(self, past: Past, four: list[str]) -> None:
        """On another back end, of another algorithm, and under a narrower name: none of it shows."""
        for sub in four[:3]:
            past.days(3, 4, user=sub)
        estimates.collect(now=NOW)
        before = estimates.compare(workload(), at=NOW, audience=ANYBODY)
        past.days(3, 6, user=four[3], source="cdse", factor=50)
        other = workload(udp={"url": "https://algorithms.example.org/udp/secret"})
        past.days(3, 6, user=four[3], told=other, factor=50)
        estimates.collect(now=NOW)
        assert estimates.compare(workload(), at=NOW, audience=ANYBODY) == before
        assert not estimates.compare(other, at=NOW, audience=ANYBODY).options

    def test_that_somebody_used_a_collection_is_not_told(self, past: Past, four: list[str]) -> None:
        asked = workload(udp={"process": "other"}, collections=["SENTINEL2_L2A"])
        past.run(NOW - DAY, told=workload(collections=["SENTINEL2_L2A"]), user=four[0])
        estimates.load_capabilities("terrascope", {"collections": [{"id": "SENTINEL1_GRD"}]})
        estimates.collect(now=NOW)
        reasons = {
            audience: next(one.reason for one in found.obstacles if one.source == SOURCE)
            for audience in (None, ANYBODY)
            for found in [estimates.compare(asked, at=NOW, audience=audience)]
        }
        assert reasons == {None: "nothing_known", ANYBODY: "collection_missing"}

    def test_it_takes_one_query_more(
        self, past: Past, four: list[str], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for sub in four[:3]:
            past.days(3, 4, user=sub)
        estimates.collect(now=NOW)
        estimates.compare(workload(), at=NOW)  # rules are remembered
        with django_assert_num_queries(5):
            estimates.compare(workload(), at=NOW)
        with django_assert_num_queries(6):
            estimates.compare(workload(), at=NOW, audience=ANYBODY)
