"""Work that may wait. Rows decide what is due, so a lost or doubled message changes nothing (decision 0006)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from celery import shared_task
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounting import activity, alerts, allowances, estimates, grants, holds, outbox, popularity
from accounting.callbacks import delivery
from accounting.models import Heartbeat

log = structlog.get_logger(__name__)


@shared_task(name="accounting.tasks.heartbeat", bind=True, ignore_result=True)
def heartbeat(self: Any) -> None:
    """Notes when the newest message that reached a worker was sent, so that readiness can tell the broker's lag."""
    now = timezone.now()
    published = getattr(self.request, "published_at", None)
    sent = datetime.fromisoformat(published) if published else now
    Heartbeat.objects.update_or_create(pk="beat", defaults={"sent_at": sent, "ran_at": now})


@shared_task(name="accounting.tasks.deliver_outbox", ignore_result=True)
def deliver_outbox(limit: int = 500) -> int:
    """Delivers what waits in the outbox; run every few seconds, safe to run twice at once."""
    return outbox.deliver(limit)


@shared_task(name="accounting.tasks.deliver_callbacks", ignore_result=True)
def deliver_callbacks() -> int:
    """Sends the messages to back ends that are due; run every few seconds, safe to run twice at once."""
    return delivery.deliver()


@shared_task(name="accounting.tasks.expire_grants", ignore_result=True)
def expire_grants() -> int:
    """Empties every grant past its expiry, in batches, each its own database transaction."""
    total = 0
    while emptied := grants.expire_due(500):
        total += emptied
    if total:
        log.info("grants_expired", count=total)
    return total


@shared_task(name="accounting.tasks.grant_allowances", ignore_result=True)
def grant_allowances() -> int:
    """Grants what the month brings, each in its own database transaction; run often, safe to run twice at once."""
    granted = allowances.grant_due()
    if granted:
        log.info("allowances_granted", count=granted)
    return granted


@shared_task(name="accounting.tasks.expire_holds", ignore_result=True)
def expire_holds() -> int:
    """Ends every hold past its expiry, in batches, each its own database transaction; run every few seconds."""
    total = 0
    while ended := holds.expire_due(500):
        total += ended
    if total:
        log.info("holds_expired", count=total)
    return total


SCANS: Mapping[str, Callable[[], int]] = {
    "balances": alerts.compare_balances,
    "grants": alerts.warn_of_grants,
    "holds": alerts.warn_of_holds,
    "tariffs": alerts.announce_tariffs,
    "overruns": alerts.tell_overruns,
}
MOST_ROUNDS = 100
"""Batches that one run looks at; the next run goes on."""


@shared_task(name="accounting.tasks.scan_alerts", ignore_result=True)
def scan_alerts(scan: str) -> int:
    """Tells people what one of `SCANS` finds, in batches, each its own transaction; safe to run twice at once."""
    total = 0
    for _ in range(MOST_ROUNDS):
        found = SCANS[scan]()
        total += found
        if not found:
            break
    return total


@shared_task(name="accounting.tasks.verify_books", ignore_result=True)
def verify_books(**_: Any) -> None:
    """The nightly proof that every balance is what its entries say; an error in the log is an alert."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('verify_books'))")
        if not cursor.fetchone()[0]:
            return
        try:
            call_command("verify_ledger")
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('verify_books'))")


@shared_task(name="accounting.tasks.count_reports", ignore_result=True)
def count_reports() -> int:
    """Counts for the page about back ends what they reported; run every minute, safe to run twice at once."""
    return activity.count(timezone.now())


@shared_task(name="accounting.tasks.count_popularity", ignore_result=True)
def count_popularity() -> int:
    """Counts which algorithms many people use; run every hour, safe to run twice at once."""
    return popularity.count(timezone.now())


JUDGED_AT_ONCE = 2_000
"""Jobs that one run compares with their estimates at most; the next run goes on."""


@shared_task(name="accounting.tasks.learn_estimates", ignore_result=True)
def learn_estimates(**_: Any) -> None:
    """What ended since the last run: becomes known to estimates, and is compared with what was estimated for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('learn_estimates'))")
        if not cursor.fetchone()[0]:
            return
        try:
            observed = estimates.collect()
            judged = estimates.judge(limit=JUDGED_AT_ONCE)
            estimates.calibrate()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('learn_estimates'))")
    if observed or judged:
        log.info("estimates_learnt", observed=observed, judged=judged)
