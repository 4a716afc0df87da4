"""The crowd and its rounds. `make races` asks for more of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.concurrency.crowd import Crowd, gathered
from tests.conftest import Federation


@pytest.fixture
def rounds() -> range:
    return range(int(os.environ.get("RACE_ROUNDS", "8")))


@pytest.fixture
def crowd(committed_federation: Federation) -> Iterator[Crowd]:
    with gathered() as crowd:
        yield crowd
