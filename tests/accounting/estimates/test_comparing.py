"""Where a job can run, for how much, and why not elsewhere."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from accounting import estimates, registry
from accounting.errors import InvalidInput, NotFound
from accounting.models import BackEndCapability
from tests.accounting.estimates.jobs import NOW, Past, workload
from tests.conftest import SOURCE, Federation

DAY = timedelta(days=1)
S2 = workload(collections=["SENTINEL2_L2A"])


def offer(backend: str, *, collections: list[str] | None = None, processes: list[str] | None = None) -> None:
    document = {
        name: [{"id": one, "title": "x"} for one in names]
        for name, names in (("collections", collections), ("processes", processes))
        if names is not None
    }
    estimates.load_capabilities(backend, document)


def reasons(found: estimates.Comparison) -> dict[str, str]:
    return {one.source: one.reason for one in found.obstacles}


def test_every_back_end_is_there_once_the_cheapest_first(past: Past) -> None:
    past.days(4, 4, factor=3)
    past.days(4, 4, source="cdse")
    backend = registry.register_backend("new", "New", past.federation.provider)
    registry.register_source("new", backend, "https://aai.example.org/auth/realms/egi")
    estimates.collect(now=NOW)
    found = estimates.compare(workload(), at=NOW)
    assert [one.estimate.source for one in found.options] == ["cdse", SOURCE]
    assert [one.backend_name for one in found.options] == ["CDSE", "Terrascope"]
    assert reasons(found) == {"new": "not_priced"}


def test_a_back_end_that_lacks_a_collection_is_told_so(past: Past) -> None:
    past.days(4, 4, source="cdse", told=S2)
    offer("terrascope", collections=["SENTINEL1_GRD"])
    offer("cdse", collections=["SENTINEL1_GRD"])
    estimates.collect(now=NOW)
    found = estimates.compare(S2, at=NOW)
    assert [(one.estimate.source, one.checked) for one in found.options] == [("cdse", True)]
    (lacking,) = found.obstacles
    assert (lacking.reason, lacking.missing) == ("collection_missing", ("SENTINEL2_L2A",))
    assert lacking.detail == "Terrascope does not offer the collections SENTINEL2_L2A."


def test_a_collection_that_a_finished_job_used_is_there_whatever_the_list_says(past: Past) -> None:
    past.days(4, 4, source="cdse", told=S2)
    other = workload(udp={"url": "https://algorithms.example.org/udp/other"}, collections=["SENTINEL2_L2A"])
    past.run(NOW - DAY, told=other)
    offer("terrascope", collections=["SENTINEL1_GRD"])
    estimates.collect(now=NOW)
    found = estimates.compare(S2, at=NOW)
    assert {one.estimate.source: one.estimate.level for one in found.options} == {"cdse": "own", SOURCE: "elsewhere"}


def test_a_process_that_is_missing_rules_a_back_end_out(past: Past) -> None:
    graph = {"a": {"process_id": "sar_backscatter", "arguments": {}}}
    what = workload(process_graph=graph, udp=None)
    past.days(3, 4, source="cdse", told=what)
    offer("terrascope", processes=["ndvi"])
    estimates.collect(now=NOW)
    found = estimates.compare(what, at=NOW)
    assert reasons(found) == {SOURCE: "process_missing"}


def test_without_lists_nothing_speaks_against_a_back_end_but_nothing_is_invented(past: Past) -> None:
    """E1"""
    past.days(3, 4, told=S2)
    estimates.collect(now=NOW)
    found = estimates.compare(S2, at=NOW)
    assert [(one.estimate.source, one.checked) for one in found.options] == [(SOURCE, False)]
    assert reasons(found) == {"cdse": "nothing_known"}


def test_it_takes_six_queries(past: Past, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    past.days(3, 4, told=S2)
    estimates.collect(now=NOW)
    estimates.compare(S2, at=NOW)
    with django_assert_num_queries(6):
        estimates.compare(S2, at=NOW)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], None),
        ({}, None),
        ({"collections": {}}, "collections"),
        ({"collections": []}, "collections"),
        ({"processes": [{"id": "ndvi"}, {"name": "x"}]}, "processes.1.id"),
        ({"processes": [{"id": ""}]}, "processes.0.id"),
        ({"processes": ["ndvi"]}, "processes.0.id"),
        ({"collections": [{"id": "x\x00"}]}, "collections.0.id"),
    ],
)
def test_another_shape_of_capabilities_is_refused(federation: Federation, document: Any, field: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        estimates.load_capabilities("cdse", document)
    assert refused.value.field == field
    assert not BackEndCapability.objects.exists()
    with pytest.raises(NotFound):
        estimates.load_capabilities("nobody", {"collections": [{"id": "x"}]})


def test_the_command_loads_what_openeo_answers(federation: Federation, tmp_path: Path, capsys: Any) -> None:
    collections, processes = tmp_path / "collections.json", tmp_path / "processes.json"
    collections.write_text(json.dumps({"collections": [{"id": "S2"}, {"id": "S1"}], "links": []}))
    processes.write_text(json.dumps({"processes": [{"id": "ndvi"}], "links": []}))
    for _ in range(2):
        call_command("load_capabilities", str(collections), str(processes), backend="cdse")
    assert "cdse has 2 of kind collection\ncdse has 1 of kind process\n" in capsys.readouterr().out
    kept = dict(BackEndCapability.objects.values_list("kind", "names"))
    assert kept == {"collection": ["S1", "S2"], "process": ["ndvi"]}
    broken = tmp_path / "broken.json"
    for text, said in (("{", "Expecting"), ('{"links": []}', "collections"), ('{"processes": [7]}', "processes.0.id")):
        broken.write_text(text)
        with pytest.raises(CommandError, match=said):
            call_command("load_capabilities", str(broken), backend="cdse")
    with pytest.raises(CommandError, match="not registered"):
        call_command("load_capabilities", str(collections), backend="nobody")
    with pytest.raises(CommandError, match=r"missing\.json"):
        call_command("load_capabilities", str(tmp_path / "missing.json"), backend="cdse")
