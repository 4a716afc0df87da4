"""Workers that want the same receiver or tell the same thing at the same moment (C1, C3)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from accounting import callbacks
from accounting.callbacks import claims
from accounting.models import Callback, CallbackDelivery
from tests.concurrency.crowd import SIZE, Crowd
from tests.conftest import Federation


@pytest.fixture
def client(committed_federation: Federation, settings: Any) -> int:
    settings.CALLBACK_ALLOWED_NETWORKS = (ip_network("192.0.2.0/24"),)
    callbacks.register(committed_federation.client.client, "https://192.0.2.1/hook")
    return committed_federation.client.client


def test_one_of_many_workers_gets_the_claim(client: int, crowd: Crowd, rounds: range) -> None:
    callbacks.send(client, "job.stop", {}, "a")
    for _ in rounds:
        Callback.objects.update(next_at=Callback.objects.get().created_at)
        assert sorted(crowd.rush(lambda _: len(claims.claim(10)))) == [0] * (SIZE - 1) + [1]


def test_many_who_tell_the_same_thing_leave_one_message(client: int, crowd: Crowd, rounds: range) -> None:
    for number in rounds:
        assert (
            crowd.rush(lambda _, cause: callbacks.send(client, "job.stop", {}, cause), f"c-{number}") == [None] * SIZE
        )
    assert CallbackDelivery.objects.count() == len(rounds)
