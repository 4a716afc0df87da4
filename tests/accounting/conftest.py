"""Who pays in tests of holds, and the proof after each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.accounting.books import micros, prove
from tests.accounting.hold_books import check_held
from tests.conftest import Federation


@pytest.fixture
def home(federation: Federation) -> int:
    """Alice's own organisation with 100 credits."""
    federation.grant(federation.alice.personal_organisation, micros(100), "g")
    return federation.alice.personal_organisation


@pytest.fixture
def sound_books(federation: Federation) -> Iterator[None]:
    """Held = sum of open holds, and every other invariant, whatever the test did."""
    yield
    check_held()
    prove()
