"""A mail server, and people who can be mailed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from portal import claims
from portal.models import User
from tests.portal.mail.sink import Sink
from tests.portal.reader import ISSUER


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    """Mail goes there, as in production but without TLS."""
    sink = Sink()
    sink.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", sink.port, 5
    yield sink
    sink.stop()


def person(name: str = "alice", **info: Any) -> User:
    told = {"name": name.capitalize(), "email": f"{name}@example.org", "email_verified": True} | info
    return claims.store(ISSUER, f"{name}@egi.eu", told)


@pytest.fixture
def alice(db: None) -> User:
    return person()
