"""Which algorithms are told to be used by many: only what many organisations and persons paid for (E4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounting import organisations, popularity, registry, tariffs, usage
from accounting.models import PopularProcess
from accounting.principals import ServicePrincipal
from accounting.rating import UsageLine
from accounting.reports import USAGE_REPORTS, UsageReport
from accounting.tariffs import RuleSpec
from tests.conftest import ISSUER, Federation

DAY = timedelta(days=1)
NOW = timezone.now()
Use = Callable[..., None]


@pytest.fixture
def use(federation: Federation) -> Use:
    """Somebody pays for a process on a back end on a day that many days ago."""
    clients = {}
    for slug in ("one", "two"):
        backend = registry.register_backend(slug, slug.capitalize(), federation.provider)
        registry.register_source(slug, backend, ISSUER)
        rules = [
            RuleSpec("Service", "area", "km2", Decimal(1), when={"process": [name]})
            for name in ("snow_line", "crop_map", "secret")
        ]
        tariffs.publish(slug, "Card", rules, starts_at=NOW - 400 * DAY)
        pk = registry.register_client(ISSUER, slug, slug, [slug])
        clients[slug] = ServicePrincipal(pk, registry.normalise_issuer(ISSUER), slug, "", slug)
    numbers = iter(range(1000))

    def once(user: str, process: str = "snow_line", source: str = "one", ago: int = 1, **terms: Any) -> None:
        key = f"k-{next(numbers)}"
        report = UsageReport(
            endpoint=USAGE_REPORTS, source=source, user=f"{user}@egi.eu", job_id=key, raw="{}", key=key,
            lines=(UsageLine("area", Decimal(3), "km2", "3", process),), state="FINISHED",
            finished_at=NOW - ago * DAY, **terms,
        )  # fmt: skip
        (outcome,) = usage.ingest(clients[source], [report], on_reuse="refuse")
        assert outcome.status == "booked", outcome.error

    return once


def told() -> list[tuple[str, int, tuple[str, ...]]]:
    popularity.count(timezone.now())
    return [(one.process, one.organisations, one.backends) for one in popularity.most_used(10)]


def test_nothing_was_used(federation: Federation) -> None:
    assert told() == []


def test_two_organisations_are_few_and_three_are_many(use: Use) -> None:
    use("ann")
    use("ben")
    assert told() == []
    use("cid")
    assert told() == [("snow_line", 3, ("One",))]


def test_one_organisation_of_many_members_is_one(use: Use, federation: Federation) -> None:
    for name in ("ann", "ben", "cid", "dan"):
        person = organisations.ensure_person(ISSUER, f"{name}@egi.eu")
        organisations.add_member(federation.lab, person.pk, "developer")
        use(name, organisation=federation.lab)
    assert told() == []


def test_one_person_in_many_organisations_is_one(use: Use) -> None:
    ann = organisations.ensure_person(ISSUER, "ann@egi.eu")
    for number in range(4):
        use("ann", organisation=organisations.create_organisation(f"Lab {number}", ann.pk))
    assert told() == []


def test_one_that_stands_out_is_not_hidden_among_others(use: Use) -> None:
    for ago in range(1, 10):
        use("ann", ago=ago)
    use("ben")
    use("cid")
    assert told() == []
    for ago in range(2, 5):
        use("ben", ago=ago)
    assert told() == [("snow_line", 3, ("One",))]


def test_back_ends_are_named_where_many_used_it(use: Use) -> None:
    for name in ("ann", "ben", "cid"):
        use(name)
    use("ann", source="two", ago=2)
    assert told() == [("snow_line", 3, ("One",))]


def test_those_with_most_organisations_first_and_what_is_past_is_forgotten(use: Use) -> None:
    for name in ("ann", "ben", "cid"):
        use(name, "crop_map", ago=80)
        use(name, "secret", ago=100)
    for name in ("ann", "ben", "cid", "dan"):
        use(name)
    assert [process for process, _, _ in told()] == ["snow_line", "crop_map"]
    popularity.count(timezone.now() + 30 * DAY)
    assert [one.process for one in popularity.most_used(10)] == ["snow_line"]
    popularity.count(timezone.now() + 100 * DAY)
    assert not PopularProcess.objects.exists()
