"""The daily mail: at seven in the morning where the person lives, if there is something that they have not read yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo

from django.db import transaction

from accounting import hold_queries, notice_queries
from accounting.fields import DatabaseNow
from portal import mail
from portal.contexts import notice_texts
from portal.mail import links, tongues
from portal.mail_rows import DigestEntry
from portal.models import User
from portal.notifications.unsubscribing import DIGEST

MORNING = time(7)
AT_ONCE = 200
MOST = 50
"""Notices that one mail says; it tells how many more there are."""


def last_morning(now: datetime, zone: tzinfo) -> datetime:
    """The newest seven o'clock of that zone that is not ahead. On a day that has it twice, the first one."""
    local = now.astimezone(zone)
    morning = datetime.combine(local.date(), MORNING, zone)
    return morning if morning <= now else datetime.combine(local.date() - timedelta(days=1), MORNING, zone)


def write(limit: int = AT_ONCE) -> int:
    """Writes the mails of at most so many people whose morning has come; returns how many.

    Safe to run twice at once: entries are locked while they are put into a mail, and there is one a person and day.
    """
    now = hold_queries.now()
    waiting = DigestEntry.objects.filter(closed_at=None).order_by("user_id").values_list("user_id", flat=True)
    users = User.objects.filter(pk__in=waiting.distinct())
    due = [(user, last_morning(now, tongues.zone_of(user))) for user in users.iterator()]
    written = 0
    for user, morning in due:
        if written < limit and DigestEntry.objects.filter(user=user, closed_at=None, created_at__lt=morning).exists():
            written += _write(user, morning)
    return written


@transaction.atomic
def _write(user: User, morning: datetime) -> bool:
    entries = list(
        DigestEntry.objects.select_for_update(skip_locked=True)
        .filter(user=user, closed_at=None, created_at__lt=morning)
        .order_by("notice")
    )
    known = notice_queries.by_id([entry.notice for entry in entries])
    told = [known[entry.notice] for entry in entries if entry.notice in known]
    unread = [one for one in told if one.read_at is None]
    queued = bool(unread) and _queue(user, unread, morning)
    DigestEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(closed_at=DatabaseNow())
    return queued


def _queue(user: User, told: Sequence[notice_queries.NoticeView], morning: datetime) -> bool:
    with tongues.speaking(tongues.language_of(user), tongues.zone_of(user)):
        items = [
            {"said": said, "link": links.absolute(said.href) if said.href else "", "at": one.created_at}
            for one, said in zip(told[:MOST], notice_texts.describe(told[:MOST]), strict=True)
        ]
        context = {"items": items, "count": len(told), "more": max(len(told) - MOST, 0), "day": morning}
        context["link"] = links.absolute("/notifications/")
        return mail.queue(user, DIGEST, f"day {morning:%Y-%m-%d}", context)
