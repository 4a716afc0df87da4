"""Sending what is due. One worker at a time has a mail in hand, by a lease; no transaction is open while it talks (D2).

At least once in one case only: when this process dies between the server's yes and the mark, the mail is sent again,
under the same Message-ID.
"""

from __future__ import annotations

import random
import smtplib
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Least

from accounting.fields import DatabaseNow
from portal.mail import addressing, links
from portal.mail_rows import Mail

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than one mail can take (EMAIL_TIMEOUT bounds each step of the conversation)."""
GIVE_UP = timedelta(hours=48)
DELAYS = (60, 300, 900, 3600, 3 * 3600, 6 * 3600)
"""Seconds after the first, second ... failure; the last one from then on."""
AT_ONCE = 200
SECRET = frozenset({"invitation"})
"""Kinds whose texts are emptied as soon as they are sent."""
SECONDS = 60.0
"""After that a run begins no new mail, so that the worker gets to its other tasks."""
_dice = random.SystemRandom()

_CLAIM = """
WITH due AS (
    SELECT id FROM portal_mail WHERE sent_at IS NULL AND abandoned_at IS NULL AND next_at <= accounting_now()
     ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE portal_mail m SET next_at = accounting_now() + make_interval(secs => %s), attempts = m.attempts + 1
  FROM due WHERE m.id = due.id RETURNING m.id
"""


class _ServerAway(Exception):
    """No mail goes out now, whichever: the run ends."""


def send(limit: int = AT_ONCE) -> int:
    """Sends mails that are due, those that waited longest first; returns how many the server took.

    Several workers share them. What fails is tried again later, and abandoned and logged after 48 hours.
    """
    _abandon_old()
    started, sent, server = time.monotonic(), 0, get_connection()
    try:
        while sent < limit and time.monotonic() - started < SECONDS and (mail := _claim()):
            sent += _deliver(mail, server)
    except _ServerAway:
        pass
    finally:
        _hang_up(server)
    return sent


def _claim() -> Mail | None:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [LEASE.total_seconds()])
        row = cursor.fetchone()
    return Mail.objects.select_related("user").get(pk=row[0]) if row else None


def _deliver(mail: Mail, server: Any) -> int:
    address = _address(mail)
    if not address:
        _abandon(mail, "nobody to send it to")
        return 0
    try:
        server.open()
        server.send_messages([_message(mail, address, server)])
    except smtplib.SMTPRecipientsRefused as error:
        _settle_refusal(mail, max(code for code, _ in error.recipients.values()))
    except smtplib.SMTPDataError as error:
        _settle_refusal(mail, error.smtp_code)
    except (smtplib.SMTPException, OSError) as error:
        _retry(mail, f"{type(error).__name__}: {error}")
        raise _ServerAway from error
    except Exception as error:
        log.exception("mail_fault", mail=mail.pk, kind=mail.kind)
        _retry(mail, f"our fault: {type(error).__name__}")
    else:
        _pending(mail).update(sent_at=DatabaseNow(), error="", **_forgotten(mail))
        log.info("mail_sent", mail=mail.pk, kind=mail.kind, attempts=mail.attempts)
        return 1
    return 0


def _address(mail: Mail) -> str:
    """As of now: who left, or lost the verified address since, gets nothing."""
    if mail.user is not None:
        return addressing.address_of(mail.user)
    return "" if addressing.refused(mail.address, mail.kind) else mail.address


def _message(mail: Mail, address: str, server: Any) -> EmailMultiAlternatives:
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    stop = links.stop_link(mail.kind, user=mail.user, address=mail.address)
    message = EmailMultiAlternatives(
        mail.subject,
        mail.text,
        to=[address],
        connection=server,
        headers={
            "Message-ID": f"<{mail.uuid}@{host}>",
            "Content-Language": mail.language,
            "Auto-Submitted": "auto-generated",
            "List-Unsubscribe": f"<{stop}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    message.attach_alternative(mail.html, "text/html")
    return message


def _settle_refusal(mail: Mail, code: int) -> None:
    """The server is well but does not take this mail: for ever (5xx) or for now."""
    if code >= 500:
        _abandon(mail, f"the server refused it: {code}")
    else:
        _retry(mail, f"the server put it off: {code}")


def _retry(mail: Mail, reason: str) -> None:
    wait = timedelta(seconds=DELAYS[min(mail.attempts, len(DELAYS)) - 1] * _dice.uniform(0.8, 1.2))
    due = Least(DatabaseNow() + Value(wait), F("created_at") + Value(GIVE_UP))
    _pending(mail).update(next_at=due, error=_bounded(reason))
    log.warning("mail_failed", mail=mail.pk, kind=mail.kind, attempts=mail.attempts, reason=reason[:200])


def _abandon(mail: Mail, reason: str) -> None:
    _pending(mail).update(abandoned_at=DatabaseNow(), error=_bounded(reason), **_forgotten(mail))
    log.error("mail_abandoned", mail=mail.pk, kind=mail.kind, reason=reason)


def _forgotten(mail: Mail) -> dict[str, str]:
    """What is not kept of a mail that is over: a link that lets in whoever has it. A demonstration shows it."""
    return {"text": "", "html": ""} if mail.kind in SECRET and not settings.DEMONSTRATION else {}


def _abandon_old() -> None:
    """Gives up what was tried for two days; says so in the log."""
    old = Mail.objects.filter(
        sent_at=None, abandoned_at=None, next_at__lte=DatabaseNow(), created_at__lte=DatabaseNow() - Value(GIVE_UP)
    )
    for mail in old.order_by("next_at")[:1000]:
        _abandon(mail, mail.error or "it waited too long")


def _pending(mail: Mail) -> Any:
    """Whoever settles first counts: a lease that ran out may have given the mail to two workers."""
    return Mail.objects.filter(pk=mail.pk, sent_at=None, abandoned_at=None)


def _bounded(reason: str) -> str:
    return reason.replace("\x00", "")[:300]


def _hang_up(server: Any) -> None:
    try:
        server.close()
    except (smtplib.SMTPException, OSError) as error:
        log.warning("mail_hang_up_failed", reason=type(error).__name__)
