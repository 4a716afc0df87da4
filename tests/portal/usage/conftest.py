"""A lab with a random life, looked at by Bob, its owner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import pytest
from django.test import Client

from accounting import organisations
from tests.accounting.spending_lives import Life
from tests.conftest import Federation
from tests.portal.reader import sign_in

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
"""When the pages are looked at: by then all of the life has happened."""


@pytest.fixture
def life(request: pytest.FixtureRequest, federation: Federation, database_clock: Callable[..., None]) -> Life:
    lived = Life(federation, database_clock, Random(getattr(request, "param", 11)))
    lived.live(45)
    database_clock(NOON)
    return lived


@pytest.fixture
def bob(federation: Federation) -> Client:
    organisations.switch_organisation(federation.bob.pk, federation.lab)
    return sign_in(federation.bob.sub, name="Bob Baker")
