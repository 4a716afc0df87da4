"""The fingerprint of a process graph: what it sees, what it does not, and what it refuses to look at."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest

from accounting import fingerprints
from accounting.errors import InvalidInput
from devtools.paths import ROOT


def node(process_id: str, /, **arguments: Any) -> dict[str, Any]:
    return {"process_id": process_id, "arguments": arguments}


def reduce(*processes: str, dimension: str = "t") -> dict[str, Any]:
    callback = {f"n{n}": node(process) for n, process in enumerate(processes)}
    return node(
        "reduce_dimension", data={"from_node": "load"}, dimension=dimension, reducer={"process_graph": callback}
    )


def graph(**changes: Any) -> dict[str, Any]:
    return {
        "load": node("load_collection", id="SENTINEL2_L2A", spatial_extent={"west": 3}, bands=["B04", "B08"]),
        "max": reduce("max"),
        "save": node("save_result", data={"from_node": "max"}, format="GTiff"),
        **changes,
    }


def text(document: Any) -> str:
    return fingerprints.of_graph(document).text


def test_it_is_what_the_documentation_says() -> None:
    canonical = {
        "collections": ["SENTINEL2_L2A"],
        "processes": [["load_collection", 1], ["max", 1], ["reduce_dimension", 1], ["save_result", 1]],
        "reducers": [["reduce_dimension", "t", ["max"]]],
    }
    written = json.dumps(canonical, separators=(",", ":"), sort_keys=True)
    assert text(graph()) == "pg1-" + hashlib.sha256(written.encode()).hexdigest()


def test_the_example_of_the_documentation_is_right() -> None:
    (example,) = re.findall(r"```json\n(.*)\n```", (ROOT / "docs" / "estimates.md").read_text())
    assert text(graph()) == "pg1-" + hashlib.sha256(example.encode()).hexdigest()


def test_it_names_what_a_back_end_must_have() -> None:
    found = fingerprints.of_graph(graph())
    assert found.processes == ("load_collection", "max", "reduce_dimension", "save_result")
    assert found.collections == ("SENTINEL2_L2A",)
    assert len(found.text) == fingerprints.LENGTH


def test_a_process_of_somebodys_own_is_not_needed_of_a_back_end() -> None:
    own = {"process_id": "crop_map", "namespace": "https://algorithms.example.org/udp/crop", "arguments": {}}
    found = fingerprints.of_graph(graph(own=own))
    assert "crop_map" not in found.processes
    assert found.text != text(graph())


def test_a_udp_has_the_fingerprint_of_its_graph() -> None:
    udp = {"id": "ndvi", "parameters": [{"name": "bbox"}], "process_graph": graph()}
    assert text(udp) == text(graph())


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("another collection", {"load": node("load_collection", id="SENTINEL1_GRD")}),
        ("another reducer", {"max": reduce("min")}),
        ("another dimension", {"max": reduce("max", dimension="bands")}),
        ("one process more", {"more": node("apply", process={"process_graph": {"a": node("absolute")}})}),
        ("a process twice", {"save2": node("save_result", format="GTiff")}),
    ],
)
def test_what_matters_changes_it(what: str, changes: dict[str, Any]) -> None:
    assert text(graph(**changes)) != text(graph()), what


@pytest.mark.parametrize(
    "changes",
    [
        {"load": node("load_collection", id="SENTINEL2_L2A", spatial_extent={"west": 5}, bands=["B02"])},
        {"save": {**node("save_result", format="netCDF"), "result": True, "description": "mine"}},
        {"load": node("load_collection", id="SENTINEL2_L2A", properties={"cloud": {"process_graph": {}}})},
    ],
)
def test_what_does_not_matter_does_not(changes: dict[str, Any]) -> None:
    assert text(graph(**changes)) == text(graph())


def test_a_collection_that_is_a_parameter_is_none() -> None:
    found = fingerprints.of_graph(graph(load=node("load_collection", id={"from_parameter": "collection"})))
    assert found.collections == ()


def test_nodes_that_refer_to_one_another_in_a_circle_are_only_json() -> None:
    circle = {"a": node("add", x={"from_node": "b"}), "b": node("add", x={"from_node": "a"})}
    assert fingerprints.of_graph(circle).processes == ("add",)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def nested(levels: int) -> Any:
    inner: Any = {"a": node("add")}
    for _ in range(levels):
        inner = {"a": node("apply", process={"process_graph": inner})}
    return inner


@pytest.mark.parametrize(
    "hostile",
    [
        None,
        [],
        {},
        "graph",
        7,
        {"a": None},
        {"a": {"arguments": {}}},
        {"a": {"process_id": 7}},
        {"a": {"process_id": ""}},
        {"a": {"process_id": "x" * 256}},
        {"process_graph": {}},
        {"a": node("add", x=deep(300))},
        nested(150),
        {str(n): node("add") for n in range(fingerprints.MOST_NODES + 1)},
        {"a": node("add", x=[0] * (fingerprints.MOST_VALUES + 1))},
        {"a": node("apply", process={"process_graph": {"b": 7}})},
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_graph_or_too_large_is_refused_with_the_field(hostile: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        fingerprints.of_graph(hostile)
    assert refused.value.field == "process_graph"


def test_odd_values_inside_are_ignored() -> None:
    odd = {"a": {"process_id": "add\ud800", "arguments": [1, 2]}, "b": node("load_collection", id=7, reducer=[1])}
    odd["c"] = node("reduce_dimension", dimension=None, reducer={"process_graph": [1]})
    odd["d"] = node("aggregate_spatial", reducer="x")
    assert fingerprints.of_graph(odd).text.startswith(fingerprints.PREFIX)
