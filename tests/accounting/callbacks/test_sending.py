"""Messages are rows of the caller's transaction, one a cause (C1); the database keeps them as they are."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction

from accounting import callbacks
from accounting.callbacks import delivery, signature
from accounting.errors import CallbackInvalid
from accounting.models import Callback, CallbackDelivery
from devtools.postgres import APP
from tests.accounting.callbacks.receiver import Receiver, Reply
from tests.conftest import Federation
from tests.faults import figures


def test_one_message_for_each_client_kind_and_cause(client: int, federation: Federation, receiver: Receiver) -> None:
    other = federation.other_client.client
    callbacks.register(other, receiver.url)
    for _ in range(3):
        for owner in (client, other):
            for kind in ("job.stop", "job.warn"):
                for cause in ("hold 1", "hold 2"):
                    callbacks.send(owner, kind, {}, cause)
    assert CallbackDelivery.objects.count() == 8
    assert callbacks.deliveries(client).count() == 4


def test_the_first_content_stays(client: int) -> None:
    callbacks.send(client, "job.stop", {"spendable": "1"}, "a")
    callbacks.send(client, "job.stop", {"spendable": "2"}, "a")
    assert json.loads(callbacks.deliveries(client).get().body)["data"] == {"spendable": "1"}


def test_nobody_is_told_without_a_callback(federation: Federation, client: int) -> None:
    callbacks.send(federation.other_client.client, "job.stop", {}, "a")
    callbacks.send(4711, "job.stop", {}, "a")
    callbacks.switch_off(client)
    callbacks.send(client, "job.stop", {}, "a")
    assert CallbackDelivery.objects.count() == 0


def test_a_message_goes_with_the_transaction_of_what_it_tells(client: int, receiver: Receiver) -> None:
    with transaction.atomic():
        callbacks.send(client, "job.stop", {}, "a")
        assert callbacks.deliveries(client).count() == 1
        transaction.set_rollback(True)
    assert (delivery.deliver(), receiver.received) == (0, [])


@pytest.mark.parametrize(
    ("kind", "payload", "cause"),
    [
        *(("", {}, "a"), ("Job.stop", {}, "a"), ("job stop", {}, "a"), ("job.", {}, "a"), ("j" * 101, {}, "a")),
        *(("job.stop", {}, ""), ("job.stop", {}, "a" * 301), ("job.stop", {}, "a\x00")),
        *(("job.stop", {"n": float("nan")}, "a"), ("job.stop", {"text": "x" * 20_000}, "a")),
    ],
)
def test_what_is_no_message_is_refused(client: int, kind: str, payload: dict[str, Any], cause: str) -> None:
    with pytest.raises(ValueError, match=r"kind|cause|JSON|characters"):
        callbacks.send(client, kind, payload, cause)
    assert CallbackDelivery.objects.count() == 0


def test_registering_again_changes_what_is_said_and_no_secret(client: int, receiver: Receiver) -> None:
    assert callbacks.register(client, receiver.url, "on call: ops@example.org") is None
    assert callbacks.register(client, f"{receiver.url}&v=2") is None
    found = callbacks.find(client)
    assert found is not None
    assert (found.url, found.active, found.generation) == (f"{receiver.url}&v=2", True, 1)
    assert Callback.objects.get().note == "on call: ops@example.org"


def test_switching_off_abandons_what_waits_and_on_again_keeps_the_generation(client: int, receiver: Receiver) -> None:
    callbacks.rotate(client)
    callbacks.send(client, "job.stop", {}, "a")
    assert callbacks.switch_off(client) == 1
    assert (delivery.deliver(), receiver.received) == (0, [])
    assert callbacks.register(client, receiver.url) is None
    assert (delivery.deliver(), receiver.received) == (0, [])
    callbacks.send(client, "job.stop", {}, "b")
    assert delivery.deliver() == 1
    found = callbacks.find(client)
    assert found is not None
    assert found.generation == 2


def test_nothing_is_rotated_or_switched_off_without_a_callback(federation: Federation) -> None:
    for change in (callbacks.rotate, callbacks.switch_off):
        with pytest.raises(CallbackInvalid, match="has no callback"):
            change(federation.client.client)


@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE accounting_callbackdelivery SET body = '{}'",
        "UPDATE accounting_callbackdelivery SET uuid = gen_random_uuid()",
        "UPDATE accounting_callbackdelivery SET cause = 'b'",
        "UPDATE accounting_callbackdelivery SET client_id = 1",
        "UPDATE accounting_callbackdelivery SET delivered_at = now(), abandoned_at = now()",
        "UPDATE accounting_callback SET generation = 1",
        "DELETE FROM accounting_callback",
        "TRUNCATE accounting_callback",
    ],
)
def test_the_database_keeps_messages_and_generations(client: int, deed: str) -> None:
    """C1, C2: whoever connects, also the owner."""
    callbacks.rotate(client)
    callbacks.send(client, "job.stop", {}, "a")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(deed)


def test_the_application_needs_no_more_than_its_role(client: int, receiver: Receiver) -> None:
    call_command("grant_privileges", role=APP, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION AUTHORIZATION {APP}")
        callbacks.register(client, f"{receiver.url}&v=2")
        callbacks.rotate(client)
        callbacks.send(client, "job.stop", {}, "a")
        assert delivery.deliver() == 1
        callbacks.switch_off(client)
        with pytest.raises(ProgrammingError, match="must be owner"), transaction.atomic():
            cursor.execute("ALTER TABLE accounting_callbackdelivery DISABLE TRIGGER ALL")
        cursor.execute("RESET SESSION AUTHORIZATION")


def test_secrets_are_in_no_table_and_in_no_log(
    client: int, receiver: Receiver, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """C2: neither the text that a receiver gets nor the bytes behind it, in any form a dump would show."""
    secrets = [signature.secret_text(client, 1), callbacks.rotate(client)]
    with caplog.at_level("DEBUG"):
        callbacks.send(client, "job.stop", {}, "a")
        receiver.replies.append(Reply(500))
        delivery.deliver()
    with connection.cursor() as cursor:
        cursor.execute("SELECT query_to_xml('SELECT * FROM accounting_callback', true, false, '')::text")
        kept = cursor.fetchone()[0]
        cursor.execute("SELECT query_to_xml('SELECT * FROM accounting_callbackdelivery', true, false, '')::text")
        kept += cursor.fetchone()[0]
    assert receiver.url.replace("&", "&amp;") in kept
    said = kept + capfd.readouterr().out + caplog.text
    assert "callback_failed" in said
    for text in secrets:
        raw = base64.b64decode(text.removeprefix("whsec_"))
        for shape in (text, text.removeprefix("whsec_"), raw.hex(), base64.b32encode(raw).decode()):
            assert shape not in said
    assert figures("SELECT generation FROM accounting_callback") == (2,)
