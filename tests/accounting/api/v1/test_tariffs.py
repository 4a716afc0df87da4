"""Rate cards for everybody: which there are, at an instant, of a back end; and what asking costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from accounting import tariffs
from accounting.models import Tariff
from accounting.tariffs import RuleSpec
from tests.accounting.api.v1.conftest import Callers
from tests.conftest import SOURCE, Federation

DEARER = RuleSpec("CPU", "cpu", "cpu-hour", Decimal(2), free=Decimal("0.5"), when={"kind": ["batch"]})


@pytest.fixture
def announced(federation: Federation) -> int:
    return tariffs.publish(SOURCE, "Next", [DEARER], starts_at=datetime.now(UTC) + timedelta(days=20), note="Power")


def test_anybody_reads_every_version_the_newest_first(callers: Callers, announced: int) -> None:
    found = callers.anonymous.get("/tariffs").json()
    assert found["next"] is None
    next_one = found["items"][0]
    assert (next_one["id"], next_one["version"], next_one["name"], next_one["note"]) == (announced, 2, "Next", "Power")
    assert (next_one["source"], next_one["backend"], next_one["provider"]) == (SOURCE, "terrascope", "VITO")
    assert next_one["ends_at"] is None
    (rule,) = next_one["rules"]
    del rule["id"]
    assert rule == {
        "name": "CPU", "model": "per_unit", "price": "2", "metric": "cpu", "unit": "cpu-hour",
        "beneficiary": "provider", "terms": {"free": "0.5", "when": {"kind": ["batch"]}},
    }  # fmt: skip
    assert [(one["source"], one["version"]) for one in found["items"][1:]] == [("cdse", 1), (SOURCE, 1)]


def test_a_token_makes_no_difference_even_a_bad_one(callers: Callers, federation: Federation) -> None:
    bodies = {who.get("/tariffs").content for who in (callers.anonymous, callers.alice, callers.backend)}
    assert len(bodies) == 1
    assert callers.anonymous.get("/tariffs", Authorization="Bearer x").status_code == 200


def test_by_back_end_source_and_instant(callers: Callers, announced: int) -> None:
    def versions(query: str) -> list[tuple[str, int]]:
        return [(one["source"], one["version"]) for one in callers.anonymous.get(f"/tariffs?{query}").json()["items"]]

    now = datetime.now(UTC)
    assert versions("backend=cdse") == [("cdse", 1)]
    assert versions("backend=nowhere") == []
    assert versions(f"source={SOURCE}") == [(SOURCE, 2), (SOURCE, 1)]
    assert versions(f"source={SOURCE}&at={now:%Y-%m-%dT%H:%M:%SZ}") == [(SOURCE, 1)]
    assert versions(f"source={SOURCE}&at={now + timedelta(days=21):%Y-%m-%dT%H:%M:%SZ}") == [(SOURCE, 2)]
    assert versions("at=2019-01-01T00:00:00Z") == []


@pytest.mark.parametrize("query", ["at=yesterday", "backend=", "x=1", "backend=a&backend=b", "cursor=x", "limit=x"])
def test_a_parameter_that_means_nothing_is_named(callers: Callers, federation: Federation, query: str) -> None:
    answer = callers.anonymous.get(f"/tariffs?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.content.decode()


def test_pages(callers: Callers, announced: int) -> None:
    first = callers.anonymous.get("/tariffs?limit=2").json()
    rest = callers.anonymous.get(first["next"].partition("/api/v1")[2]).json()
    assert [len(page["items"]) for page in (first, rest)] == [2, 1]
    assert rest["next"] is None


def test_one_by_the_number_that_receipts_name(callers: Callers, announced: int) -> None:
    answer = callers.anonymous.get(f"/tariffs/{announced}")
    assert answer.json() == callers.anonymous.get("/tariffs").json()["items"][0]
    assert answer.json()["href"].endswith("/rates/terrascope/2/?source=TerraScope%2FMEP")


@pytest.mark.parametrize(("tariff", "status"), [("999999999", 404), ("0", 400), ("x", 400), ("9" * 30, 400)])
def test_one_that_is_not_there(callers: Callers, federation: Federation, tariff: str, status: int) -> None:
    assert callers.anonymous.get(f"/tariffs/{tariff}").status_code == status


def test_it_is_asked_for_again_by_its_tag(callers: Callers, federation: Federation, announced: int) -> None:
    for path in ("/tariffs", f"/tariffs/{announced}"):
        first = callers.anonymous.get(path)
        assert first["Cache-Control"] == "public, max-age=60"
        assert first["Access-Control-Allow-Origin"] == "*"
        again = callers.anonymous.get(path, **{"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    tariffs.publish("cdse", "Cheaper", [], starts_at=datetime.now(UTC) + timedelta(days=20))
    changed = callers.anonymous.get("/tariffs", **{"If-None-Match": first["ETag"]})
    assert changed.status_code == 200


def test_queries_do_not_grow_with_versions(
    callers: Callers, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        callers.anonymous.get("/tariffs")
    for days in range(20, 30):
        tariffs.publish(SOURCE, "Next", [DEARER], starts_at=datetime.now(UTC) + timedelta(days=days))
    assert Tariff.objects.count() == 12
    with django_assert_num_queries(2):
        callers.anonymous.get("/tariffs")
