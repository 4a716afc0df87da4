"""What workers do for the portal. Rows decide what is due, so a lost or doubled message changes nothing."""

from __future__ import annotations

from celery import shared_task

from portal import exports, logs


#: Longer than other tasks may run, for somebody with a million jobs; RabbitMQ waits half an hour for an answer.
@shared_task(name="portal.tasks.make_exports", ignore_result=True, soft_time_limit=25 * 60, time_limit=26 * 60)
def make_exports() -> int:
    """Makes the copies of personal data that were asked for; run every few seconds, safe to run twice at once."""
    made = exports.make_waiting()
    if made:
        logs.event("exports_made", count=made)
    return made
