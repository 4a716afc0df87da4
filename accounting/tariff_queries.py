"""Rate cards as people read them: what is in force, what was, what is announced, and what changes with it.

All of it is public: prices are nobody's secret.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery

from accounting import tariffs
from accounting.models import RatingRule, Tariff
from accounting.rate_changes import RuleChange, compare
from accounting.rating import Rule

MOST = 100
"""Rate cards that one read gives, at most."""
Phase = Literal["past", "in_force", "announced"]


@dataclass(frozen=True, slots=True)
class RateCard:
    """A version of a source's tariff, in force during `[starts_at, ends_at)`; `id` is the tariff that receipts name."""

    id: int
    source: int
    source_id: str
    backend_slug: str
    backend_name: str
    provider_name: str
    version: int
    name: str
    note: str
    starts_at: datetime
    ends_at: datetime | None
    published_at: datetime
    rules: tuple[Rule, ...]

    def phase(self, now: datetime) -> Phase:
        if self.starts_at > now:
            return "announced"
        return "past" if self.ends_at is not None and self.ends_at <= now else "in_force"


@dataclass(frozen=True, slots=True)
class Announcement:
    """A rate card that comes into force at `card.starts_at`, and what is different from the one `before` it (None: the
    source had none). `changes` is empty when only names or notes are."""

    card: RateCard
    before: RateCard | None
    changes: tuple[RuleChange, ...]


def in_force(at: datetime) -> Sequence[RateCard]:
    """The rate card of each source that has one at that instant, by back end. Two queries."""
    rows = _rows(Tariff.objects.filter(_covers(at)), None)
    return _cards(list(rows.order_by("source__backend__name", "source__source_id")))


def of_backend(slug: str, *, before: int | None = None, size: int = MOST) -> Sequence[RateCard]:
    """The versions of the tariffs of a back end's sources, the one that starts last first. Two queries.

    :param before: only those published before this one (its `id`), for the next part of a long history.
    """
    rows = _rows(Tariff.objects.filter(source__backend__slug=slug), None)
    if before is not None:
        starts_at = Subquery(Tariff.objects.filter(pk=before).values("starts_at")[:1])
        rows = rows.filter(Q(starts_at__lt=starts_at) | Q(starts_at=starts_at, pk__lt=before))
    return _cards(list(rows.order_by("-starts_at", "-pk")[:size]))


def find(slug: str, source_id: str, version: int) -> Announcement | None:
    """A version of the tariff of a back end's source, with what it changed; None: there is no such one."""
    rows = Tariff.objects.filter(source__backend__slug=slug, source__source_id=source_id, version=version)
    return next(iter(_with_changes(_rows(rows, None))), None)


def changes_of(cards: Collection[int]) -> Mapping[int, Announcement]:
    """What each of these rate cards (their `id`s) changed. Three queries at most."""
    found = _with_changes(_rows(Tariff.objects.filter(pk__in=cards), None))
    return {one.card.id: one for one in found}


def versions() -> QuerySet[Tariff]:
    """Every published version, with its source, back end, provider and rules. Order is the caller's."""
    rules = Prefetch("rules", RatingRule.objects.order_by("position"))
    return _rows(Tariff.objects.all(), None).prefetch_related(rules)


def card_of(row: Tariff) -> RateCard:
    """Of a row of `versions`."""
    return _card(row, tuple(tariffs.read_rule(rule) for rule in row.rules.all()))


def _covers(at: datetime) -> Q:
    return Q(starts_at__lte=at) & (Q(ends_at__isnull=True) | Q(ends_at__gt=at))


def announcements(sources: Collection[int] | None, now: datetime) -> Sequence[Announcement]:
    """What is published at `now` and not in force yet, the soonest first; at most `MOST`. Three queries at most.

    :param sources: primary keys of the sources that matter; None: all.
    """
    rows = _rows(Tariff.objects.filter(starts_at__gt=now, published_at__lte=now), sources)
    return _with_changes(rows.order_by("starts_at", "pk")[:MOST])


def _with_changes(rows: QuerySet[Tariff]) -> list[Announcement]:
    earlier = Tariff.objects.filter(source_id=OuterRef("source_id"), starts_at__lt=OuterRef("starts_at"))
    found = list(rows.annotate(before_id=Subquery(earlier.order_by("-starts_at").values("pk")[:1])))
    wanted = {row.before_id for row in found if row.before_id} - {row.pk for row in found}
    others = list(_rows(Tariff.objects.filter(pk__in=wanted), None)) if wanted else []
    cards = {card.id: card for card in _cards([*found, *others])}
    return [_announce(cards[row.pk], cards.get(row.before_id or 0)) for row in found]


def _announce(card: RateCard, before: RateCard | None) -> Announcement:
    return Announcement(card, before, compare(before.rules if before else (), card.rules))


def _rows(rows: QuerySet[Tariff], sources: Collection[int] | None) -> QuerySet[Tariff]:
    rows = rows.select_related("source__backend__provider")
    return rows if sources is None else rows.filter(source_id__in=sources)


def _cards(rows: Sequence[Tariff]) -> list[RateCard]:
    """With their rules, in one query for all."""
    rules: Mapping[int, list[Rule]] = defaultdict(list)
    for rule in RatingRule.objects.filter(tariff__in=[row.pk for row in rows]).order_by("tariff_id", "position"):
        rules[rule.tariff_id].append(tariffs.read_rule(rule))
    return [_card(row, tuple(rules[row.pk])) for row in rows]


def _card(row: Tariff, rules: tuple[Rule, ...]) -> RateCard:
    backend = row.source.backend
    return RateCard(
        id=row.pk,
        source=row.source_id,
        source_id=row.source.source_id,
        backend_slug=backend.slug,
        backend_name=backend.name,
        provider_name=backend.provider.name,
        version=row.version,
        name=row.name,
        note=row.note,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        published_at=row.published_at,
        rules=rules,
    )
