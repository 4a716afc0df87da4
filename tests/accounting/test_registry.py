"""Providers, back ends, sources and clients: registered by name, any number of times."""

from __future__ import annotations

import pytest

from accounting import registry
from accounting.models import Account, BackEnd, Provider, Source
from tests.accounting.books import rows
from tests.conftest import ISSUER, SOURCE, Federation


def test_registering_again_changes_the_words_and_makes_nothing_new(federation: Federation) -> None:
    before = rows()
    assert registry.register_provider("vito", "VITO NV") == federation.provider
    backend = registry.register_backend("terrascope", "Terrascope 2", federation.provider, url="https://t.example.org")
    assert backend == federation.backend
    source = registry.register_source(SOURCE, backend, ISSUER)
    assert registry.register_client(ISSUER, "job-tracker", "Tracker", [SOURCE]) == federation.client.client
    assert rows() == before
    assert Provider.objects.get(pk=federation.provider).name == "VITO NV"
    assert BackEnd.objects.get(pk=backend).url == "https://t.example.org"
    assert Source.objects.get(pk=source).backend_id == backend


def test_a_provider_has_an_account_for_what_is_owed_to_it(db: None) -> None:
    pk = registry.register_provider("eodc", "EODC")
    assert str(Account.objects.get(provider_id=pk)) == f"provider_payable:{pk}"


@pytest.mark.parametrize("spelling", [ISSUER, f"{ISSUER}/", ISSUER.upper()])
def test_an_issuer_has_one_spelling(federation: Federation, spelling: str) -> None:
    found = registry.find_client(spelling, "job-tracker")
    assert found is not None
    assert (found.pk, found.name, found.subject) == (federation.client.client, "job-tracker", "")
    assert registry.register_source(SOURCE, federation.backend, spelling)
    assert Source.objects.get(source_id=SOURCE).user_issuer == ISSUER


def test_a_client_is_found_only_at_its_issuer_and_while_it_is_active(federation: Federation) -> None:
    assert registry.find_client("https://other.example.org", "job-tracker") is None
    assert registry.find_client(ISSUER, "JOB-TRACKER") is None
    registry.register_client(ISSUER, "job-tracker", "Tracker", [SOURCE], active=False)
    assert registry.find_client(ISSUER, "job-tracker") is None
    registry.register_client(ISSUER, "job-tracker", "Tracker", [SOURCE], subject="s-1")
    found = registry.find_client(ISSUER, "job-tracker")
    assert found is not None
    assert found.subject == "s-1"


def test_the_sources_of_a_client_are_those_named_last(federation: Federation) -> None:
    assert registry.sources_of(federation.client.client) == [SOURCE]
    registry.register_client(ISSUER, "job-tracker", "Tracker", ["cdse", SOURCE, "Nowhere"])
    assert registry.sources_of(federation.client.client) == [SOURCE, "cdse"]
    registry.register_client(ISSUER, "job-tracker", "Tracker")
    assert registry.sources_of(federation.client.client) == []
