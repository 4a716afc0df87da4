"""Who calls which receiver, and what came of it: the rows of a delivery. All times are the database's (L7).

A claim is a lease on the client's callback: one worker at a time calls a receiver, so its messages keep their order,
and a worker that dies is followed by another one once the lease is over (C3).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Least

from accounting.callbacks import timing
from accounting.callbacks.registration import switch_off
from accounting.fields import DatabaseNow
from accounting.models import Callback, CallbackDelivery

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=90)
"""Longer than one message can take; it begins anew with every message."""

ROTATION = timedelta(hours=24)
"""So long the secret before the newest one is still signed with."""

OUTAGE = 3
"""After so many failures in a row the receiver was away: when it is back, what it missed is due at once."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A receiver that this worker may call, with the generations of its secret that are signed with."""

    client: int
    url: str
    generations: tuple[int, ...]
    failures: int
    claimed_at: datetime
    clock: float

    def timestamp(self) -> int:
        """Seconds since 1970 now, by the database's clock: that of this machine only counts from the claim on."""
        return int(self.claimed_at.timestamp() + time.monotonic() - self.clock)


@dataclass(frozen=True, slots=True)
class Message:
    pk: int
    uuid: str
    body: bytes
    attempts: int


_CLAIM = """
WITH due AS (
    SELECT c.id, t.instant
      FROM accounting_callback c
      JOIN accounting_serviceclient s ON s.id = c.client_id AND s.active,
           (SELECT accounting_now() AS instant OFFSET 0) t
     WHERE c.active AND c.next_at <= t.instant AND c.client_id = coalesce(%(client)s, c.client_id)
       AND EXISTS (SELECT 1 FROM accounting_callbackdelivery d
                    WHERE d.client_id = c.client_id AND d.delivered_at IS NULL AND d.abandoned_at IS NULL
                      AND d.next_at <= t.instant)
     ORDER BY c.next_at, c.id LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED)
UPDATE accounting_callback c SET next_at = due.instant + make_interval(secs => %(lease)s) FROM due WHERE c.id = due.id
RETURNING c.client_id, c.url, c.generation, c.rotated_at > due.instant - make_interval(secs => %(rotation)s),
          c.failures, due.instant
"""


def claim(limit: int, client: int | None = None) -> list[Claim]:
    """Receivers with something due that nobody else calls, those that waited longest first; only `client` if given."""
    values = {"limit": limit, "client": client, "lease": LEASE.total_seconds(), "rotation": ROTATION.total_seconds()}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        rows = cursor.fetchall()
    clock = time.monotonic()
    return [
        Claim(client, url, (generation, generation - 1) if both else (generation,), failures, now, clock)
        for client, url, generation, both, failures, now in rows
    ]


def next_message(client: int) -> Message | None:
    """The oldest one that is due."""
    row = _pending(client).filter(next_at__lte=DatabaseNow()).order_by("created_at", "id").first()
    return Message(row.pk, str(row.uuid), row.body.encode(), row.attempts) if row else None


def release(client: int) -> None:
    """Any worker may call the receiver again at once."""
    Callback.objects.filter(client_id=client).update(next_at=DatabaseNow())


@transaction.atomic
def settle_delivered(claimed: Claim, message: Message, status: int) -> None:
    _keep(claimed.client)
    _settle(message, status, "", delivered_at=DatabaseNow())
    if claimed.failures >= OUTAGE:
        _pending(claimed.client).update(next_at=DatabaseNow())


@transaction.atomic
def settle_refused(claimed: Claim, message: Message, status: int, reason: str) -> None:
    """The receiver is well but did not want this message: it is tried again by itself, the others are not kept back."""
    _keep(claimed.client)
    _settle(message, status, reason, next_at=DatabaseNow() + Value(timing.delay(message.attempts + 1, timing.roll())))


@transaction.atomic
def settle_failed(
    claimed: Claim, message: Message, status: int | None, reason: str, wish: timedelta | None = None
) -> None:
    """The receiver is not well: it rests, and so do all messages to it."""
    rows = Callback.objects.select_for_update().filter(client_id=claimed.client)
    rows.get()
    # One factor for both, and the message first: it is due again when the receiver is, before those that came later.
    factor, failures = timing.roll(), claimed.failures + 1
    own = wish or timing.delay(message.attempts + 1, factor)
    _settle(message, status, reason, next_at=DatabaseNow() + Value(own))
    rest = wish or min(timing.delay(failures, factor), timing.LONGEST_REST)
    rows.update(failures=failures, next_at=DatabaseNow() + Value(rest))
    log.warning("callback_failed", client=claimed.client, status=status, reason=reason, failures=failures)


@transaction.atomic
def settle_gone(claimed: Claim, message: Message, status: int) -> None:
    """The receiver wants no messages any more (410): the callback is switched off."""
    Callback.objects.filter(client_id=claimed.client).update(active=False)
    _settle(message, status, "the receiver is gone", abandoned_at=DatabaseNow())
    log.warning("callback_switched_off", client=claimed.client, abandoned=1 + switch_off(claimed.client))


def abandon_old() -> int:
    """Gives up what was tried, or waited behind what was tried, for two days; says so in the log."""
    tried = Q(attempts__gt=0) | Q(client__callback__failures__gt=0)
    switched_off = Q(client__callback__active=False) | Q(client__active=False)
    old = CallbackDelivery.objects.filter(
        tried | switched_off,
        delivered_at__isnull=True,
        abandoned_at__isnull=True,
        created_at__lte=DatabaseNow() - Value(timing.GIVE_UP),
        next_at__lte=DatabaseNow(),
    )
    found: Sequence[tuple[int, int]] = list(old.values_list("pk", "client_id")[:1000])
    given_up = CallbackDelivery.objects.filter(
        pk__in=[pk for pk, _ in found], delivered_at__isnull=True, abandoned_at__isnull=True
    ).update(abandoned_at=DatabaseNow())
    for client in sorted({client for _, client in found}):
        log.error("callbacks_abandoned", client=client, count=sum(client == owner for _, owner in found))
    return given_up


def _pending(client: int) -> QuerySet[CallbackDelivery]:
    return CallbackDelivery.objects.filter(client_id=client, delivered_at__isnull=True, abandoned_at__isnull=True)


def _settle(message: Message, status: int | None, reason: str, **change: object) -> None:
    """Whoever settles first counts: a lease that ran out may have given the message to two workers."""
    if "next_at" in change:
        change["next_at"] = Least(change["next_at"], F("created_at") + Value(timing.GIVE_UP))
    CallbackDelivery.objects.filter(pk=message.pk, delivered_at__isnull=True, abandoned_at__isnull=True).update(
        attempts=F("attempts") + 1, last_status=status, last_error=reason[:300], **change
    )


def _keep(client: int) -> None:
    """The receiver is well, and the lease begins anew for the next message."""
    Callback.objects.filter(client_id=client).update(failures=0, next_at=DatabaseNow() + Value(LEASE))
