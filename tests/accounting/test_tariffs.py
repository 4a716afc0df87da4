"""Rate cards: immutable once published, never overlapping, increases announced ahead (invariants T1 to T3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from accounting import registry, tariffs
from accounting.errors import NotFound, TariffInvalid
from accounting.models import RatingRule, Source, Tariff
from accounting.rating import SURCHARGE, Rule
from accounting.tariffs import RuleSpec
from tests.accounting.books import rows
from tests.conftest import ISSUER, SOURCE, Federation

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MICRO = timedelta(microseconds=1)
NEW = "New/Source"
Clock = Callable[[datetime | None], None]

CPU = RuleSpec("CPU", "cpu", "cpu-hour", Decimal(2))
FAILED = replace(CPU, name="failed", price=Decimal(1), when={"state": ["FAILED", "KILLED"]})
PARTNER = replace(CPU, name="partner", price=Decimal("1.5"), when={"plan": ["partner"]})
STEPS = ((Decimal(10), Decimal(5)), (None, Decimal(1)))
GRADUATED = RuleSpec("CPU", "cpu", "cpu-hour", model="graduated", tiers=STEPS)


@pytest.fixture
def source(federation: Federation, database_clock: Clock) -> str:
    """A source without tariff, and the clock at NOW."""
    database_clock(NOW)
    registry.register_source(NEW, federation.backend, ISSUER)
    return NEW


def publish(*rules: RuleSpec, starts_at: datetime = NOW, **period: Any) -> int:
    return tariffs.publish(NEW, "card", rules, starts_at=starts_at, **period)


def refuse(*rules: RuleSpec, **period: Any) -> TariffInvalid:
    before = rows()
    with pytest.raises(TariffInvalid) as refused:
        publish(*rules, **period)
    assert rows() == before
    return refused.value


class TestPublishing:
    def test_numbers_the_versions_of_a_source_and_ends_the_open_one(self, source: str) -> None:
        first, second = publish(CPU), publish(CPU, starts_at=NOW + DAY, note="the same again")
        old, new = Tariff.objects.get(pk=first), Tariff.objects.get(pk=second)
        assert (old.version, old.starts_at, old.ends_at) == (1, NOW, NOW + DAY)
        assert (new.version, new.starts_at, new.ends_at, new.note) == (2, NOW + DAY, None, "the same again")

    def test_the_first_may_lie_in_the_past(self, source: str) -> None:
        publish(CPU, starts_at=NOW - 300 * DAY)

    def test_needs_a_source_that_is_registered(self, db: None) -> None:
        with pytest.raises(NotFound):
            tariffs.publish("Nowhere", "card", [CPU], starts_at=NOW)

    def test_keeps_what_differs_from_the_plain_case_as_text(self, source: str) -> None:
        rule = replace(
            CPU, free=Decimal("0.5"), minimum=Decimal(1), maximum=Decimal(9), factor=Decimal("0.5"),
            fee=Decimal("0.1"), when={"state": ["KILLED", "FAILED"]}, beneficiary="publisher:x",
        )  # fmt: skip
        tariff = publish(rule, GRADUATED)
        first, second = RatingRule.objects.filter(tariff_id=tariff).order_by("position")
        assert first.terms == {
            "free": "0.5", "minimum": "1", "maximum": "9", "factor": "0.5", "fee": "0.1",
            "when": {"state": ["FAILED", "KILLED"]},
        }  # fmt: skip
        assert second.terms == {"tiers": [["10", "5"], [None, "1"]]}

    def test_gives_rating_the_rules_that_were_said(self, source: str) -> None:
        package = RuleSpec("CPU", "cpu", "cpu-hour", Decimal("0.10"), "package", package=Decimal("2.5"))
        tariff = publish(package, replace(GRADUATED, metric="tiles", canonical_unit="count"), FAILED)
        ids = list(RatingRule.objects.filter(tariff_id=tariff).order_by("position").values_list("pk", flat=True))
        assert tariffs.load(tariff) == (
            Rule(ids[0], "CPU", "cpu", "cpu-hour", "package", Decimal("0.1"), package=Decimal("2.5")),
            Rule(ids[1], "CPU", "tiles", "count", "graduated", tiers=STEPS),
            Rule(
                ids[2], "failed", "cpu", "cpu-hour", "per_unit", Decimal(1),
                when={"state": frozenset({"FAILED", "KILLED"})},
            ),
        )  # fmt: skip


class TestARuleIsRefused:
    @pytest.mark.parametrize(
        ("terms", "field"),
        [
            ({"price": Decimal(-1)}, ""),
            ({"price": Decimal("NaN")}, ""),
            ({"price": Decimal("Infinity")}, ""),
            ({"price": Decimal("0.0000000000001")}, ""),
            ({"price": Decimal(10) ** 12}, ""),
            ({"free": Decimal(-1)}, ""),
            ({"minimum": Decimal(-1)}, ""),
            ({"maximum": Decimal(-1)}, ""),
            ({"factor": Decimal(-1)}, ""),
            ({"package": Decimal(0)}, ""),
            ({"fee": Decimal("1.01")}, ""),
            ({"model": "auction"}, ".model"),
            ({"model": "percentage"}, ".metric"),
            ({"metric": SURCHARGE, "canonical_unit": "credit"}, ".metric"),
            ({"canonical_unit": "gb-hour"}, ".canonical_unit"),
            ({"metric": "tiles", "canonical_unit": "cpu-seconds"}, ".canonical_unit"),
            ({"when": {"weather": ["rain"]}}, ".when"),
            ({"beneficiary": "friend"}, ".beneficiary"),
            ({"beneficiary": "publisher:"}, ".beneficiary"),
            ({"tiers": STEPS}, ".tiers"),
            ({"model": "graduated"}, ".tiers"),
            ({"model": "volume", "tiers": ((Decimal(1), Decimal(1)),)}, ".tiers"),
            ({"model": "volume", "tiers": ((None, Decimal(1)), (None, Decimal(1)))}, ".tiers"),
            ({"model": "volume", "tiers": ((Decimal(2), Decimal(1)), (Decimal(1), Decimal(1)), (None, Decimal(1)))},
             ".tiers"),
            ({"model": "volume", "tiers": ((Decimal(2), Decimal(1)), (Decimal(2), Decimal(1)), (None, Decimal(1)))},
             ".tiers"),
            ({"model": "volume", "tiers": ((Decimal(2), Decimal(-1)), (None, Decimal(1)))}, ""),
        ],
    )  # fmt: skip
    def test_when_it_cannot_be_understood(self, source: str, terms: dict[str, Any], field: str) -> None:
        other = RuleSpec("Memory", "memory", "gb-hour", Decimal(1))
        assert refuse(other, replace(CPU, **terms)).field == f"rules[1]{field}"

    def test_when_another_prices_the_same_under_the_same_conditions(self, source: str) -> None:
        swapped = replace(FAILED, name="again", when={"state": ["KILLED", "FAILED"]})
        assert refuse(CPU, FAILED, swapped).field == "rules[2]"

    def test_when_its_tariff_would_end_before_it_starts(self, source: str) -> None:
        assert refuse(CPU, ends_at=NOW).field == "ends_at"


class TestPeriods:
    """T2."""

    def test_never_overlap(self, source: str) -> None:
        publish(CPU, starts_at=NOW - 10 * DAY, ends_at=NOW - 5 * DAY)
        for start, end in [(-12, -8), (-8, -7), (-6, 1), (-10, -5), (-20, None)]:
            ends_at = None if end is None else NOW + end * DAY
            assert refuse(CPU, starts_at=NOW + start * DAY, ends_at=ends_at).field == "starts_at"

    def test_may_touch_and_may_leave_a_gap_that_is_filled_later(self, source: str) -> None:
        publish(CPU, starts_at=NOW - 10 * DAY, ends_at=NOW - 5 * DAY)
        publish(CPU, starts_at=NOW - DAY)
        publish(CPU, starts_at=NOW - 5 * DAY, ends_at=NOW - DAY)

    def test_of_an_open_tariff_do_not_end_in_the_past(self, source: str) -> None:
        publish(CPU, starts_at=NOW - 10 * DAY)
        assert refuse(replace(CPU, price=Decimal(1)), starts_at=NOW - DAY).field == "starts_at"

    def test_of_different_sources_do_not_meet(self, source: str) -> None:
        publish(CPU)
        assert Tariff.objects.filter(source__source_id=SOURCE, ends_at=None).exists()

    def test_are_kept_apart_by_the_database_too(self, source: str) -> None:
        publish(CPU)
        pk = Source.objects.get(source_id=NEW).pk
        with pytest.raises(IntegrityError, match="tariff_one_in_force"), transaction.atomic():
            Tariff.objects.create(source_id=pk, version=9, name="intruder", size=0, starts_at=NOW + DAY)


class TestCompleteness:
    """T1: what is published gains nothing."""

    def test_refuses_a_rule_added_later(self, source: str) -> None:
        tariff = publish(CPU)
        with pytest.raises(IntegrityError, match="takes no more rules"), transaction.atomic():
            RatingRule.objects.create(
                tariff_id=tariff, position=99, name="late", metric="time", canonical_unit="hour", model="per_unit"
            )


class TestInForce:
    def test_is_from_its_start_until_just_before_its_end(self, source: str) -> None:
        first = publish(CPU, starts_at=NOW, ends_at=NOW + DAY)
        second = publish(CPU, starts_at=NOW + 2 * DAY)
        pk = Source.objects.get(source_id=NEW).pk
        wanted = {
            NOW - MICRO: None,
            NOW: first,
            NOW + DAY - MICRO: first,
            NOW + DAY: None,
            NOW + 2 * DAY - MICRO: None,
            NOW + 2 * DAY: second,
            NOW + 999 * DAY: second,
        }
        assert {at: tariffs.in_force(pk, at) for at in wanted} == wanted


DEARER = [
    [replace(CPU, price=Decimal("2.000001"))],
    [replace(CPU, price=Decimal(1), minimum=Decimal(1))],
    [CPU, RuleSpec("Memory", "memory", "gb-hour", Decimal(1))],
    [RuleSpec("CPU", "cpu", "cpu-hour", Decimal(1), "flat")],
    [replace(CPU, when={"state": ["FINISHED"]}), replace(CPU, price=Decimal(1))],
    [replace(CPU, price=Decimal(1)), RuleSpec("Overhead", SURCHARGE, "credit", Decimal(1), "percentage")],
]
NOT_DEARER = [
    [CPU],
    [],
    [replace(CPU, price=Decimal(1), name="renamed", beneficiary="platform", fee=Decimal("0.5"))],
    [replace(CPU, free=Decimal(1), maximum=Decimal(100), factor=Decimal("0.5"))],
    [CPU, replace(CPU, factor=Decimal(0), when={"state": ["FAILED"]})],
    [CPU, RuleSpec("Memory", "memory", "gb-hour")],
    [CPU, RuleSpec("Memory", "memory", "gb-hour", model="volume", tiers=((None, Decimal(0)),))],
]
CHANGES: list[tuple[list[RuleSpec], list[RuleSpec], bool]] = [
    *(([CPU], rules, True) for rules in DEARER),
    *(([CPU], rules, False) for rules in NOT_DEARER),
    ([replace(CPU, free=Decimal(1))], [CPU], True),
    ([replace(CPU, factor=Decimal("0.5"))], [CPU], True),
    ([replace(CPU, maximum=Decimal(5))], [CPU], True),
    ([replace(CPU, maximum=Decimal(5))], [replace(CPU, maximum=Decimal(6))], True),
    ([replace(CPU, maximum=Decimal(5))], [replace(CPU, maximum=Decimal(4))], False),
    ([replace(CPU, minimum=Decimal(5))], [replace(CPU, minimum=Decimal(4))], False),
    ([replace(CPU, model="package", package=Decimal(2))], [replace(CPU, model="package")], True),
    ([replace(CPU, model="package")], [replace(CPU, model="package", package=Decimal(2))], False),
    ([GRADUATED], [replace(GRADUATED, tiers=((Decimal(10), Decimal(5)), (None, Decimal(2))))], True),
    ([GRADUATED], [replace(GRADUATED, tiers=((Decimal(20), Decimal(5)), (None, Decimal(1))))], True),
    ([GRADUATED], [replace(GRADUATED, tiers=((Decimal(10), Decimal(4)), (None, Decimal(1))))], False),
    ([CPU, FAILED], [CPU], True),
    ([CPU, FAILED], [CPU, replace(FAILED, price=Decimal("1.1"))], True),
    ([CPU, FAILED], [FAILED, CPU], False),
    ([CPU, FAILED, PARTNER], [CPU, PARTNER, FAILED], True),
    ([CPU, FAILED, PARTNER], [PARTNER, FAILED], True),
    ([CPU, FAILED, PARTNER], [FAILED, PARTNER], False),
]


class TestAnnouncement:
    """T3: two weeks, by the database's clock."""

    @pytest.mark.parametrize(("old", "new", "raises"), CHANGES)
    def test_is_due_when_any_charge_could_grow(
        self, source: str, old: list[RuleSpec], new: list[RuleSpec], raises: bool
    ) -> None:
        publish(*old, starts_at=NOW - 30 * DAY)
        if raises:
            assert "14 days" in refuse(*new, starts_at=NOW + 13 * DAY).detail
            publish(*new, starts_at=NOW + 14 * DAY)
        else:
            publish(*new, starts_at=NOW)

    def test_is_as_long_as_the_setting_says(self, source: str, settings: Settings) -> None:
        settings.TARIFF_ANNOUNCEMENT_DAYS = 30
        publish(CPU, starts_at=NOW - 30 * DAY)
        dearer = replace(CPU, price=Decimal(3))
        assert "30 days" in refuse(dearer, starts_at=NOW + 29 * DAY).detail
        publish(dearer, starts_at=NOW + 30 * DAY)

    def test_is_not_avoided_by_ending_the_old_tariff_first(self, source: str) -> None:
        dearer = replace(CPU, price=Decimal(3))
        publish(CPU, starts_at=NOW - 30 * DAY, ends_at=NOW + DAY)
        for start in (NOW + DAY, NOW + DAY + MICRO):
            refuse(dearer, starts_at=start)
        publish(dearer, starts_at=NOW + 14 * DAY)

    def test_is_not_due_for_the_first_prices(self, source: str) -> None:
        publish(replace(CPU, price=Decimal(999)), starts_at=NOW - DAY)


