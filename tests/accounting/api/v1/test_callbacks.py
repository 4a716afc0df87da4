"""GET /callbacks and /callbacks/deliveries: a back end sees its own, nobody else sees any."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from accounting import callbacks
from accounting.api.v1 import documents
from accounting.callbacks import delivery
from tests.accounting.api.v1.conftest import Callers
from tests.accounting.api.v1.test_entries import pages, unnamed
from tests.accounting.api.v1.test_usage_report_bad_input import check_problem
from tests.accounting.callbacks.receiver import Reply, receiving
from tests.conftest import Federation

PATHS = ("/callbacks", "/callbacks/deliveries")


@pytest.fixture
def history(federation: Federation, settings: Any) -> list[str]:
    """Of the job tracker, oldest first: delivered, refused, given up, waiting."""
    settings.DEMONSTRATION = True
    client = federation.client.client
    with receiving() as receiver:
        callbacks.register(client, receiver.url)
        callbacks.send(client, "job.stop", {}, "given up")
        callbacks.switch_off(client)
        callbacks.register(client, receiver.url)
        receiver.replies += [Reply(204), Reply(400)]
        for cause in ("delivered", "refused"):
            callbacks.send(client, "job.stop", {"cause": cause}, cause)
        assert delivery.deliver() == 1
    callbacks.send(client, "job.warn", {}, "waiting")
    return [receiver.url, *(str(row.uuid) for row in callbacks.deliveries(client).order_by("id"))]


@pytest.mark.parametrize("path", PATHS)
def test_who_may_not(history: list[str], callers: Callers, path: str) -> None:
    check_problem(callers.anonymous.get(path), 401)
    for person in (callers.alice, callers.charlie):
        assert check_problem(person.get(path), 403)["code"] == "service_token_needed"
    assert callers.backend.post(path, {}).status_code == 405


def test_another_back_end_sees_none_of_it(history: list[str], callers: Callers) -> None:
    check_problem(callers.other_backend.get("/callbacks"), 404)
    assert callers.other_backend.get("/callbacks/deliveries").json() == {"items": [], "next": None}


def test_the_registered_address(history: list[str], callers: Callers) -> None:
    answer = callers.backend.get("/callbacks")
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    found = msgspec.json.decode(answer.content, type=documents.Callback, strict=True)
    assert (found.url, found.active, found.rotated_at, found.failures) == (history[0], True, None, 0)
    assert "whsec_" not in answer.content.decode()


def test_what_was_told_and_what_waits(history: list[str], callers: Callers) -> None:
    answer = callers.backend.get("/callbacks/deliveries")
    assert answer["Cache-Control"] == "no-store"
    page = msgspec.json.decode(answer.content, type=documents.CallbackDeliveryPage, strict=True)
    waiting, refused, delivered, given_up = page.items
    assert [one.id for one in reversed(page.items)] == history[1:]
    assert [one.kind for one in page.items] == ["job.warn", "job.stop", "job.stop", "job.stop"]
    assert [one.attempts for one in page.items] == [0, 1, 1, 0]
    assert [one.last_status for one in page.items] == [None, 400, 204, None]
    assert [bool(one.delivered_at) for one in page.items] == [False, False, True, False]
    assert [bool(one.abandoned_at) for one in page.items] == [False, False, False, True]
    assert delivered.next_at is given_up.next_at is None
    assert isinstance(waiting.next_at, datetime)
    assert isinstance(refused.next_at, datetime)
    assert refused.next_at > refused.created_at


def test_pages_follow_one_another(history: list[str], callers: Callers) -> None:
    found = pages(callers.backend, "/callbacks/deliveries", limit=1)
    assert [item["id"] for item in reversed(found)] == history[1:]


def test_what_is_not_understood_is_named(history: list[str], callers: Callers) -> None:
    wrong: dict[str, tuple[str, ...]] = {
        "kind": ("x",),
        "client": ("1",),
        "limit": ("x", "1.5"),
        "cursor": ("x", "\x00"),
    }
    assert unnamed(callers.backend, "/callbacks/deliveries", wrong) == []
    assert unnamed(callers.backend, "/callbacks", {"limit": ("1",), "cursor": ("x",), "url": ("",)}) == []
