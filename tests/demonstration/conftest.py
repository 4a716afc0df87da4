"""A database that may be filled with made-up usage, and the instant that its past ends at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

NOW = datetime(2026, 5, 13, 15, 30, tzinfo=UTC)
"""A Wednesday afternoon."""


@pytest.fixture
def demonstration(settings: Any, db: None) -> None:
    settings.DEMONSTRATION = True
