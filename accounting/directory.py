"""The back ends of the federation as anybody may see them: who runs them, what they promise, whether they report.

Nothing here says anything about users.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Exists, Func, IntegerField, OuterRef, QuerySet

from accounting import activity
from accounting.activity import Activity
from accounting.models import BackEnd, BackEndCapability, Callback, Source


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A `sourceId` of a back end. `has_held`: credits were reserved for a job there. `is_called`: it is told by a
    callback when a running job should stop; otherwise it hears that when it asks."""

    id: int
    source_id: str
    activity: Activity | None
    has_held: bool
    is_called: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """How many collections or processes (`kind`) the back end says it has, as loaded then."""

    kind: str
    count: int
    loaded_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A back end. `excess` says who pays what a job costs beyond its hold: the user (`charge`) or the back end
    itself (`waive`) (H9)."""

    id: int
    slug: str
    name: str
    provider: str
    url: str
    excess: str
    sources: tuple[SourceEntry, ...]
    offers: tuple[Offer, ...]

    @property
    def last_at(self) -> datetime | None:
        return max((one.activity.last_at for one in self.sources if one.activity), default=None)


def name_of(slug: str) -> str | None:
    return BackEnd.objects.filter(slug=slug).values_list("name", flat=True).first()


def sources_of(slug: str) -> Sequence[str]:
    """The `sourceId`s of a back end; none when there is no such back end."""
    return list(Source.objects.filter(backend__slug=slug).order_by("source_id").values_list("source_id", flat=True))


def entries(now: datetime, slug: str | None = None) -> Sequence[Entry]:
    """Every back end by name, or the one of that slug. Five queries, whatever was reported."""
    backends = list(_backends(slug))
    pks = [backend.pk for backend in backends]
    sources = list(_sources(pks))
    reported = activity.of_sources(now)
    held = _held([pk for pk, *_ in sources])
    by_backend: dict[int, list[SourceEntry]] = defaultdict(list)
    for pk, backend_id, source_id, is_called in sources:
        by_backend[backend_id].append(SourceEntry(pk, source_id, reported.get(pk), pk in held, is_called))
    offers = _offers(pks)
    return [
        Entry(
            id=backend.pk,
            slug=backend.slug,
            name=backend.name,
            provider=backend.provider.name,
            url=backend.url,
            excess=backend.excess,
            sources=tuple(by_backend[backend.pk]),
            offers=tuple(offers.get(backend.pk, ())),
        )
        for backend in backends
    ]


def _backends(slug: str | None) -> QuerySet[BackEnd]:
    rows = BackEnd.objects.select_related("provider").order_by("name", "pk")
    return rows if slug is None else rows.filter(slug=slug)


def _sources(backends: Sequence[int]) -> QuerySet[Source, tuple[int, int, str, bool]]:
    called = Callback.objects.filter(active=True, client__active=True, client__sources=OuterRef("pk"))
    rows = Source.objects.filter(backend__in=backends).annotate(is_called=Exists(called)).order_by("source_id")
    return rows.values_list("pk", "backend_id", "source_id", "is_called")


def _held(sources: Sequence[int]) -> set[int]:
    """One index look-up each, however many holds there are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s FROM unnest(%s::bigint[]) s"
            " WHERE EXISTS (SELECT 1 FROM accounting_hold h WHERE h.source_id = s LIMIT 1)",
            [list(sources)],
        )
        return {source for (source,) in cursor.fetchall()}


def _offers(backends: Sequence[int]) -> Mapping[int, list[Offer]]:
    found: dict[int, list[Offer]] = defaultdict(list)
    rows = BackEndCapability.objects.filter(backend__in=backends).order_by("kind")
    for row in rows.annotate(count=Func("names", function="cardinality", output_field=IntegerField())).defer("names"):
        found[row.backend_id].append(Offer(row.kind, row.count, row.loaded_at))
    return found
