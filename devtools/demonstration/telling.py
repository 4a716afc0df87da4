"""What people were told meanwhile, day by day: notices, mails at once and once a day, as workers would have done it."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from accounting import alerts, notices, outbox, queries
from accounting.alerts import Threshold
from devtools.demonstration.people import find
from devtools.demonstration.stage import Stage
from portal import mail
from portal.deliveries import digests, receipts, routing
from portal.models import User
from portal.notifications import preferences
from portal.notifications.preferences import Choice

LATELY = timedelta(days=10)
"""So far back people were told; what happened before they have read long ago."""
UNREAD = timedelta(days=3)
RECEIPTS_FOR = "jonas"
LAB, KEPT = "forest", 9_000
"""An organisation that wants to keep so many credits."""


def begin(stage: Stage) -> None:
    """Who chose something else than the defaults."""
    jonas = User.objects.get(sub=find(RECEIPTS_FOR).sub)
    preferences.choose(jonas, [Choice("receipt", True, "daily")])
    alerts.set_threshold(stage.wallets[LAB], Threshold("amount", amount=KEPT * 1_000_000))
    while outbox.deliver():
        pass
    while alerts.compare_balances():
        pass
    notices.route(lambda told: None, limit=100_000)
    for person in User.objects.values_list("person_id", flat=True):
        notices.mark_read(person)


def catch_up(*, read_until: int = 0) -> int:
    """Everything that is due by now; then people read what they were told until that notice. Returns the newest one."""
    while outbox.deliver():
        pass
    for scan in (alerts.compare_balances, alerts.warn_of_grants, alerts.tell_overruns):
        while scan():
            pass
    alerts.announce_tariffs()
    receipts.tell()
    while routing.route():
        pass
    digests.write()
    if "smtp" not in settings.EMAIL_BACKEND:
        mail.send(limit=10_000)
    people = list(User.objects.values_list("person_id", flat=True))
    for person in people if read_until else ():
        notices.mark_read(person, until=read_until)
    newest = [told[0].id for person in people if (told := queries.notices(person, limit=1))]
    return max(newest, default=0)
