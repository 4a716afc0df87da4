"""Which back end wants to be called where. An operator decides; the back end reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounting.callbacks import addresses, signature
from accounting.errors import CallbackInvalid
from accounting.fields import DatabaseNow
from accounting.models import Callback, CallbackDelivery


@dataclass(frozen=True, slots=True)
class Registered:
    """A client's callback. While `failures` is not 0 nobody calls it before `next_at`."""

    url: str
    active: bool
    generation: int
    created_at: datetime
    rotated_at: datetime | None
    failures: int
    next_at: datetime


def find(client: int) -> Registered | None:
    row = Callback.objects.filter(client_id=client).first()
    if row is None:
        return None
    return Registered(row.url, row.active, row.generation, row.created_at, row.rotated_at, row.failures, row.next_at)


@transaction.atomic
def register(client: int, url: str, note: str = "") -> str | None:
    """Messages for the client go to `url` from now on; also switches a callback on again. Idempotent.

    Returns the new secret (`whsec_...`) the first time, None when there was one already: it stays. What still waits
    goes to the new address.

    :raises CallbackInvalid: the URL may not be called, or its host does not resolve.
    """
    try:
        addresses.resolve(addresses.read_url(url))
    except OSError as error:
        raise CallbackInvalid("the host does not resolve", field="url") from error
    row, is_new = Callback.objects.select_for_update().get_or_create(
        client_id=client, defaults={"url": url, "note": note}
    )
    if is_new:
        return signature.secret_text(client, row.generation)
    if row.url != url or not row.active:
        Callback.objects.filter(pk=row.pk).update(url=url, active=True, failures=0, next_at=DatabaseNow())
    if note:
        Callback.objects.filter(pk=row.pk).update(note=note)
    return None


@transaction.atomic
def rotate(client: int) -> str:
    """A new secret; messages also carry signatures by the one before for 24 hours, and by none before that.

    :raises CallbackInvalid: there is no callback.
    """
    row = _locked(client)
    Callback.objects.filter(pk=row.pk).update(generation=F("generation") + 1, rotated_at=DatabaseNow())
    return signature.secret_text(client, row.generation + 1)


@transaction.atomic
def switch_off(client: int) -> int:
    """Nothing is sent any more; what waited is abandoned and counted.

    :raises CallbackInvalid: there is no callback.
    """
    row = _locked(client)
    Callback.objects.filter(pk=row.pk).update(active=False)
    return CallbackDelivery.objects.filter(
        client_id=client, delivered_at__isnull=True, abandoned_at__isnull=True
    ).update(abandoned_at=DatabaseNow(), last_error="the callback was switched off")


def _locked(client: int) -> Callback:
    row = Callback.objects.select_for_update().filter(client_id=client).first()
    if row is None:
        raise CallbackInvalid("this client has no callback; register one with --url", field="client")
    return row
