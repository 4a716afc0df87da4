"""A sign-in provider for faults and lasting changes, and somebody to use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from devtools.processes import free_ports
from devtools.provider import Provider, ProviderAdmin, portal_client
from devtools.testenv import PEOPLE
from portal import provider
from tests.portal import reader
from tests.portal import scene as scenes
from tests.portal.visitor import Visitor

SECRET = "a-secret-of-the-test-run"


@pytest.fixture(scope="session")
def own_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider of this worker's own: what is done to it, another worker's sign-ins must not notice."""
    (port,) = free_ports(1)
    clients = [portal_client("portal", SECRET)]
    with Provider(port, tmp_path_factory.mktemp("provider"), PEOPLE, clients) as running:
        yield running


@pytest.fixture(scope="session")
def sign_in_settings(own_provider: Provider) -> dict[str, str]:
    return {
        "OIDC_ISSUER": own_provider.issuer,
        "OIDC_RP_CLIENT_ID": "portal",
        "OIDC_RP_CLIENT_SECRET": SECRET,
    }


@pytest.fixture
def op(own_provider: Provider, sign_in_settings: dict[str, str], settings: Any) -> Iterator[ProviderAdmin]:
    """The provider without faults and without memory of it on our side, before and after."""
    for name, value in sign_in_settings.items():
        setattr(settings, name, value)
    admin = ProviderAdmin(own_provider.root)
    admin.clear_faults()
    _forget()
    yield admin
    admin.clear_faults()
    _forget()


def _forget() -> None:
    provider.forget()
    cache.clear()


@pytest.fixture
def visitor(op: ProviderAdmin, db: None) -> Visitor:
    return Visitor()


@pytest.fixture
def scene(db: None) -> scenes.Scene:
    return scenes.furnish(reader.ISSUER, jobs=8)


@pytest.fixture
def alice(scene: scenes.Scene) -> Client:
    return reader.sign_in(scenes.ALICE)
