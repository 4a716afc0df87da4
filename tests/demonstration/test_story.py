"""People, jobs and bodies: what the seed, the live back end and the sign-in provider are made from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from accounting.api.etl import reading
from accounting.reports import UsageReport
from devtools.demonstration import history
from devtools.demonstration.bodies import Body, posts
from devtools.demonstration.federation import CLIENT_OF, MEMBERS
from devtools.demonstration.people import CDSE, ORGANISATIONS, PEOPLE, SENTINEL_HUB, TERRASCOPE, Habits
from devtools.demonstration.workload import Job, draw

ANCHOR = datetime(2026, 5, 13, tzinfo=UTC)
SUB = "0" * 64 + "@egi.eu"


def jobs(source: str, batch: float, count: int = 200) -> Iterator[Job]:
    rng = Random(7)
    for _ in range(count):
        yield draw(rng, Habits(1, {source: 1}, batch=batch), ANCHOR, SUB)


def report(endpoint: str, body: Body) -> UsageReport:
    """As the ETL API would read it."""
    raw = json.dumps(body)
    read = reading.read_resources if endpoint == "resources" else reading.read_added_value
    return read(json.loads(raw, parse_float=Decimal), raw)


class TestPeople:
    def test_subs_are_like_check_ins_and_stay_the_same(self) -> None:
        assert all(re.fullmatch(r"[0-9a-f]{64}@egi\.eu", person.sub) for person in PEOPLE)
        assert len({person.sub for person in PEOPLE}) == len({person.login for person in PEOPLE}) == 12
        assert PEOPLE[0].sub == "36d300a89aca0ab8c3a21db4dfd2ff671324f61750e6bb1bb6362eb9298d20c8@egi.eu"

    def test_the_provider_is_told_claims_and_a_line_for_its_page(self) -> None:
        entry = PEOPLE[0].at_provider()
        assert (entry["given_name"], entry["family_name"], entry["login"]) == ("Inês", "Carvalho", "ines")
        assert entry["eduperson_entitlement"] == entry["entitlements"] != []
        assert [person.login for person in PEOPLE if not person.entitlements] == ["dragos"]

    def test_organisations_are_made_of_people_who_exist(self) -> None:
        logins = {person.login for person in PEOPLE}
        assert len(ORGANISATIONS) == 4
        for shared in ORGANISATIONS:
            assert shared.members.keys() <= logins
            assert shared.members[shared.owner] == "owner"
        for person in PEOPLE:
            assert person.current in {"", *(o.slug for o in ORGANISATIONS if person.login in o.members)}

    def test_who_is_looked_at_by_checks_is_left_alone_by_the_live_back_end(self) -> None:
        watched = next(shared for shared in ORGANISATIONS if shared.slug == PEOPLE[0].current)
        assert not any(person.live and person.current == watched.slug for person in PEOPLE)

    def test_every_source_has_one_client(self) -> None:
        assert set(CLIENT_OF) == {source for person in PEOPLE for source in person.habits.sources}
        assert len({member.client_id for member in MEMBERS}) == len(MEMBERS) == 3
        assert not any(":" in member.client_id for member in MEMBERS)


class TestHistory:
    def test_it_is_the_same_however_long(self) -> None:
        short = history.reports(ANCHOR, 5, ANCHOR)
        long = history.reports(ANCHOR, 12, ANCHOR)
        since = ANCHOR - timedelta(days=5)
        begun = [item for item in long if item.job.started_at >= since]
        assert short == begun
        assert len(short) > 50

    def test_nothing_is_reported_after_the_end_or_before_it_finished(self) -> None:
        until = ANCHOR + timedelta(hours=11)
        made = history.reports(ANCHOR, 5, until)
        assert max(item.at for item in made) <= until
        assert any(item.at > ANCHOR for item in made)
        assert all(item.job.started_at < item.job.finished_at < item.at for item in made)
        assert [item.at for item in made] == sorted(item.at for item in made)

    def test_ids_are_given_once(self) -> None:
        made = history.reports(ANCHOR, 30, ANCHOR)
        assert len({(item.job.source, item.job.job_id) for item in made}) == len(made)


class TestBodies:
    def test_a_fee_beside_sentinel_hub_units_takes_two_posts(self) -> None:
        both = [job for job in jobs(CDSE, batch=1) if job.processing_units]
        assert both
        for job in both:
            first, second = [body for endpoint, body in posts(job, SUB, 1234) if endpoint == "resources"]
            assert first["metrics"] == {"processing": {"value": 2, "unit": "credits"}}
            assert second["metrics"].keys() == {"cpu", "memory", "time", "processing"}
            assert (first["idempotencyKey"], second["idempotencyKey"]) == (job.execution_id, f"{job.execution_id}_1")
            assert first["orgId"] == second["orgId"] == 1234

    def test_added_value_names_no_organisation_and_no_state(self) -> None:
        found = [body for job in jobs(TERRASCOPE, 1) for where, body in posts(job, SUB, 1) if where == "addedvalue"]
        assert found
        assert not any(body.keys() & {"orgId", "state", "status", "metrics"} for body in found)
        assert all(body["area"]["unit"] == "square_meter" for body in found)

    def test_sentinel_hub_sends_neither_key_nor_times(self) -> None:
        ((endpoint, body),) = posts(next(jobs(SENTINEL_HUB, batch=0)), SUB)
        assert endpoint == "resources"
        assert body.keys() == {"jobId", "userId", "sourceId", "state", "status", "orchestrator", "metrics"}
        assert isinstance(body["metrics"]["processing"]["value"], str)
        ((_, started),) = posts(next(jobs(SENTINEL_HUB, batch=1)), SUB)
        assert isinstance(started["metrics"]["processing"]["value"], float)

    @pytest.mark.parametrize("source", sorted(CLIENT_OF))
    @pytest.mark.parametrize(("batch", "kind"), [(0, "sync"), (1, "batch")])
    def test_the_api_reads_them_as_they_are_meant(self, source: str, batch: float, kind: str) -> None:
        for job in jobs(source, batch, 40):
            for endpoint, body in posts(job, SUB):
                read = report(endpoint, body)
                assert (read.kind, read.source, read.user) == (kind, source, SUB)
                if kind == "batch" and source != SENTINEL_HUB:
                    assert read.finished_at == job.finished_at
