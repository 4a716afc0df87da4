"""The same workload on every back end: where it can run and for how much, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from accounting import workloads
from accounting.errors import InvalidInput, NotFound
from accounting.estimates.disclosure import Audience
from accounting.estimates.evidence import Place
from accounting.estimates.forecasting import Estimate, Forecaster
from accounting.models import BackEnd, BackEndCapability
from accounting.workloads import Workload

MOST_NAMES = 20_000
LONGEST_NAME = 255
COLLECTION_MISSING, PROCESS_MISSING = "collection_missing", "process_missing"
NOTHING_KNOWN, NOT_PRICED = "nothing_known", "not_priced"


@dataclass(frozen=True, slots=True)
class Option:
    """A back end that can run it. `checked`: its own lists say so; else only that jobs like it ran there, or that
    nothing speaks against it."""

    estimate: Estimate
    backend_name: str
    checked: bool


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A back end without a figure: it lacks something (`missing` names it), or nothing is known."""

    source: str
    backend: str
    backend_name: str
    reason: str
    detail: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`options` are cheapest first, by their medians."""

    options: tuple[Option, ...]
    obstacles: tuple[Obstacle, ...]
    at: datetime


def compare(
    workload: Workload,
    *,
    facts: Mapping[str, str] | None = None,
    at: datetime | None = None,
    audience: Audience | None = None,
) -> Comparison:
    """Every source, each once: with an estimate, or with the reason why there is none. Seven queries at most.

    :param audience: the people who are told, from whom single users' jobs are kept (E4); None: a back end.
    """
    at = at or timezone.now()
    forecaster = Forecaster(at, workload.kind, workload.search_keys(), facts=facts, audience=audience)
    places = list(forecaster.places.values())
    ran = forecaster.ran(forecaster.choose_key(workload))
    lists = _lists({place.backend_pk for place in places})
    # That somebody used a collection there is nothing that others may conclude from an answer.
    seen = _collections_seen(workload.collections) if audience is None else ()
    options: list[Option] = []
    obstacles: list[Obstacle] = []
    for place in places:
        lacking = None if place.pk in ran else _lacking(place, workload, lists, seen)
        found = None if lacking else forecaster.estimate(workload, place.pk)
        if found:
            options.append(Option(found, place.backend_name, place.backend_pk in lists))
        else:
            obstacles.append(lacking or _unknown(place))
    options.sort(key=lambda one: (one.estimate.median, one.estimate.source))
    return Comparison(tuple(options), tuple(sorted(obstacles, key=lambda one: one.source)), at)


def _lists(backends: Collection[int]) -> Mapping[int, Mapping[str, frozenset[str]]]:
    found: dict[int, dict[str, frozenset[str]]] = {}
    for row in BackEndCapability.objects.filter(backend_id__in=backends):
        found.setdefault(row.backend_id, {})[row.kind] = frozenset(row.names)
    return found


_SEEN = """
SELECT s.id, k.name
  FROM accounting_source s
 CROSS JOIN (SELECT unnest(%s::text[]) AS key, unnest(%s::text[]) AS name) k
 WHERE EXISTS (SELECT 1 FROM accounting_observationkey o WHERE o.key = k.key AND o.source_id = s.id)
"""


def _collections_seen(names: Sequence[str]) -> Collection[tuple[int, str]]:
    """(source, collection) of which a job there finished that used it."""
    if not names:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, [[workloads.collection_key(name) for name in names], list(names)])
        return set(cursor.fetchall())


def _lacking(
    place: Place,
    workload: Workload,
    lists: Mapping[int, Mapping[str, frozenset[str]]],
    seen: Collection[tuple[int, str]],
) -> Obstacle | None:
    """What the back end's own lists say it does not have, unless a job of the past shows that it has."""
    offered = lists.get(place.backend_pk, {})
    collections = offered.get(BackEndCapability.Kind.COLLECTION)
    if collections is not None:
        missing = [name for name in workload.collections if name not in collections and (place.pk, name) not in seen]
        if missing:
            return _obstacle(place, COLLECTION_MISSING, "does not offer the collections", missing)
    processes = offered.get(BackEndCapability.Kind.PROCESS)
    if processes is not None and (missing := [name for name in workload.processes if name not in processes]):
        return _obstacle(place, PROCESS_MISSING, "does not offer the processes", missing)
    return None


def _obstacle(place: Place, reason: str, says: str, missing: Sequence[str]) -> Obstacle:
    shown = ", ".join(missing[:10])
    detail = f"{place.backend_name} {says} {shown}."
    return Obstacle(place.source, place.backend, place.backend_name, reason, detail, tuple(missing))


def _unknown(place: Place) -> Obstacle:
    if place.tariff is None:
        detail = f"No tariff of {place.backend_name} is in force."
        return Obstacle(place.source, place.backend, place.backend_name, NOT_PRICED, detail)
    detail = f"Too little is known of jobs like this to say what it would cost on {place.backend_name}."
    return Obstacle(place.source, place.backend, place.backend_name, NOTHING_KNOWN, detail)


def load_capabilities(backend: str, document: Any) -> Mapping[str, int]:
    """Replaces what is known of a back end's collections or processes, each if the document has them.

    :param backend: its slug; :param document: `{"collections": [{"id": ...}]}` as openEO's GET /collections answers,
        or `{"processes": [{"id": ...}]}` as GET /processes, or both together.
    :returns: how many of each kind there are now.
    :raises NotFound: no such back end. :raises InvalidInput: another shape.
    """
    row = BackEnd.objects.filter(slug=backend).first()
    if row is None:
        raise NotFound(f"the back end {backend} is not registered", field="backend")
    given = document if isinstance(document, dict) else {}
    found = {
        kind: _names(given[name], name)
        for kind, name in (
            (BackEndCapability.Kind.COLLECTION, "collections"),
            (BackEndCapability.Kind.PROCESS, "processes"),
        )
        if name in given
    }
    if not found:
        raise InvalidInput('the file must be an object with "collections" or "processes", as openEO answers them')
    for kind, names in found.items():
        BackEndCapability.objects.update_or_create(
            backend=row, kind=kind, defaults={"names": names, "loaded_at": timezone.now()}
        )
    return {str(kind): len(names) for kind, names in found.items()}


def _names(items: Any, field: str) -> list[str]:
    if not isinstance(items, list) or not 0 < len(items) <= MOST_NAMES:
        raise InvalidInput(f"a list of 1 to {MOST_NAMES} objects with an id", field=field)
    names = [item.get("id") if isinstance(item, dict) else None for item in items]
    for number, name in enumerate(names):
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\x00" in name:
            raise InvalidInput(f"an id has 1 to {LONGEST_NAME} characters", field=f"{field}.{number}.id")
    return sorted({str(name) for name in names})
