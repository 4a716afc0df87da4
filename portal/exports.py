"""Copies of what is known about people: asked for on a page, made by a worker, fetched within a week.

The archive stands in the database in pieces rather than being made while it is fetched: making it takes longer than a
request may, what was ready stays what it was, and no process needs it whole in memory. Rows decide what is due, so a
lost or doubled message and a worker that dies change nothing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from portal import archives, logs
from portal.models import DataExport, DataExportChunk, User

KEPT = timedelta(days=7)
LEASE = timedelta(minutes=6)
"""Renewed with every step and piece: whoever has a claim that is over is dead, or will notice (`Superseded`)."""
NO_MORE_AFTER = 60
"""Seconds after which a run takes no more; the next one goes on."""
ATTEMPTS = 3
PAUSE = timedelta(seconds=30)
MOST_BYTES = 256 * 1024 * 1024
_OPEN = Q(ready_at__isnull=True, failed_at__isnull=True)


class TooLarge(Exception):
    """The archive would take more room than one person's may; operators have other ways."""


class Superseded(Exception):
    """The export is gone, or another worker has it."""


@dataclass(frozen=True, slots=True)
class Claim:
    export: uuid.UUID
    attempt: int
    user: User


def request(user: User) -> DataExport:
    """Ask for a copy. While one is being made, that is the one."""
    try:
        with transaction.atomic():
            return DataExport.objects.create(pk=uuid.uuid4(), user=user)
    except IntegrityError:
        return DataExport.objects.filter(_OPEN, user=user).latest("requested_at")


def newest(user: User) -> DataExport | None:
    """The person's last one, unless its week is over, by the database's clock."""
    return _kept().filter(user=user).order_by("-requested_at").first()


def find(user: User, export: uuid.UUID) -> DataExport | None:
    """One of the person's that can be fetched now."""
    return _kept().filter(pk=export, user=user, ready_at__isnull=False).first()


def pieces(export: DataExport) -> Iterator[bytes]:
    """The archive, a piece in memory at a time."""
    number = 0
    rows = DataExportChunk.objects.filter(export_id=export.pk, attempt=export.attempt)
    while (content := rows.filter(number=number).values_list("content", flat=True).first()) is not None:
        yield bytes(content)
        number += 1


def make_waiting() -> int:
    """Make the copies that wait, and delete those whose week is over. Returns how many were made."""
    DataExport.objects.exclude(pk__in=_kept().values("pk")).delete()
    made, started = 0, time.monotonic()
    while time.monotonic() - started < NO_MORE_AFTER and (claim := _claim()):
        made += _make(claim)
    return made


def _kept() -> models.QuerySet[DataExport]:
    fresh = Q(ready_at__gt=Now() - KEPT) | Q(failed_at__gt=Now() - KEPT)
    return DataExport.objects.filter(_OPEN | fresh)


def _claim() -> Claim | None:
    """Take the oldest that nobody makes; a dead worker's when its lease is over."""
    with transaction.atomic():
        free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=Now())
        row = (
            DataExport.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("user")
            .filter(_OPEN & free)
            .order_by("requested_at")
            .first()
        )
        if row is None:
            return None
        claim = Claim(row.pk, row.attempt + 1, row.user)
        changes = {"attempt": claim.attempt, "claimed_until": Now() + LEASE, "done": 0, "total": archives.steps()}
        if row.attempt >= ATTEMPTS:
            changes = {"failed_at": Now()}
        DataExport.objects.filter(pk=row.pk).update(**changes)
    return claim if row.attempt < ATTEMPTS else _claim()


def _make(claim: Claim) -> int:
    try:
        size = _write(claim)
        with transaction.atomic():
            _finish(claim, size)
    except Superseded:
        return 0
    except TooLarge:
        _mine(claim).update(failed_at=Now())
        logs.warning("export_too_large", export=str(claim.export))
        return 0
    except Exception:  # noqa: BLE001  # whatever it is, the row must say so
        # Tried again in a moment; after ATTEMPTS the person is told.
        _mine(claim).update(claimed_until=Now() + PAUSE)
        logs.failure("export_failed", export=str(claim.export), attempt=claim.attempt)
        return 0
    return 1


def _write(claim: Claim) -> int:
    size = number = 0

    def keep(piece: bytes) -> None:
        nonlocal size, number
        size += len(piece)
        if size > MOST_BYTES:
            raise TooLarge
        try:
            with transaction.atomic():
                DataExportChunk.objects.create(
                    export_id=claim.export, attempt=claim.attempt, number=number, content=piece
                )
        except IntegrityError:  # erased meanwhile, with everything else of the person
            raise Superseded from None
        number += 1
        advance(0)

    def advance(steps: int) -> None:
        if not _mine(claim).update(done=F("done") + steps, claimed_until=Now() + LEASE):
            raise Superseded

    archives.write(claim.user, keep, advance)
    return size


def _finish(claim: Claim, size: int) -> None:
    """Ready, and the only one of the person: what was made before is out of date."""
    if not _mine(claim).update(ready_at=Now(), claimed_until=None, size=size, done=F("total")):
        raise Superseded
    DataExportChunk.objects.filter(export_id=claim.export).exclude(attempt=claim.attempt).delete()
    DataExport.objects.filter(user=claim.user).exclude(pk=claim.export).delete()


def _mine(claim: Claim) -> models.QuerySet[DataExport]:
    return DataExport.objects.filter(_OPEN, pk=claim.export, attempt=claim.attempt)
