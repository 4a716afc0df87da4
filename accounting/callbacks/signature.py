"""Secrets and signatures: HMAC-SHA256 as in Standard Webhooks 1.0; secrets are derived, never stored (C2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PREFIX = "whsec_"


def secret_text(client: int, generation: int) -> str:
    """What the receiver is given: of today's SECRET_KEY."""
    return PREFIX + base64.b64encode(_secret(settings.SECRET_KEY, client, generation)).decode()


def sign(client: int, generations: Sequence[int], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature for each generation and each key that is still accepted.

    A receiver takes the message when any of them fits, so neither a new secret nor a new SECRET_KEY breaks it.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return " ".join(_signature(_secret(key, client, number), signed) for number in generations for key in keys)


def _signature(secret: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def _secret(key: str, client: int, generation: int) -> bytes:
    info = f"callback of client {client}, generation {generation}".encode()
    return HKDF(SHA256(), length=32, salt=b"accounting.callbacks", info=info).derive(key.encode())
