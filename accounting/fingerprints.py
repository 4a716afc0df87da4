"""What kind of work an openEO process graph is, in one short text: equal for graphs that do the same to other places.

Pure. docs/estimates.md says how the fingerprint is computed, so that anybody can compute it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from accounting.errors import InvalidInput

PREFIX = "pg1-"
"""Names the way of computing: another way gets another prefix, so that two never look alike by chance."""
LENGTH = len(PREFIX) + 64
MOST_NODES = 5_000
MOST_VALUES = 200_000
DEEPEST = 100
LONGEST_NAME = 255
LOADS = frozenset({"load_collection"})
"""Processes whose argument `id` is a collection."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`text` is the fingerprint; the rest is what a back end must have to run the graph.

    A process with a `namespace` is somebody's own, so no back end has to have it.
    """

    text: str
    processes: tuple[str, ...]
    collections: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    processes: Counter[str]
    collections: set[str]
    reducers: list[tuple[str, str, tuple[str, ...]]]
    needed: set[str]
    nodes: int = 0
    values: int = 0


def of_graph(graph: object, field: str = "process_graph") -> Fingerprint:
    """The fingerprint of a flat process graph, or of an object that has one as `process_graph` (a UDP).

    Node names, the order of anything, and literal values other than collection ids do not count.

    :raises InvalidInput: naming `field`: no graph, no node in it, or one too large or too deep to look at.
    """
    nodes = graph
    if isinstance(graph, Mapping) and isinstance(graph.get("process_graph"), Mapping):
        nodes = graph["process_graph"]
    if not isinstance(nodes, Mapping) or not nodes:
        raise InvalidInput("send a process graph: an object of nodes, each with process_id and arguments", field=field)
    found = _Found(Counter(), set(), [], set())
    # (values to look into, how deep they are): a stack instead of recursion, so that no graph is too deep for Python.
    stack: list[tuple[object, int]] = [(_arguments(nodes, found, field), 1)]
    while stack:
        value, depth = stack.pop()
        if depth > DEEPEST:
            raise InvalidInput(f"the graph is nested more than {DEEPEST} levels deep", field=field)
        for inner in _parts(value):
            found.values += 1
            if found.values > MOST_VALUES:
                raise InvalidInput(f"the graph has more than {MOST_VALUES} values", field=field)
            if isinstance(inner, Mapping) and isinstance(inner.get("process_graph"), Mapping):
                callback = inner["process_graph"]
                stack.append((_arguments(callback, found, field) if callback else {}, depth + 1))
            elif isinstance(inner, Mapping | list):
                stack.append((inner, depth + 1))
    return _fingerprint(found)


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _arguments(nodes: Mapping[str, Any], found: _Found, field: str) -> list[object]:
    """Counts the nodes of one graph and returns their arguments, where callbacks may be.

    :raises InvalidInput: a node without a process.
    """
    arguments: list[object] = []
    for node in nodes.values():
        name = node.get("process_id") if isinstance(node, Mapping) else None
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            raise InvalidInput(
                f"each node has a process_id, a text of 1 to {LONGEST_NAME} characters; one has none", field=field
            )
        found.nodes += 1
        if found.nodes > MOST_NODES:
            raise InvalidInput(f"the graph has more than {MOST_NODES} nodes", field=field)
        if not node.get("namespace"):
            found.needed.add(name)
        given = node.get("arguments")
        given = given if isinstance(given, Mapping) else {}
        _note(name, given, found)
        arguments.append(given)
    return arguments


def _note(name: str, arguments: Mapping[str, Any], found: _Found) -> None:
    found.processes[name] += 1
    collection = arguments.get("id")
    if name in LOADS and isinstance(collection, str) and 0 < len(collection) <= LONGEST_NAME:
        found.collections.add(collection)
    if name.startswith(("reduce_", "aggregate_")):
        dimension = arguments.get("dimension")
        found.reducers.append((name, dimension if isinstance(dimension, str) else "", _reducer(arguments)))


def _reducer(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The processes of the callback itself, without those of callbacks inside it."""
    reducer = arguments.get("reducer")
    graph = reducer.get("process_graph") if isinstance(reducer, Mapping) else None
    nodes = graph.values() if isinstance(graph, Mapping) else ()
    names = [node.get("process_id") for node in nodes if isinstance(node, Mapping)]
    return tuple(sorted(name for name in names if isinstance(name, str)))


def _fingerprint(found: _Found) -> Fingerprint:
    document = {
        "collections": sorted(found.collections),
        "processes": sorted(found.processes.items()),
        "reducers": sorted(found.reducers),
    }
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)  # ASCII: other characters are escaped
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Fingerprint(PREFIX + digest, tuple(sorted(found.needed)), tuple(sorted(found.collections)))
