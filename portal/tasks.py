"""Work of the portal that may wait. Rows decide what is due, so a lost or doubled message changes nothing."""

from __future__ import annotations

from celery import shared_task

from portal import exports, logs, mail
from portal.deliveries import digests, receipts, routing

MOST_ROUNDS = 50


@shared_task(name="portal.tasks.route_notices", ignore_result=True)
def route_notices() -> int:
    """Decides for each new notice who hears of it by mail, and when; returns of how many."""
    total = 0
    for _ in range(MOST_ROUNDS):
        routed = routing.route()
        total += routed
        if not routed:
            break
    return total


@shared_task(name="portal.tasks.send_mail", ignore_result=True)
def send_mail() -> int:
    """Sends the mails that are due; run every few seconds, safe to run twice at once."""
    return mail.send()


@shared_task(name="portal.tasks.tell_receipts", ignore_result=True)
def tell_receipts() -> int:
    """Tells those who want receipts of their jobs that ended; returns how many people."""
    return receipts.tell()


@shared_task(name="portal.tasks.send_digests", ignore_result=True)
def send_digests() -> int:
    """Writes the daily mails of everybody for whom it is past seven in the morning; returns how many."""
    return digests.write()


@shared_task(name="portal.tasks.purge_mail", ignore_result=True)
def purge_mail() -> int:
    """Empties old mails, in batches."""
    total = 0
    while purged := mail.purge():
        total += purged
    return total


#: Longer than other tasks may run, for somebody with a million jobs; RabbitMQ waits half an hour for an answer.
@shared_task(name="portal.tasks.make_exports", ignore_result=True, soft_time_limit=25 * 60, time_limit=26 * 60)
def make_exports() -> int:
    """Makes the copies of personal data that were asked for; run every few seconds, safe to run twice at once."""
    made = exports.make_waiting()
    if made:
        logs.event("exports_made", count=made)
    return made
