"""The sign-in provider of the test run, and somebody to use it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.core.cache import cache

from devtools.provider import ProviderAdmin
from portal import provider
from tests.portal.visitor import Visitor


@pytest.fixture
def op() -> Iterator[ProviderAdmin]:
    """The provider without faults and without memory of it on our side, before and after."""
    admin = ProviderAdmin(os.environ["TEST_OP_ROOT"])
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
