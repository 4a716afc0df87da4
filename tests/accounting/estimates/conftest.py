"""A past that can be written."""

from __future__ import annotations

import pytest

from tests.accounting.estimates.jobs import Clock, Past
from tests.conftest import Federation


@pytest.fixture
def past(federation: Federation, database_clock: Clock) -> Past:
    return Past(federation, database_clock)
