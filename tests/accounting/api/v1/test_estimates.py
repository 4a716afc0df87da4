"""Asking what a job would cost: who may, what is answered, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounting import estimates, fingerprints
from accounting.models import Person
from tests.accounting.api.v1.conftest import Callers
from tests.accounting.estimates.jobs import URL, Clock, Past, workload
from tests.conftest import SOURCE, Federation

learnt = pytest.mark.usefixtures("known")
empty = pytest.mark.usefixtures("federation")

BOX = {"west": 4.0, "south": 50.0, "east": 4.2, "north": 50.1}
ASKED: dict[str, Any] = {"udp": {"url": URL}, "area_m2": 100_000_000, "time_steps": 10}
GRAPH = {"load": {"process_id": "load_collection", "arguments": {"id": "SENTINEL2_L2A"}}}
ADDRESSES = [
    ("POST", "/estimates", ASKED),
    ("GET", f"/estimates/comparison?udp_url={URL}", None),
    ("GET", "/estimates/calibration", None),
    ("POST", "/openeo/estimate", {**ASKED, "source": SOURCE}),
]


@pytest.fixture
def known(federation: Federation, database_clock: Clock) -> Past:
    """Nine days of jobs on one back end, a dearer one with a few, and everything learnt from them."""
    past = Past(federation, database_clock)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    past.days(9, 4, until=now, told=workload(100, 10, collections=["SENTINEL2_L2A"]))
    past.days(2, 2, until=now, source="cdse", factor=3)
    database_clock(None)
    estimates.collect()
    estimates.judge()
    estimates.calibrate()
    return past


def call(caller: Any, method: str, path: str, body: Any) -> Any:
    return caller.get(path) if method == "GET" else caller.post(path, body)


class TestWhoMay:
    @empty
    @pytest.mark.parametrize(("method", "path", "body"), ADDRESSES)
    def test_nobody_without_a_token(self, callers: Callers, method: str, path: str, body: Any) -> None:
        answer = call(callers.anonymous, method, path, body)
        code = "AuthenticationRequired" if path.startswith("/openeo/") else "authentication_required"
        assert (answer.status_code, answer.json()["code"]) == (401, code)

    @learnt
    @pytest.mark.parametrize(("method", "path", "body"), ADDRESSES)
    @pytest.mark.parametrize("who", ["alice", "backend", "other_backend"])
    def test_whoever_ran_the_jobs_and_every_back_end(
        self, callers: Callers, who: str, method: str, path: str, body: Any
    ) -> None:
        answer = call(getattr(callers, who), method, path, body)
        assert answer.status_code == 200, answer.json()
        assert answer["Cache-Control"] == "no-store" or path == "/estimates/calibration"

    @learnt
    @pytest.mark.parametrize("who", ["bob", "charlie"])
    def test_others_are_told_nothing_of_jobs_that_one_user_ran(self, callers: Callers, who: str) -> None:
        for method, path, body in ADDRESSES[:2]:
            answer = call(getattr(callers, who), method, path, body)
            assert (answer.status_code, answer.json()["code"]) == (422, "EstimateComplexity")
        answer = getattr(callers, who).post("/openeo/estimate", {**ASKED, "source": SOURCE})
        assert (answer.status_code, answer.json()["code"]) == (500, "EstimateComplexity")

    @learnt
    def test_who_asks_for_the_first_time_gets_no_account_by_it(self, callers: Callers) -> None:
        before = Person.objects.count()
        assert callers.person("newcomer").post("/estimates", ASKED).status_code == 422
        assert Person.objects.count() == before


class TestEstimates:
    @learnt
    def test_each_back_end_has_an_interval_and_says_how_it_came_about(self, callers: Callers) -> None:
        document = callers.alice.post("/estimates", ASKED).json()
        cheap, dear = document["estimates"]
        assert (cheap["source"], cheap["backend"], cheap["level"], cheap["jobs"]) == (SOURCE, "terrascope", "own", 36)
        assert (dear["source"], dear["level"], dear["jobs"], dear["jobs_elsewhere"]) == ("cdse", "pooled", 4, 36)
        assert Decimal(cheap["p10"]) < Decimal(cheap["median"]) < Decimal(cheap["p90"])
        assert Decimal(cheap["median"]) == pytest.approx(Decimal(15), rel=Decimal("0.2"))
        assert cheap["why"] == (
            "From 36 finished jobs like it on this back end, by cost for each square kilometre and time step."
        )
        assert cheap["duration_seconds"] == 1500
        assert cheap["failures"] == {"rate": 0.0, "jobs": 36, "alike": True}
        assert cheap["calibration"]["jobs"] > 25
        assert 0 < document["calibration"]["coverage"] <= 1
        assert document["workload"] == {
            "area_m2": 100_000_000.0,
            "time_steps": 10,
            "fingerprint": None,
            "collections": [],
        }
        assert (document["interval"], document["currency"], document["without"]) == (0.8, "credits", [])

    @learnt
    def test_a_place_and_a_time_range_are_counted(self, callers: Callers) -> None:
        asked = {"udp": {"url": URL}, "geometry": BOX, "temporal_extent": ["2026-01-01", "2026-01-11"]}
        counted = callers.alice.post("/estimates", asked).json()["workload"]
        assert counted["area_m2"] == pytest.approx(159e6, rel=0.01)
        assert counted["time_steps"] == 10

    @learnt
    def test_sources_can_be_chosen(self, callers: Callers) -> None:
        document = callers.alice.post("/estimates", {**ASKED, "sources": ["cdse", "nowhere"]}).json()
        assert [one["source"] for one in document["estimates"]] == ["cdse"]
        assert [(one["source"], one["reason"]) for one in document["without"]] == [("nowhere", "source_unknown")]

    @learnt
    @pytest.mark.parametrize(
        "asked",
        [
            {"udp": {"url": "https://algorithms.example.org/udp/unknown"}},
            {"fingerprint": fingerprints.of_graph(GRAPH).text},
            {"process_graph": GRAPH, "area_m2": 7},
            {**ASKED, "sources": ["nowhere"]},
            {**ASKED, "kind": "sync"},
        ],
        ids=str,
    )
    def test_nothing_is_invented(self, callers: Callers, asked: Any) -> None:
        """E1"""
        answer = callers.backend.post("/estimates", asked)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "EstimateComplexity")
        assert answer["Content-Type"] == "application/problem+json"
        assert problem["without"]

    @empty
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"udp": None}, "udp"),
            ({"udp": {"url": "gopher://x"}}, "udp.url"),
            ({"udp": {"name": "x"}}, "udp.name"),
            ({"area": 7}, "area"),
            ({"area_m2": "7"}, "area_m2"),
            ({"area_m2": -1}, "area_m2"),
            ({"geometry": {}, "area_m2": None}, "geometry"),
            ({"geometry": {"type": "Polygon", "coordinates": []}, "area_m2": None}, "geometry.coordinates"),
            ({"geometry": 7, "area_m2": None}, "geometry"),
            ({"process_graph": {"a": {}}}, "process_graph"),
            ({"time_steps": 1.5}, "time_steps"),
            ({"temporal_extent": ["yesterday", None]}, "temporal_extent.0"),
            ({"kind": "stream"}, "kind"),
            ({"collections": ["x", 7]}, "collections.1"),
            ({"options": {"a": "b" * 5000}}, "options"),
            ({"sources": []}, "sources"),
            ({"sources": "cdse"}, "sources"),
            ({"__proto__": 1}, "__proto__"),
        ],
        ids=str,
    )
    def test_bad_input_names_its_field(self, callers: Callers, changes: dict[str, Any], field: str) -> None:
        answer = callers.alice.post("/estimates", {**ASKED, **changes})
        assert (answer.status_code, answer.json()["field"]) == (400, field)

    @empty
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"[]",
            b"7",
            b'{"udp": {"url": "https://x/\\u0000"}}',
            b'{"udp": {"url": "https://x/\\ud800"}}',
            b'{"udp": {"url": "https://x"}, "area_m2": 1e999999}',
            b'{"process_graph": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        ],
        ids=lambda raw: repr(raw[:40]),
    )
    def test_what_is_no_document_is_refused(self, callers: Callers, raw: bytes) -> None:
        answer = callers.alice.send("POST", "/estimates", raw, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400

    @learnt
    def test_it_takes_few_queries(self, callers: Callers, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        callers.backend.post("/estimates", ASKED)
        with django_assert_num_queries(6):
            assert callers.backend.post("/estimates", ASKED).status_code == 200


class TestComparison:
    QUERY: dict[str, Any] = {"udp_url": URL, "area_m2": "1e8", "time_steps": "10", "collection": "SENTINEL2_L2A"}

    @learnt
    def test_the_address_says_what_the_body_does(self, callers: Callers) -> None:
        linked = callers.alice.get("/estimates/comparison", self.QUERY).json()
        posted = callers.alice.post("/estimates", {**ASKED, "collections": ["SENTINEL2_L2A"]}).json()
        for one in linked["estimates"] + posted["estimates"]:
            del one["expires"]
            # a moment later is another estimate, by very little
            one["p10"], one["median"], one["p90"] = (round(Decimal(one[name]), 3) for name in ("p10", "median", "p90"))
        assert linked == posted

    @learnt
    def test_a_back_end_without_the_collection_is_told_with_the_reason(self, callers: Callers) -> None:
        estimates.load_capabilities("cdse", {"collections": [{"id": "SENTINEL1_GRD"}], "processes": [{"id": "ndvi"}]})
        query = f"udp_listing=x&fingerprint={fingerprints.of_graph(GRAPH).text}&udp_url={URL}"
        path = f"/estimates/comparison?{query}&collection=SENTINEL2_L2A,EXOTIC&collection=SENTINEL1_GRD&process=p"
        document = callers.alice.get(path).json()
        assert document["workload"]["collections"] == ["EXOTIC", "SENTINEL1_GRD", "SENTINEL2_L2A"]
        assert [one["source"] for one in document["estimates"]] == [SOURCE, "cdse"]  # jobs like it ran on both
        assert [one["checked"] for one in document["estimates"]] == [False, True]

    @learnt
    def test_the_time_range_is_two_parameters(self, callers: Callers) -> None:
        path = f"/estimates/comparison?udp_url={URL}&from=2026-01-01&to=2026-01-04T00:00:00Z&kind=batch"
        assert callers.alice.get(path).json()["workload"]["time_steps"] == 3

    @empty
    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("", "udp"),
            ("udp_url=x", "udp_url"),
            ("udp_sha256=7", "udp_sha256"),
            ("process=%20", "process"),
            ("fingerprint=x", "fingerprint"),
            (f"udp_url={URL}&area_m2=much", "area_m2"),
            (f"udp_url={URL}&area_m2=1e99", "area_m2"),
            (f"udp_url={URL}&area_m2=NaN", "area_m2"),
            (f"udp_url={URL}&time_steps=0", "time_steps"),
            (f"udp_url={URL}&time_steps=1.5", "time_steps"),
            (f"udp_url={URL}&time_steps=1000001", "time_steps"),
            (f"udp_url={URL}&from=never", "from"),
            (f"udp_url={URL}&to=never", "to"),
            (f"udp_url={URL}&from=2026-02-01&to=2026-01-01", "from"),
            (f"udp_url={URL}&kind=stream", "kind"),
            (f"udp_url={URL}&collection={'x' * 300}", "collection"),
            (f"udp_url={URL}&collection=", "collection"),
            (f"udp_url={URL}&udp_url={URL}", "udp_url"),
            (f"udp_url={URL}&geometry=x", "geometry"),
        ],
    )
    def test_bad_input_names_its_parameter(self, callers: Callers, query: str, field: str) -> None:
        answer = callers.alice.get(f"/estimates/comparison?{query}")
        assert (answer.status_code, answer.json()["field"]) == (400, field)

    @learnt
    def test_nothing_is_invented(self, callers: Callers) -> None:
        """E1"""
        answer = callers.alice.get("/estimates/comparison?process=unknown")
        assert (answer.status_code, answer.json()["code"]) == (422, "EstimateComplexity")


class TestCalibration:
    @learnt
    def test_it_counts_for_all_and_for_each_back_end(self, callers: Callers) -> None:
        """E3"""
        document = callers.alice.get("/estimates/calibration").json()
        assert document["ever"]["jobs"] == sum(one["ever"]["jobs"] for one in document["sources"])
        assert [one["source"] for one in document["sources"]] == [SOURCE, "cdse"]
        span = document["last_30_days"]
        assert span["coverage"] == pytest.approx(span["inside"] / span["jobs"], abs=1e-3)
        assert 0.5 < span["bias"] < 2
        assert document["counted_at"].endswith("Z")

    @empty
    def test_before_anything_was_compared_it_says_so(self, callers: Callers) -> None:
        document = callers.alice.get("/estimates/calibration").json()
        assert document == {"ever": None, "last_30_days": None, "sources": [], "counted_at": None}

    @empty
    def test_unknown_parameters_are_refused(self, callers: Callers) -> None:
        assert callers.alice.get("/estimates/calibration?source=x").status_code == 400


class TestOpenEo:
    @learnt
    def test_the_shape_is_openeos_and_the_costs_an_upper_limit(self, callers: Callers) -> None:
        (one,) = callers.backend.post("/estimates", {**ASKED, "sources": [SOURCE]}).json()["estimates"]
        document = callers.backend.post("/openeo/estimate", {**ASKED, "source": SOURCE}).json()
        assert set(document) == {"costs", "duration", "expires"}
        assert isinstance(document["costs"], float)
        assert document["costs"] == pytest.approx(float(one["p90"]), rel=1e-3)
        assert document["duration"] == "PT1500S"
        expires = datetime.fromisoformat(document["expires"])
        assert timedelta(hours=23) < expires - datetime.now(UTC) <= timedelta(hours=24)

    @learnt
    @pytest.mark.parametrize("changes", [{"udp": {"process": "unknown"}}, {"source": "nowhere"}])
    def test_without_knowledge_it_is_openeos_own_error(self, callers: Callers, changes: dict[str, Any]) -> None:
        """E1. openEO API 1.2, errors.json: EstimateComplexity."""
        answer = callers.backend.post("/openeo/estimate", {**ASKED, "source": SOURCE, **changes})
        assert (answer.status_code, answer["Content-Type"]) == (500, "application/json")
        document = answer.json()
        assert (document["id"], document["code"]) == (answer["X-Request-ID"], "EstimateComplexity")
        assert document["message"] == "The process is too complex to calculate an estimate."
        assert [link["rel"] for link in document["links"]] == ["about"]

    @empty
    @pytest.mark.parametrize(
        ("changes", "field"), [({"source": None}, "source"), ({"sources": ["x"]}, "sources"), ({"udp": {}}, "udp")]
    )
    def test_bad_input_names_its_field(self, callers: Callers, changes: dict[str, Any], field: str) -> None:
        body = {name: value for name, value in {**ASKED, "source": SOURCE, **changes}.items() if value is not None}
        answer = callers.backend.post("/openeo/estimate", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "RequestInvalid")
        assert answer.json()["message"].startswith(f"{field}: ")
