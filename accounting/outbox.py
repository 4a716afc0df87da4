"""Side effects of postings: each event is written in the posting's transaction and delivered afterwards, by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounting import callbacks, captures, notices
from accounting.credits import to_text
from accounting.models import OutboxEvent, UsageReport

log = structlog.get_logger(__name__)

ATTEMPTS = 20
"""After so many failures an event is parked: it stays in the table for an operator and is not tried again."""


def deliver(limit: int = 500) -> int:
    """Runs the handlers of waiting events, oldest first; returns how many were delivered.

    Each event is locked and marked in the same transaction as its effect, so several workers share the work and a
    killed one leaves its event as it was.
    """
    delivered = 0
    for pk in (
        OutboxEvent.objects.filter(delivered_at__isnull=True, attempts__lt=ATTEMPTS)
        .order_by("pk")
        .values_list("pk", flat=True)[:limit]
    ):
        delivered += _deliver_one(pk)
    return delivered


def _deliver_one(pk: int) -> int:
    try:
        with transaction.atomic():
            event = (
                OutboxEvent.objects.select_for_update(skip_locked=True).filter(pk=pk, delivered_at__isnull=True).first()
            )
            if event is None:
                return 0
            _HANDLERS[event.topic](event)
            OutboxEvent.objects.filter(pk=pk).update(delivered_at=Now())
    except Exception as error:
        log.exception("outbox_event_failed", event_id=pk)
        OutboxEvent.objects.filter(pk=pk).update(
            attempts=F("attempts") + 1, error=f"{type(error).__name__}: {error}"[:500]
        )
        return 0
    return 1


def _tell_refused(event: OutboxEvent) -> None:
    """The person whose job named an organisation that does not know them: once a job, however many reports (U2)."""
    payload = event.payload
    job = UsageReport.objects.values_list("job_id", flat=True).get(pk=payload["transaction"])
    _tell([payload["person"]], "organisation_refused", f"job {job}", payload)


def _tell_exhausted(event: OutboxEvent) -> None:
    """Everybody who answers for the organisation whose credits have just run out, and who used the last of them: once a
    UTC day, however often small grants lift the balance above nothing in between.
    """
    payload = event.payload
    people = [payload["person"], *notices.answerable(payload["organisation"])]
    cause = f"organisation {payload['organisation']} {event.created_at.astimezone(UTC):%Y-%m-%d}"
    _tell(people, "credits_exhausted", cause, payload)


def _tell_limit(event: OutboxEvent) -> None:
    """Who answers for the organisation and whom the limit is about: once a period, or job, and share. A charge that
    goes from below 80 % to beyond the end is told as the end only.
    """
    payload = event.payload
    if payload["share"] < 100 and payload["spent"] >= payload["amount"]:
        return
    when = f"job {payload['source']} {payload['job']}"[:150] if "job" in payload else payload["period_starts_at"]
    cause = f"limit {payload['limit']} {when} {payload['share']}"
    about = filter(None, [payload["person"], payload.get("owner")])
    people = [*about, *notices.answerable(payload["organisation"])]
    _tell(people, "limit_reached", cause, payload)


def _tell_expired(event: OutboxEvent) -> None:
    """The owner and the back end of a job that has outlived its hold, or was forgotten (H7)."""
    payload = event.payload
    cause = f"hold {payload['uuid']}"
    facts = {
        "hold": payload["uuid"],
        "source": payload["source"],
        "job_id": payload["job"],
        "organisation": payload["organisation"],
        "kept": to_text(payload["kept"]),
        "captured": to_text(payload["captured"]),
        "heartbeat_at": _utc(payload["beat_at"]),
        "expired_at": _utc(payload["expired_at"]),
    }
    callbacks.send(payload["client"], "hold.expired", facts, cause)
    _tell([payload["person"]], "hold_expired", cause, payload)


def _utc(instant: str | None) -> str | None:
    """An instant as the database writes it into JSON, as our API writes it."""
    return (
        None if instant is None else datetime.fromisoformat(instant).astimezone(UTC).isoformat().replace("+00:00", "Z")
    )


def _judge(event: OutboxEvent) -> None:
    """Running jobs of a wallet that something else has emptied: each back end hears a new verdict once (H13)."""
    for job in captures.running(event.payload["wallet"]):
        decision = job.verdict.decision
        if decision == job.told or not captures.note_verdict(job.hold, decision) or decision == "continue":
            continue
        facts = {
            "hold": str(job.id),
            "source": job.source,
            "job_id": job.job_id,
            "decision": decision,
            "reason": job.verdict.reason,
            "detail": job.verdict.detail,
            "organisation": job.organisation,
        }
        cause = f"hold {job.id} event {event.pk}"
        callbacks.send(job.client, f"job.{decision}", facts, cause)
        _tell([job.person], f"job_{decision}", cause, facts | {"job": job.job_id})


def _tell(people: Iterable[int], kind: str, cause: str, payload: dict[str, Any]) -> None:
    notices.tell(people, payload["organisation"], kind, cause, payload)


_HANDLERS: dict[str, Callable[[OutboxEvent], None]] = {
    "guard": _judge,
    "hold_expired": _tell_expired,
    "limit_reached": _tell_limit,
    "organisation_refused": _tell_refused,
    "credits_exhausted": _tell_exhausted,
}
