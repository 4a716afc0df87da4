"""Rate limits and pages: exact counts, stated in headers, one caller never at another one's cost."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.test import Client
from django.urls import path
from rest_framework import generics, serializers
from rest_framework.permissions import AllowAny

from devtools.processes import free_ports
from portal.api import shared
from portal.settings import environment
from tests.portal.api import probe
from tests.portal.api.issuing import Issuer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.portal.api.test_limits")]

handler404 = probe.handler404


class NameSerializer(serializers.ModelSerializer[ContentType]):
    class Meta:
        model = ContentType
        fields = ("id", "model")


class Names(generics.ListAPIView[ContentType]):
    """A list of rows that every database has."""

    permission_classes = [AllowAny]
    throttle_classes = []
    serializer_class = NameSerializer
    queryset = ContentType.objects.all()
    filterset_fields = ("app_label",)
    ordering = ("-id",)
    query_parameters = ("app_label",)


urlpatterns = [path("probe/names", Names.as_view()), *probe.urlpatterns]


def ask(client: Client, issuer: Issuer, sub: str = "alice@egi.eu", path: str = "/probe/who") -> Any:
    return client.get(path, headers={"authorization": f"Bearer {issuer.token(sub=sub)}"})


def test_headers_count_down(client: Client, issuer: Issuer, settings: Any, time_machine: Any) -> None:
    settings.THROTTLE_PER_MINUTE = 3
    time_machine.move_to(1_800_000_020, tick=False)  # 20 s into a minute
    for left in (2, 1, 0):
        answer = ask(client, issuer)
        assert answer.status_code == 200
        assert answer["RateLimit-Policy"] == '"default";q=3;w=60'
        assert answer["RateLimit"] == f'"default";r={left};t=40'
    answer = ask(client, issuer)
    assert answer.status_code == 429
    assert answer["Retry-After"] == "40"
    assert answer["RateLimit"] == '"default";r=0;t=40'
    assert answer.json()["code"] == "rate_limited"


def test_a_new_minute_begins_anew(client: Client, issuer: Issuer, settings: Any, time_machine: Any) -> None:
    settings.THROTTLE_PER_MINUTE = 1
    time_machine.move_to(1_800_000_059, tick=False)
    assert [ask(client, issuer).status_code for _ in range(2)] == [200, 429]
    time_machine.move_to(1_800_000_060, tick=False)
    assert ask(client, issuer).status_code == 200


def test_each_caller_has_their_own(client: Client, issuer: Issuer, settings: Any) -> None:
    settings.THROTTLE_PER_MINUTE = 2
    assert [ask(client, issuer).status_code for _ in range(3)][-1] == 429
    assert ask(client, issuer, "bob@egi.eu").status_code == 200


def test_the_etl_api_is_not_limited_unless_told(client: Client, issuer: Issuer, settings: Any) -> None:
    settings.THROTTLE_PER_MINUTE = 1
    for _ in range(5):
        answer = ask(client, issuer, path="/probe/etl-who")
        assert answer.status_code == 200
        assert "RateLimit" not in answer
    settings.THROTTLE_ETL_PER_MINUTE = 1
    assert [ask(client, issuer, path="/probe/etl-who").status_code for _ in range(2)] == [200, 429]


def test_exactly_as_many_as_allowed_from_many_threads(settings: Any, time_machine: Any) -> None:
    """1,000 requests of 32 threads against a limit of 100: the library's own throttles let more through."""
    time_machine.move_to(1_800_000_000, tick=False)
    barrier = threading.Barrier(32)

    def burst(_: int) -> int:
        barrier.wait(10)
        return sum(shared.count("rate:v1:everybody:1", 120) <= 100 for _ in range(32))

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(burst, range(32))) == 100


def test_a_counter_that_goes_away_between_two_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.set("gone", 5)
    monkeypatch.setattr(cache, "incr", lambda key: cache.delete(key) and int("not there"))
    assert shared.count("gone", 120) == 1


@pytest.mark.filterwarnings("ignore:Overriding setting CACHES")
def test_a_cache_that_is_away_limits_nobody_and_loses_no_call(
    client: Client, issuer: Issuer, settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("CACHE_URL", f"redis://127.0.0.1:{port}/0")
    settings.CACHES = {"default": environment.cache("CACHE_URL", "")}
    settings.THROTTLE_PER_MINUTE = 1
    monkeypatch.setattr(shared, "_failed_at", float("-inf"))
    assert [ask(client, issuer).status_code for _ in range(4)] == [200] * 4
    said = [record for record in caplog.records if record.getMessage() == "cache_unavailable"]
    assert len(said) == 1


# --- pages --------------------------------------------------------------------------------------------------------


def test_pages_hold_everything_once(client: Client) -> None:
    total, seen, address = ContentType.objects.count(), [], "/probe/names?limit=4"
    while address:
        body = client.get(address).json()
        assert set(body) == {"items", "next"}
        assert len(body["items"]) <= 4
        seen += [item["id"] for item in body["items"]]
        address = body["next"]
    assert len(seen) == len(set(seen)) == total
    assert seen == sorted(seen, reverse=True)


def test_rows_that_arrive_do_not_shift_the_pages(client: Client) -> None:
    first = client.get("/probe/names?limit=3").json()
    ContentType.objects.create(app_label="new", model="new")
    second = client.get(first["next"]).json()
    assert not {item["id"] for item in first["items"]} & {item["id"] for item in second["items"]}


@pytest.mark.parametrize(("limit", "rows"), [("0", 1), ("-5", 1), ("2", 2), ("501", None), ("9999999999999999", None)])
def test_the_limit_is_clamped(client: Client, limit: str, rows: int | None) -> None:
    body = client.get(f"/probe/names?limit={limit}").json()
    assert len(body["items"]) == (rows or ContentType.objects.count())


@pytest.mark.parametrize("limit", ["ten", "1.5", "1e9", "٣", "9" * 30, "+5", "-"])
def test_a_limit_that_is_no_number(client: Client, limit: str) -> None:
    answer = client.get("/probe/names", {"limit": limit})
    assert answer.status_code == 400
    assert answer.json()["field"] == "limit"


@pytest.mark.parametrize(
    "cursor", ["x", "bz05OTk5OTk5OTk5OTk5OTk5OTk5OTk=", "cD1ub3RoaW5n", "%00", "ÿ", "=" * 10, "cj0xJnA9"]
)
def test_a_cursor_that_is_not_ours(client: Client, cursor: str) -> None:
    answer = client.get("/probe/names", {"cursor": cursor})
    assert answer.status_code == 400, answer.content
    assert answer.json()["field"] == "cursor"


def test_unknown_parameters_are_named(client: Client) -> None:
    answer = client.get("/probe/names?limit=2&app_lable=x&<b>=1")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["<b>", "app_lable"]
    assert "app_label, cursor, limit" in answer.json()["detail"]


def test_filters_work_beside_pages(client: Client) -> None:
    body = client.get("/probe/names?app_label=sessions").json()
    assert [item["model"] for item in body["items"]] == ["session"]


def test_the_next_address_is_absolute(client: Client) -> None:
    assert re.match(r"http://testserver/probe/names\?cursor=", client.get("/probe/names?limit=1").json()["next"])
