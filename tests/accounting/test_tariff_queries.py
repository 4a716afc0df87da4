"""What is announced, as it was known at an instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounting import registry, tariffs
from accounting.models import Source
from accounting.tariff_queries import announcements
from accounting.tariffs import RuleSpec
from tests.conftest import ISSUER, SOURCE, Federation

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CPU = RuleSpec("CPU", "cpu", "cpu-hour", Decimal("1.5"))
DEARER = replace(CPU, price=Decimal("1.8"))
Clock = Callable[[datetime | None], None]


@pytest.fixture
def source(federation: Federation, database_clock: Clock) -> int:
    """Two sources: one with a tariff since long ago, and that of `federation`, as published before NOW."""
    database_clock(NOW)
    registry.register_source("New/Source", federation.backend, ISSUER)
    publish([CPU], starts_at=NOW - 300 * DAY)
    return Source.objects.get(source_id="New/Source").pk


def publish(rules: list[RuleSpec], **period: Any) -> int:
    return tariffs.publish("New/Source", "Card", rules, **period)


class TestAnnouncements:
    def test_says_nothing_while_nothing_is_announced(self, source: int) -> None:
        assert announcements(None, NOW) == []

    def test_tells_what_changes_and_when(self, source: int) -> None:
        tariff = publish([DEARER], starts_at=NOW + 20 * DAY, note="Power is dearer")
        (told,) = announcements(None, NOW)
        assert (told.card.id, told.card.starts_at, told.card.note) == (tariff, NOW + 20 * DAY, "Power is dearer")
        assert (told.card.source, told.card.backend_slug, told.card.provider_name) == (source, "terrascope", "VITO")
        assert told.before is not None
        assert (told.before.version, told.before.ends_at, told.card.version) == (1, NOW + 20 * DAY, 2)
        assert [(change.percent, change.direction) for change in told.changes] == [(Decimal(20), "dearer")]

    def test_each_is_compared_with_the_one_before_it(self, source: int) -> None:
        publish([DEARER], starts_at=NOW + 20 * DAY)
        publish([CPU], starts_at=NOW + 40 * DAY)
        assert [told.changes[0].direction for told in announcements(None, NOW)] == ["dearer", "cheaper"]

    def test_the_first_card_of_a_source_has_none_before_it(self, federation: Federation, database_clock: Clock) -> None:
        database_clock(NOW)
        registry.register_source("Third", federation.backend, ISSUER)
        tariffs.publish("Third", "Card", [CPU], starts_at=NOW + DAY)
        (told,) = announcements(None, NOW)
        assert told.before is None
        assert [change.kind for change in told.changes] == ["added"]

    def test_it_is_over_when_it_starts_and_unknown_before_it_was_published(
        self, source: int, database_clock: Clock
    ) -> None:
        database_clock(NOW + DAY)
        publish([DEARER], starts_at=NOW + 20 * DAY)
        assert not announcements(None, NOW)
        assert announcements(None, NOW + DAY)
        assert announcements(None, NOW + 20 * DAY - timedelta(seconds=1))
        assert not announcements(None, NOW + 20 * DAY)

    def test_of_the_sources_that_matter_only(self, source: int) -> None:
        publish([DEARER], starts_at=NOW + 20 * DAY)
        assert announcements([source], NOW)
        assert not announcements([Source.objects.get(source_id=SOURCE).pk], NOW)
        assert not announcements([], NOW)

    def test_three_queries_however_many(self, source: int, django_assert_num_queries: Any) -> None:
        for days in (20, 40, 60):
            publish([DEARER, replace(CPU, price=Decimal(days), when={"kind": ["sync"]})], starts_at=NOW + days * DAY)
        with django_assert_num_queries(3):
            assert len(announcements(None, NOW)) == 3
