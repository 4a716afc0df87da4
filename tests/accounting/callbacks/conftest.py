"""Receivers on this machine, which only a demonstration may call without TLS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounting import callbacks
from tests.accounting.callbacks.receiver import Receiver, receiving
from tests.conftest import Federation


@pytest.fixture
def demonstration(settings: Any) -> None:
    settings.DEMONSTRATION = True


@pytest.fixture
def receiver(demonstration: None) -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def client(federation: Federation, receiver: Receiver) -> int:
    """The job tracker, registered to be called at `receiver`."""
    callbacks.register(federation.client.client, receiver.url)
    return federation.client.client
