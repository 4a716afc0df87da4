"""Pages for anybody: what caches may keep of them, what strangers are told, and what of users never is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting import activity, estimates, organisations, popularity, registry
from accounting.models import Calibration, PopularProcess, Source
from portal.views.public import ESTIMATES_A_MINUTE
from tests.accounting.estimates.jobs import URL, Clock, Past
from tests.conftest import ISSUER, SOURCE, Federation
from tests.portal.reader import sign_in, text_of
from tests.portal.scene import ALICE, BOB, Scene

DAY = timedelta(days=1)
PAGES = (
    *("/", "/rates/", "/rates/terrascope/", "/rates/terrascope/1/", "/backends/", "/backends/terrascope/"),
    *("/estimate/", f"/estimate/?what={URL}&area=100"),
)
CANARIES = (
    *("Geo Lab Ghent", "j-2611209f31c4a7", "NDVI composite", "Crop type map", "ESA Network", ALICE, BOB, "egi.eu"),
    *("Top-up of 25 euro", "application_1795200000000"),
)


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


class TestCaching:
    @pytest.mark.parametrize("path", PAGES)
    def test_what_strangers_see_is_kept_a_minute_and_asked_for_by_its_tag(
        self, client: Client, federation: Federation, path: str
    ) -> None:
        first = client.get(path)
        assert first.status_code == 200
        assert first["Cache-Control"] == "public, max-age=60"
        assert {"Cookie", "Accept-Language", "HX-Request"} <= set(first["Vary"].split(", "))
        assert not first.cookies
        assert "csrfmiddlewaretoken" not in first.content.decode()
        again = client.get(path, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize("path", PAGES[1:])
    def test_what_somebody_signed_in_sees_is_kept_by_nobody(self, federation: Federation, path: str) -> None:
        response = sign_in(federation.alice.sub).get(path)
        assert response.status_code == 200
        assert "no-store" in response["Cache-Control"]
        assert "ETag" not in response

    def test_the_tag_changes_with_what_is_shown_and_with_the_language(
        self, client: Client, federation: Federation
    ) -> None:
        before = client.get("/backends/")["ETag"]
        assert client.get("/backends/", headers={"Accept-Language": "de"})["ETag"] != before
        registry.register_backend("new", "New", federation.provider)
        assert client.get("/backends/")["ETag"] != before

    def test_what_is_wrong_is_kept_by_nobody(self, client: Client, federation: Federation) -> None:
        for path in ("/rates/?cpu=x", "/estimate/?what="):
            assert "no-store" in client.get(path)["Cache-Control"]

    def test_forms_of_strangers_need_no_token_those_of_people_do(self, federation: Federation) -> None:
        stranger, alice = Client(enforce_csrf_checks=True), sign_in(federation.alice.sub)
        alice.handler.enforce_csrf_checks = True
        assert stranger.post("/theme/", {"theme": "dark"}).status_code == 302
        assert alice.post("/theme/", {"theme": "dark"}).status_code == 403
        assert alice.post("/language/", {"language": "de"}).status_code == 403

    def test_signed_in_people_go_on_to_the_dashboard(self, federation: Federation) -> None:
        response = sign_in(federation.alice.sub).get("/")
        assert (response.status_code, response["Location"]) == (302, "/dashboard/")
        assert "no-store" in response["Cache-Control"]


class TestPrivacy:
    @pytest.mark.parametrize("path", PAGES)
    def test_nothing_of_users_is_on_any_of_them(self, client: Client, scene: Scene, path: str) -> None:
        activity.count(timezone.now())
        popularity.count(timezone.now())
        estimates.collect()
        body = client.get(path).content.decode()
        assert [word for word in CANARIES if word in body] == []

    def test_the_canaries_are_on_pages_of_members(self, alice: Client, scene: Scene) -> None:
        pages = "".join(alice.get(path).content.decode() for path in ("/dashboard/", "/jobs/"))
        assert [word for word in ("Geo Lab Ghent", "NDVI composite", "ESA Network") if word not in pages] == []


class TestBackEnds:
    def test_who_reports_and_since_when_not(self, client: Client, federation: Federation, database_clock: Any) -> None:
        now = timezone.now()
        for client_of, source, ago in (
            (federation.client, SOURCE, timedelta(hours=1)),
            (federation.other_client, "cdse", 2 * DAY),
        ):
            report(federation, client_of, source, now - ago, database_clock)
        activity.count(now)
        registry.register_backend("new", "Newcomer", federation.provider, "https://new.example.org", "waive")
        text = text_of(client.get("/backends/"))
        assert "Terrascope VITO Reporting" in text
        assert "CDSE CloudFerro Quiet" in text
        assert "Newcomer VITO No report yet" in text
        assert "None for 6 hours, but one within 3 days" in text

    def test_one_of_them_in_detail(self, client: Client, federation: Federation, database_clock: Any) -> None:
        now = timezone.now()
        report(federation, federation.client, SOURCE, now - 5 * DAY, database_clock)
        activity.count(now)
        registry.register_backend("terrascope", "Terrascope", federation.provider, "https://t.example.org", "waive")
        estimates.load_capabilities("terrascope", {"collections": [{"id": "A"}, {"id": "B"}]})
        Calibration.objects.create(
            source=Source.objects.get(source_id=SOURCE), days=30, jobs=50, inside=40, bias=1.0, counted_at=now
        )
        text = text_of(client.get("/backends/terrascope/"))
        assert "Silent" in text
        assert "The back end bears what a job costs beyond the credits held for it." in text
        assert "https://t.example.org" in text
        assert "2 collections, as of" in text
        assert "80 % of 50 jobs cost what the interval of their estimate said" in text
        assert "1 usage report in the last 30 days." in text
        assert "Has not reserved credits for a job yet · Asks whether a running job should stop" in text
        assert "1.5 per CPU-hour" in text

    def test_one_that_is_not_there(self, client: Client, federation: Federation) -> None:
        assert client.get("/backends/nowhere/").status_code == 404

    def test_no_back_ends_yet(self, client: Client, db: None) -> None:
        assert "No back ends yet" in text_of(client.get("/backends/"))

    @pytest.mark.parametrize(("path", "most"), [("/backends/", 8), ("/backends/terrascope/", 10)])
    def test_queries_do_not_grow(self, client: Client, federation: Federation, path: str, most: int) -> None:
        counts = []
        for number in range(3):
            backend = registry.register_backend(f"b{number}", f"B {number}", federation.provider)
            registry.register_source(f"s{number}", backend, ISSUER)
            registry.register_source(f"t{number}", federation.backend, ISSUER)
            with CaptureQueriesContext(connection) as queries:
                client.get(path)
            counts.append(len(queries))
        assert len(set(counts)) == 1
        assert counts[0] <= most


def report(federation: Federation, client: Any, source: str, at: datetime, clock: Clock) -> None:
    from accounting import usage

    clock(at)
    one = federation.report(key=f"k-{source}", source=source, execution_id=source)
    (outcome,) = usage.ingest(client, [one], on_reuse="replay")
    assert outcome.status == "booked"
    clock(None)


class TestLanding:
    def test_rates_and_back_ends_at_a_glance(self, client: Client, federation: Federation) -> None:
        text = text_of(client.get("/"))
        assert "Rates at a glance" in text
        assert "CPU-hour" in text
        assert "Terrascope" in text
        assert "Used by many" not in text

    def test_an_empty_federation_has_neither(self, client: Client, db: None) -> None:
        text = text_of(client.get("/"))
        assert "Rates at a glance" not in text
        assert "One wallet of credits" in text

    def test_what_many_use(self, client: Client, federation: Federation) -> None:
        PopularProcess.objects.create(
            process="snow_line", organisations=4, days=20, backends=["Terrascope"], counted_at=timezone.now()
        )
        text = text_of(client.get("/"))
        assert "Used by many" in text
        assert "snow_line Terrascope 4 organisations" in text

    def test_its_queries(self, client: Client, federation: Federation, django_assert_max_num_queries: Any) -> None:
        with django_assert_max_num_queries(11):
            client.get("/")


class TestEstimate:
    @pytest.fixture
    def jobs(self, federation: Federation, database_clock: Clock) -> Past:
        """Of three organisations at the one back end, of Dora alone at the other."""
        past, now = Past(federation, database_clock), timezone.now() - timedelta(hours=2)
        subs = [federation.alice.sub, federation.bob.sub, federation.charlie.sub]
        for sub in (*subs, "dora@egi.eu"):
            person = organisations.ensure_person(ISSUER, sub)
            organisations.switch_organisation(person.pk, person.personal_organisation)
        for sub in subs:
            past.days(4, 3, until=now, user=sub)
        past.days(4, 3, until=now, user="dora@egi.eu", source="cdse")
        database_clock(None)
        estimates.collect()
        return past

    def test_the_form_waits(self, client: Client, federation: Federation) -> None:
        page = client.get("/estimate/")
        assert "Algorithm" in text_of(page)
        assert "On each back end" not in text_of(page)

    def test_strangers_see_what_many_jobs_have_in_common(self, client: Client, jobs: Past) -> None:
        text = text_of(client.get(f"/estimate/?what={URL}&area=100&steps=10"))
        assert "100 km² × 10 time steps" in text
        assert "From 36 jobs like it that finished here. Counted by square kilometre and time step." in text
        assert "CDSE: Too little is known of jobs like this one there." in text  # Dora's are her own business

    def test_people_see_their_own_besides(self, jobs: Past) -> None:
        text = text_of(sign_in("dora@egi.eu").get(f"/estimate/?what={URL}&area=100&steps=10"))
        assert "From 12 jobs like it that finished here." in text

    def test_what_few_ran_is_unknown_to_strangers_and_known_to_them(
        self, client: Client, federation: Federation, database_clock: Clock
    ) -> None:
        past = Past(federation, database_clock)
        past.days(4, 3, until=timezone.now() - timedelta(hours=2))
        database_clock(None)
        estimates.collect()
        address = f"/estimate/?what={URL}&area=100&steps=10"
        stranger = text_of(client.get(address))
        assert "Nothing known" in stranger
        assert "Fewer than 3 organisations have finished a job like this" in stranger
        assert stranger == text_of(client.get(address.replace("ndvi", "other"))).replace("other", "ndvi")
        assert "From 12 jobs like it" in text_of(sign_in(federation.alice.sub).get(address))
        assert "Neither have many people finished a job like this" in text_of(
            sign_in(federation.charlie.sub).get(address)
        )

    def test_a_part_has_the_form_and_the_answer(self, client: Client, jobs: Past) -> None:
        part = client.get(f"/estimate/?what={URL}", headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in part
        assert "<form" in part
        assert "On each back end" in part

    def test_places_and_times_are_read_as_by_the_api(self, client: Client, jobs: Past) -> None:
        query = f"what={URL}&place=4.0, 50.0, 4.2, 50.1&since=2026-01-01&until=2026-01-11"
        assert "159.3 km² × 10 time steps" in text_of(client.get(f"/estimate/?{query}"))
        polygon = '{"type":"Polygon","coordinates":[[[4,50],[4.2,50],[4.2,50.1],[4,50.1],[4,50]]]}'
        assert "159.3 km²" in text_of(client.get("/estimate/", {"what": URL, "place": polygon}))

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ({"what": ""}, "This field is required"),
            ({"what": "two words"}, "Write a process id or an address, without spaces."),
            ({"what": "\0"}, "Null characters are not allowed"),
            ({"what": "x", "area": "x"}, "Enter a number"),
            ({"what": "x", "area": "1e30"}, "less than or equal to"),
            ({"what": "x", "area": "3", "place": "1,2,3,4"}, "Give the area or a place, not both"),
            ({"what": "x", "place": "1,2,3"}, "Write four numbers"),
            ({"what": "x", "place": "nan,2,3,4"}, "That is no place with an area"),
            ({"what": "x", "place": "1,2,3,999"}, "That is no place with an area"),
            ({"what": "x", "place": "{"}, "Write four numbers"),
            ({"what": "x", "place": "{" * 5000}, "Write four numbers"),
            ({"what": "x", "place": '{"type":"Point","coordinates":[1,2]}'}, "That is no place with an area"),
            ({"what": "x", "place": '{"a":NaN}'}, "Write four numbers"),
            ({"what": "x", "place": "1" * 7000}, "at most 6000 characters"),
            ({"what": "x", "since": "2026-02-01", "until": "2026-01-01"}, "The start is before the end"),
            ({"what": "x", "since": "0001-01-01"}, "The start is before the end, in a year from 1900"),
            ({"what": "x", "since": "x"}, "Enter a valid date"),
            ({"what": "x", "steps": "0"}, "greater than or equal to 1"),
            ({"what": "x", "steps": "9" * 400}, "less than or equal to"),
            ({"what": "x", "kind": "x"}, "not one of the available choices"),
            ({"what": "x", "collections": ",".join(map(str, range(60)))}, "At most 50 ids"),
        ],
    )
    def test_what_means_nothing_is_said_beside_its_field(
        self, client: Client, federation: Federation, query: dict[str, str], said: str
    ) -> None:
        for headers in ({}, {"HX-Request": "true"}):
            page = client.get("/estimate/", query, headers=headers)
            assert page.status_code == 422
            assert said in text_of(page)

    def test_strangers_are_answered_only_so_often(self, client: Client, federation: Federation) -> None:
        statuses = {client.get(f"/estimate/?what=x{n}").status_code for n in range(ESTIMATES_A_MINUTE)}
        assert statuses == {200}
        refused = client.get("/estimate/?what=one-more")
        assert (refused.status_code, refused["Retry-After"]) == (429, "60")
        assert client.get("/estimate/").status_code == 200
        assert sign_in(federation.alice.sub).get("/estimate/?what=x").status_code == 200

    def test_the_same_question_of_strangers_is_computed_once(self, client: Client, jobs: Past) -> None:
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                client.get(f"/estimate/?what={URL}&area=100")
            counts.append(len(queries))
        assert counts[0] <= 12
        assert counts[1] < counts[0]
