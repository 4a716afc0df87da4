"""Reading what a job is to do, and keeping the newest word about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounting import areas, workloads
from accounting.errors import InvalidInput
from accounting.models import JobWorkload, Source
from accounting.workloads import Workload
from tests.conftest import SOURCE, Federation

URL = "https://algorithms.example.org/udp/ndvi"
BOX = {"west": 4, "south": 50, "east": 5, "north": 51}
GRAPH = {"load": {"process_id": "load_collection", "arguments": {"id": "SENTINEL2_L2A"}}}


def read(**fields: Any) -> Workload:
    return workloads.read({"udp": {"url": URL}, **fields})


def test_everything_that_can_be_told() -> None:
    found = workloads.read(
        {
            "udp": {"url": URL, "listing": "vito/ndvi", "sha256": "a" * 64, "process": "ndvi"},
            "process_graph": GRAPH,
            "kind": "sync",
            "geometry": BOX,
            "temporal_extent": ["2026-01-01", "2026-01-11T12:00:00+02:00"],
            "collections": ["SENTINEL1_GRD"],
            "options": {"driver-memory": "2g"},
        }
    )
    assert found.area_m2 == pytest.approx(areas.area_m2(BOX))
    assert found.ends_at == datetime(2026, 1, 11, 10, tzinfo=UTC)
    assert found.time_steps == 11  # days that the range touches
    assert found.collections == ("SENTINEL1_GRD", "SENTINEL2_L2A")
    assert found.processes == ("load_collection",)
    assert [key.split(":")[0] for key in found.search_keys()] == [
        f"sync|{name}" for name in ("sha256", "url", "listing", "process", "fingerprint")
    ]
    assert found.label == found.search_keys()[1]
    assert workloads.from_document(workloads.as_document(found)) == found


def test_steps_are_told_or_counted_or_unknown() -> None:
    assert read(temporal_extent=["2026-01-01", "2026-02-01"], time_steps=6).time_steps == 6
    assert read(temporal_extent=["2026-01-01", None]).time_steps is None
    assert read(time_steps=Decimal("7.0")).time_steps == 7
    assert read(area_m2=Decimal("12.5")).area_m2 == 12.5
    assert read().area_m2 is None


def test_batch_and_sync_do_not_share_a_key() -> None:
    assert not set(read().search_keys()) & set(read(kind="sync").search_keys())


NO_AREA: list[Any] = [0, -1, True, "7", 1e300, 10**400, float("nan"), []]
NO_RANGE: list[Any] = ["2026", [], ["2026-01-01"], [None, None], ["2026-02-01", "2026-01-01"]]
NO_STEPS: list[Any] = [0, -1, 1.5, "7", True, 10**7, Decimal("7.5"), Decimal("1E+400")]
BAD: list[tuple[Any, str | None]] = [
    (None, None),
    ([], None),
    ({}, "udp"),
    ({"udp": {}}, "udp"),
    ({"udp": 7}, "udp"),
    ({"udp": {"name": "x"}}, "udp.name"),
    ({"udp": {"url": "ftp://x"}}, "udp.url"),
    ({"udp": {"url": 7}}, "udp.url"),
    ({"udp": {"sha256": "A" * 64}}, "udp.sha256"),
    ({"udp": {"listing": "a b"}}, "udp.listing"),
    ({"udp": {"process": "x" * 256}}, "udp.process"),
    ({"udp": {"process": "x\x00"}}, "udp.process"),
    ({"fingerprint": "pg0-" + "a" * 64}, "fingerprint"),
    ({"fingerprint": "pg1-" + "a" * 64, "process_graph": GRAPH}, "fingerprint"),
    ({"process_graph": []}, "process_graph"),
    ({"udp": {"url": URL}, "area": 7}, "area"),
    ({"udp": {"url": URL}, "kind": "stream"}, "kind"),
    ({"udp": {"url": URL}, "kind": []}, "kind"),
    *(({"udp": {"url": URL}, "area_m2": value}, "area_m2") for value in NO_AREA),
    ({"udp": {"url": URL}, "area_m2": 7, "geometry": BOX}, "area_m2"),
    ({"udp": {"url": URL}, "geometry": {}}, "geometry"),
    *(({"udp": {"url": URL}, "temporal_extent": value}, "temporal_extent") for value in NO_RANGE),
    ({"udp": {"url": URL}, "temporal_extent": ["2026-13-01", None]}, "temporal_extent.0"),
    ({"udp": {"url": URL}, "temporal_extent": ["0001-01-01T00:00:00+14:00", None]}, "temporal_extent.0"),
    ({"udp": {"url": URL}, "temporal_extent": ["2026-01-01", 7]}, "temporal_extent.1"),
    ({"udp": {"url": URL}, "temporal_extent": [None, "9999-12-31"]}, "temporal_extent.1"),
    *(({"udp": {"url": URL}, "time_steps": value}, "time_steps") for value in NO_STEPS),
    ({"udp": {"url": URL}, "collections": "S2"}, "collections"),
    ({"udp": {"url": URL}, "collections": ["S2"] * 51}, "collections"),
    ({"udp": {"url": URL}, "collections": ["S2", ""]}, "collections.1"),
    ({"udp": {"url": URL}, "collections": [7]}, "collections.0"),
    ({"udp": {"url": URL}, "options": []}, "options"),
    ({"udp": {"url": URL}, "options": {"x": "y" * 5000}}, "options"),
]


@pytest.mark.parametrize(
    ("document", "field"),
    BAD,
    ids=lambda value: str(value)[:60],
)
def test_bad_input_names_its_field(document: Any, field: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        workloads.read(document)
    assert refused.value.field == field


def test_the_newest_word_about_a_job_wins(federation: Federation) -> None:
    source = Source.objects.get(source_id=SOURCE).pk
    told = datetime(2026, 11, 1, tzinfo=UTC)
    for steps in (3, 5):
        for person in (None, federation.alice.pk):
            workloads.record(source, "j-1", None, person, read(time_steps=steps), at=told + timedelta(hours=steps))
    kept = JobWorkload.objects.order_by("person_id")
    assert [(row.execution_id, row.document["time_steps"]) for row in kept] == [("", 5), ("", 5)]
    assert {row.recorded_at for row in kept} == {told + timedelta(hours=5)}
