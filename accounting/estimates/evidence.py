"""The jobs that an estimate may know: the newest of each back end, and of what is asked about. One query, bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from accounting import workloads
from accounting.models import Source, Tariff

NEWEST = 400
"""Jobs of a back end, whatever they did."""
NEWEST_ALIKE = 200
"""Jobs of a back end under each key that is asked about."""
MOST_SOURCES = 100
SCORES = 200


@dataclass(slots=True)
class Evidence:
    """An observation. `keys` are those by which it was found."""

    pk: int
    source: int
    label: str
    state: str
    area_km2: float | None
    time_steps: int | None
    seconds: float | None
    charges: str
    known_at: datetime
    keys: set[str] = field(default_factory=set)

    def is_like(self, key: str) -> bool:
        return key == self.label or key in self.keys


@dataclass(frozen=True, slots=True)
class Place:
    """A source where a job could run. `tariff` is the one in force; None when its work cannot be priced."""

    pk: int
    source: str
    backend_pk: int
    backend: str
    backend_name: str
    tariff: int | None
    tariff_ends_at: datetime | None


_ROWS = """
SELECT x.key, o.execution_id, o.source_id, o.label, o.state, o.area_km2, o.time_steps, o.seconds, o.charges, o.known_at
  FROM (SELECT id FROM accounting_source ORDER BY id LIMIT %(most)s) s
 CROSS JOIN (SELECT unnest(%(keys)s::text[]) AS key, unnest(%(limits)s::int[]) AS newest) k
 CROSS JOIN LATERAL (SELECT key, observation_id FROM accounting_observationkey
                      WHERE key = k.key AND source_id = s.id AND known_at < %(at)s
                      ORDER BY known_at DESC LIMIT k.newest) x
  JOIN accounting_observation o ON o.execution_id = x.observation_id
"""


def find(kind: str, keys: Sequence[str], at: datetime) -> list[Evidence]:
    """What was known at that instant, newest first."""
    asked = [workloads.any_key(kind), *keys]
    terms: dict[str, Any] = {
        "most": MOST_SOURCES,
        "keys": asked,
        "limits": [NEWEST] + [NEWEST_ALIKE] * len(keys),
        "at": at,
    }
    found: dict[int, Evidence] = {}
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, terms)
        for key, *row in cursor.fetchall():
            one = found.setdefault(row[0], Evidence(*row))
            one.keys.add(key)
    return sorted(found.values(), key=lambda one: (one.known_at, one.pk), reverse=True)


def places(at: datetime) -> list[Place]:
    """Every source with the tariff in force at that instant. Two queries."""
    in_force = Tariff.objects.filter(starts_at__lte=at).filter(Q(ends_at__isnull=True) | Q(ends_at__gt=at))
    tariffs: Mapping[int, tuple[int, datetime | None]] = {
        source: (pk, ends_at) for source, pk, ends_at in in_force.values_list("source_id", "pk", "ends_at")
    }
    rows = Source.objects.select_related("backend").order_by("pk")[:MOST_SOURCES]
    return [
        Place(
            row.pk,
            row.source_id,
            row.backend_id,
            row.backend.slug,
            row.backend.name,
            *tariffs.get(row.pk, (None, None)),
        )
        for row in rows
    ]


_SCORES = """
SELECT s.id, x.log_ratio / x.spread
  FROM (SELECT id FROM accounting_source ORDER BY id LIMIT %s) s
 CROSS JOIN LATERAL (SELECT log_ratio, spread FROM accounting_storedestimate
                      WHERE source_id = s.id AND judged_at < %s
                      ORDER BY judged_at DESC LIMIT %s) x
 WHERE x.log_ratio IS NOT NULL AND x.spread > 0
"""


def scores(at: datetime) -> Mapping[int, list[float]]:
    """How far the newest estimates of each source were off, in spreads, newest first (E3)."""
    found: dict[int, list[float]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_SCORES, [MOST_SOURCES, at, SCORES])
        for source, score in cursor.fetchall():
            found.setdefault(source, []).append(score)
    return found