class TestAPublishedTariff:
    """T1, kept by the database whoever connects."""

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "other"},
            {"starts_at": NOW + DAY},
            {"version": 7},
            {"ends_at": NOW - DAY},
            {"ends_at": None},
        ],
    )
    def test_does_not_change(self, source: str, change: dict[str, Any]) -> None:
        tariff = publish(CPU, starts_at=NOW - 30 * DAY)
        with pytest.raises(IntegrityError, match="published"), transaction.atomic():
            Tariff.objects.filter(pk=tariff).update(**change)

    def test_keeps_its_end_once_it_has_one(self, source: str) -> None:
        tariff = publish(CPU, ends_at=NOW + 30 * DAY)
        for end in (NOW + 60 * DAY, NOW + DAY, None):
            with pytest.raises(IntegrityError, match="published"), transaction.atomic():
                Tariff.objects.filter(pk=tariff).update(ends_at=end)

    def test_is_never_deleted_nor_its_rules(self, source: str) -> None:
        tariff = publish(CPU)
        rules = RatingRule.objects.filter(tariff_id=tariff)
        for attempt in (
            Tariff.objects.filter(pk=tariff + 1_000_000)._raw_delete,
            rules._raw_delete,
        ):
            with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
                attempt("default")
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            rules.update(price=Decimal(0))
