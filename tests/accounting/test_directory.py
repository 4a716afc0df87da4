"""The back ends as anybody may see them."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting import directory, estimates, holds, registry
from accounting.credits import MICROS
from accounting.models import Callback
from tests.conftest import ISSUER, SOURCE, Federation


def entry(slug: str) -> directory.Entry:
    (found,) = directory.entries(timezone.now(), slug)
    return found


def test_every_back_end_by_name_with_its_sources(federation: Federation) -> None:
    registry.register_source("Terra/Second", federation.backend, ISSUER)
    found = directory.entries(timezone.now())
    assert [(one.name, one.provider, one.excess) for one in found] == [
        ("CDSE", "CloudFerro", "charge"), ("Terrascope", "VITO", "charge")
    ]  # fmt: skip
    assert {source.source_id for source in found[1].sources} == {SOURCE, "Terra/Second"}
    assert found[1].last_at is None
    assert set(directory.sources_of("terrascope")) == {SOURCE, "Terra/Second"}
    assert (directory.name_of("cdse"), directory.name_of("nowhere")) == ("CDSE", None)


def test_one_that_is_not_there(federation: Federation) -> None:
    assert directory.entries(timezone.now(), "nowhere") == []


def test_it_says_whether_holds_and_callbacks_are_used(federation: Federation) -> None:
    assert [(one.has_held, one.is_called) for one in entry("terrascope").sources] == [(False, False)]
    Callback.objects.create(client_id=federation.client.client, url="https://back.example.org/hook")
    federation.grant(federation.alice.personal_organisation, 100 * MICROS, "g")
    payer = holds.Payer(SOURCE, federation.alice.sub)
    holds.reserve(federation.client, holds.Request(payer, "j-1", 10 * MICROS, "h-1"))
    assert [(one.has_held, one.is_called) for one in entry("terrascope").sources] == [(True, True)]
    assert [(one.has_held, one.is_called) for one in entry("cdse").sources] == [(False, False)]


def test_it_counts_what_is_offered(federation: Federation) -> None:
    estimates.load_capabilities("cdse", {"processes": [{"id": "a"}, {"id": "b"}], "collections": [{"id": "c"}]})
    assert [(one.kind, one.count) for one in entry("cdse").offers] == [("collection", 1), ("process", 2)]
    assert entry("terrascope").offers == ()


def test_five_queries_however_many(federation: Federation) -> None:
    counts = []
    for number in range(3):
        backend = registry.register_backend(f"b{number}", f"B {number}", federation.provider)
        registry.register_source(f"s{number}", backend, ISSUER)
        with CaptureQueriesContext(connection) as queries:
            directory.entries(timezone.now())
        counts.append(len(queries))
    assert counts == [5, 5, 5]
