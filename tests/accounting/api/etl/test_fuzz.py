"""Random bodies: never a 5xx, nothing written unless it is answered 201, and what is answered is what is charged."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounting.units import METRIC_UNITS, UNITS
from portal.api.schema import document
from tests.accounting.api.etl.wire import SENTINEL_HUB, UDP, Caller, added_value, resources, rows
from tests.conftest import SOURCE

# The callers outlive the examples on purpose: the reports of all of them pile up in one database.
relaxed = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(
        ["j-1", "1e5", "0.33", "FINISHED", "cpu-seconds", "\ud800", "\x00", "\U0001d7d9", "-0", "1" * 400]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, inner in inside for place in paths_of(inner, (*path, name)))]


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(body)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


@st.composite
def mutated(draw: Callable[..., Any]) -> tuple[str, Any]:
    """A good body with up to three values replaced by anything."""
    endpoint = draw(st.sampled_from(["resources", "addedvalue"]))
    body: Any = resources() if endpoint == "resources" else added_value()
    for _ in range(draw(st.integers(1, 3))):
        body = replaced(body, draw(st.sampled_from(paths_of(body))), draw(anything))
    return endpoint, body


def spent() -> int:
    """Micro-credits that left all wallets, from their own running balances."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT -coalesce(sum(posted), 0) FROM accounting_account WHERE kind = 'wallet'")
        return int(cursor.fetchone()[0])


def assert_charged_as_answered(answer: Any, before: int) -> None:
    total = sum(round(line["cost"] * 1_000_000) for line in answer.json())
    if answer.headers.get("Idempotency-Replayed"):
        total = 0
    assert spent() - before == total


@given(sent=mutated())
@relaxed
def test_mutated_bodies(backend: Caller, sent: tuple[str, Any]) -> None:
    endpoint, body = sent
    before, counted = spent(), rows()
    answer = backend.post(f"/{endpoint}", json.dumps(body).encode())
    assert answer.status_code in {201, 400, 403, 422}, answer.content
    if answer.status_code == 201:
        assert_charged_as_answered(answer, before)
    else:
        content = answer.json()
        assert content["message"]
        kept = 0 if answer.status_code == 400 else None
        changed = {name: count - counted[name] for name, count in rows().items() if count != counted[name]}
        assert changed in ({}, {"QuarantinedReport": 1}, {"QuarantinedReport": 1, "Person": 1})
        assert kept is None or changed == {}


@given(body=st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
@relaxed
def test_arbitrary_bytes(backend: Caller, body: bytes) -> None:
    before = rows()
    for endpoint in ("resources", "addedvalue"):
        assert backend.post(f"/{endpoint}", body).status_code == 400
    assert rows() == before


amounts = (
    st.integers(0, 10**6)
    | st.floats(0, 1e6, allow_nan=False).filter(lambda number: number == 0 or number > 1e-30)
    | st.decimals(0, 10**6, places=4).map(lambda number: f"{number:f}")
)


def measured(metric: str) -> Any:
    units = sorted(unit.name for unit in UNITS.values() if unit.canonical in METRIC_UNITS.get(metric, {unit.canonical}))
    return st.fixed_dictionaries({"value": amounts, "unit": st.sampled_from(units)})


metrics = st.fixed_dictionaries(
    {}, optional={name: measured(name) | st.none() for name in ("cpu", "memory", "time", "processing", "gpu", "other")}
)
instants = (
    st.none() | st.integers(1_690_000_000_000, 1_700_000_000_000) | st.floats(1_690_000_000_000, 1_700_000_000_000)
)
ids = st.from_regex(r"[A-Za-z0-9_@.:/+-]{1,40}", fullmatch=True)
common: dict[str, Any] = {
    "jobId": ids,
    "jobName": st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=600),
    "executionId": st.none() | ids,
    "userId": st.sampled_from(["alice@egi.eu", "bob@egi.eu", "somebody@egi.eu"]) | ids,
    "sourceId": st.sampled_from([SOURCE, SENTINEL_HUB]),
    "idempotencyKey": st.none() | ids,
    "jobFinish": instants,
    "state": st.none() | st.sampled_from(["FINISHED", "FAILED", "KILLED", "UNDEFINED"]),
    "orgId": st.none() | st.integers(0, 500) | st.integers(0, 500).map(str),
}
good = st.tuples(st.just("resources"), st.fixed_dictionaries(common | {"metrics": metrics})) | st.tuples(
    st.just("addedvalue"),
    st.fixed_dictionaries(common | {"service": st.sampled_from([UDP, "ndvi"]) | ids, "area": measured("area")}),
)


@given(sent=good)
@relaxed
def test_good_bodies_are_charged_as_answered(backend: Caller, sent: tuple[str, Any]) -> None:
    endpoint, body = sent
    before = spent()
    answer = backend.post(f"/{endpoint}", body)
    assert answer.status_code == 201, answer.content
    assert_charged_as_answered(answer, before)
    again = backend.post(f"/{endpoint}", body)
    assert again.status_code == 201
    if body["idempotencyKey"] is not None:
        assert again.content == answer.content
        assert again["Idempotency-Replayed"] == "true"


def test_the_document_describes_what_is_accepted(backend: Caller) -> None:
    """The examples of the OpenAPI document are bodies that work."""
    described = json.loads(document("etl"))
    for endpoint in ("resources", "addedvalue"):
        content = described["paths"][f"/{endpoint}"]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            assert backend.post(f"/{endpoint}", example["value"]).status_code == 201
