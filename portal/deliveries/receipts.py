"""Receipts for those who want them; nobody else's jobs are looked at."""

from __future__ import annotations

from django.db.models import Q

from accounting import alerts
from portal.mail_rows import NoticePreference
from portal.notifications.kinds import OFF

KIND = "receipt"


def tell() -> int:
    """Tells everybody who wants receipts of their jobs that ended since; returns how many people there are."""
    wanted = NoticePreference.objects.filter(Q(portal=True) | ~Q(mail=OFF), kind=KIND, user__is_active=True)
    found = list(wanted.select_related("user").order_by("pk"))
    for row in found:
        newest = alerts.tell_receipts(row.user.person_id, row.since)
        if newest != row.since:
            NoticePreference.objects.filter(pk=row.pk, since=row.since).update(since=newest)
    return len(found)
