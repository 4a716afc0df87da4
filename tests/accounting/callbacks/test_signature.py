"""Signatures as the specification has them, by secrets that nobody stores (C2)."""

from __future__ import annotations

import base64
import re
import runpy
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounting import callbacks
from accounting.callbacks import delivery, signature
from devtools.paths import ROOT
from tests.accounting.callbacks.receiver import Receiver

GUIDE = (ROOT / "docs" / "callbacks.md").read_text(encoding="utf-8")
(PROGRAM,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
Verify = Callable[[str, Any, bytes], bool]


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    """The program of the receiver's guide."""
    file = tmp_path / "verify.py"
    file.write_text(PROGRAM, encoding="utf-8")
    found: Verify = runpy.run_path(str(file))["verify"]
    return found


def signatures(*generations: int) -> list[str]:
    return signature.sign(7, generations, "msg_1", 1614265330, b'{"test": 2432232314}').split(" ")


def test_the_scheme_is_that_of_standard_webhooks() -> None:
    """The published example of the specification's libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    assert signature._signature(secret, signed) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_belongs_to_one_client_generation_and_key(settings: Any) -> None:
    secrets = {signature.secret_text(client, generation) for client in (1, 11) for generation in (1, 11)}
    settings.SECRET_KEY = "another-key-of-the-tests"
    secrets |= {signature.secret_text(client, generation) for client in (1, 11) for generation in (1, 11)}
    assert len(secrets) == 8
    for text in secrets:
        assert text.startswith("whsec_")
        assert len(base64.b64decode(text.removeprefix("whsec_"))) == 32


def test_each_generation_and_each_key_signs(settings: Any) -> None:
    alone = signatures(2)
    assert len(alone) == 1
    before = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-key-of-the-tests", [before]
    assert len(signatures(2)) == 2
    assert signatures(2)[1] == alone[0]
    assert len(set(signatures(2, 1))) == 4


def test_the_message_of_the_guide_fits_its_secret(verify: Verify) -> None:
    (example,) = re.findall(r"```\nPOST .*?\n(webhook-.*?)\n```", GUIDE, re.DOTALL)
    head, body = example.split("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines() if line.startswith("webhook-"))
    (secret,) = re.findall(r"`(whsec_[^`]+)`", GUIDE)
    assert (
        signature._signature(
            base64.b64decode(secret.removeprefix("whsec_")),
            f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode(),
        )
        == headers["webhook-signature"]
    )
    lasting: Any = verify
    assert lasting(secret, headers, body.encode(), 10**12)
    assert not lasting(secret, headers, body.encode())


def test_what_arrives_is_verified_by_the_program_of_the_guide(
    db: None, client: int, receiver: Receiver, verify: Verify
) -> None:
    assert len(PROGRAM.splitlines()) <= 20
    assert "compare_digest" in PROGRAM
    secret = callbacks.rotate(client)
    callbacks.send(client, "callback.test", {"message": "Grüße \x00 \ud800"}, "a")
    assert delivery.deliver() == 1
    (got,) = receiver.received
    assert verify(secret, got.headers, got.body)
    others: list[tuple[Any, bytes]] = [
        (got.headers, got.body + b" "),
        ({**got.headers, "webhook-id": "other"}, got.body),
        ({**got.headers, "webhook-timestamp": str(int(got.headers["webhook-timestamp"]) + 1)}, got.body),
        ({**got.headers, "webhook-timestamp": "1"}, got.body),
        ({**got.headers, "webhook-timestamp": "²"}, got.body),
        ({**got.headers, "webhook-signature": "v1,é"}, got.body),
        ({**got.headers, "webhook-signature": got.headers["webhook-signature"].replace("v1,", "v2,")}, got.body),
        ({}, got.body),
    ]
    assert [verify(secret, headers, body) for headers, body in others] == [False] * len(others)
    assert not verify(signature.secret_text(client + 1, 2), got.headers, got.body)


def test_a_signature_over_another_body_is_found_out(
    db: None, client: int, receiver: Receiver, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the test above would notice that something else is signed than is sent."""
    real = signature.sign

    def sign_another(client: int, generations: Sequence[int], message_id: str, timestamp: int, body: bytes) -> str:
        return real(client, generations, message_id, timestamp, body.replace(b":", b": "))

    monkeypatch.setattr(signature, "sign", sign_another)
    callbacks.send(client, "callback.test", {}, "a")
    assert delivery.deliver() == 1
    (got,) = receiver.received
    assert not verify(signature.secret_text(client, 1), got.headers, got.body)


def test_a_new_secret_key_breaks_no_receiver(
    db: None, client: int, receiver: Receiver, verify: Verify, settings: Any
) -> None:
    old = signature.secret_text(client, 1)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the-new-key-of-the-tests"
    callbacks.send(client, "callback.test", {}, "a")
    new = callbacks.rotate(client)
    callbacks.send(client, "callback.test", {}, "b")
    assert delivery.deliver() == 2
    for got in receiver.received:
        assert verify(old, got.headers, got.body)
        assert verify(new, got.headers, got.body)
    settings.SECRET_KEY_FALLBACKS = []
    callbacks.send(client, "callback.test", {}, "c")
    assert delivery.deliver() == 1
    got = receiver.received[-1]
    assert not verify(old, got.headers, got.body)
    assert verify(new, got.headers, got.body)


def test_the_former_secret_counts_for_a_day(
    client: int, receiver: Receiver, verify: Verify, database_clock: Callable[[Any], None]
) -> None:
    start = datetime.now(UTC)
    database_clock(start - timedelta(hours=23, minutes=59))
    first = signature.secret_text(client, 1)
    second = callbacks.rotate(client)
    database_clock(start)
    callbacks.send(client, "callback.test", {}, "a")
    assert delivery.deliver() == 1
    database_clock(start + timedelta(minutes=2))
    callbacks.send(client, "callback.test", {}, "b")
    assert delivery.deliver() == 1
    during, after = receiver.received
    assert [verify(secret, during.headers, during.body) for secret in (first, second)] == [True, True]
    assert [verify(secret, after.headers, after.body) for secret in (first, second)] == [False, True]
    third = callbacks.rotate(client)
    fourth = callbacks.rotate(client)
    callbacks.send(client, "callback.test", {}, "c")
    assert delivery.deliver() == 1
    got = receiver.received[-1]
    fits = [verify(secret, got.headers, got.body) for secret in (first, second, third, fourth)]
    assert fits == [False, False, True, True]
