from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from portal.api import auth, introspection, tokens
from tests.portal.api.issuing import Issuer, Key, new_key


@pytest.fixture(scope="session")
def spare_keys() -> dict[str, Key]:
    """Made once: a key takes a tenth of a second."""
    return {name: new_key() for name in ("one", "two", "stranger")}


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    cache.clear()
    tokens._stores.clear()
    tokens._remembered.clear()
    auth._clients.clear()
    introspection._kept.clear()
    introspection._endpoints.clear()


@pytest.fixture
def issuer(spare_keys: dict[str, Key], settings: Any) -> Iterator[Issuer]:
    """An issuer that the settings accept, under the id `fake`."""
    running = Issuer({"one": spare_keys["one"]})
    settings.TOKEN_ISSUERS = [{"id": "fake", "issuer": running.issuer}]
    yield running
    running.stop()
