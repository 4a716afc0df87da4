"""Writing a message: a row in the transaction of what it tells, once a cause (C1)."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Greatest

from accounting.fields import DatabaseNow
from accounting.models import Callback, CallbackDelivery

_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*", re.ASCII)
MAX_KIND, MAX_CAUSE = 100, 300
MAX_BODY = 20_000
"""Characters; what a message does not say, the receiver asks for."""


def send(client: int, kind: str, payload: dict[str, Any], cause: str) -> None:
    """Leaves a message for the client's callback: `{"type": kind, "timestamp": now, "data": payload}`.

    One for each (client, kind, cause), however often it is called; nothing when the client has no active callback. It
    goes out after the caller's transaction has committed, and not at all when that is rolled back.

    :param kind: dotted, for instance `job.stop`.
    :param payload: of JSON values; amounts as decimal texts.
    :param cause: what makes this message one, for instance `hold 7, transaction 12`; at most 300 characters.
    :raises ValueError: kind, cause or payload has no such form.
    """
    if not _KIND.fullmatch(kind) or len(kind) > MAX_KIND:
        raise ValueError(f"{kind!r} is no kind of message")
    if not 0 < len(cause) <= MAX_CAUSE or "\x00" in cause:
        raise ValueError(f"a cause has 1 to {MAX_CAUSE} characters and no NUL")
    wanted = Callback.objects.filter(client_id=client, active=True, client__active=True)
    now = wanted.annotate(now=DatabaseNow()).values_list("now", flat=True).first()
    if now is None:
        return
    document = {"type": kind, "timestamp": now.astimezone(UTC).isoformat().replace("+00:00", "Z"), "data": payload}
    body = json.dumps(document, separators=(",", ":"), allow_nan=False)
    if len(body) > MAX_BODY:
        raise ValueError(f"a message has at most {MAX_BODY} characters")
    CallbackDelivery.objects.bulk_create(
        [CallbackDelivery(uuid=uuid.uuid4(), client_id=client, kind=kind, cause=cause, body=body)],
        ignore_conflicts=True,
    )


def deliveries(client: int) -> QuerySet[Any]:
    """What the client was or will be told; `due_at` is when it is tried next at the earliest."""
    return CallbackDelivery.objects.filter(client_id=client).annotate(
        due_at=Greatest(F("next_at"), F("client__callback__next_at"))
    )
