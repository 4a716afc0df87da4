"""Writing mails: rendered in the reader's language, one row per recipient, kind and cause (D1)."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, Value
from django.template.loader import render_to_string

from accounting.fields import DatabaseNow
from portal.mail import addressing, links, tongues
from portal.mail_rows import DigestEntry, Mail, NoticePreference
from portal.models import User

MOST_SUBJECT = 150
KEPT = timedelta(days=30)
"""So long the text of a mail is kept after it was written."""


def queue(
    to: User | str,
    kind: str,
    cause: str,
    context: Mapping[str, Any],
    *,
    template: str = "",
    language: str = "",
) -> bool:
    """Write a mail to a user, or to an address; a worker sends it. Call it in the transaction of its cause.

    `emails/<template>.txt` and `.html` are rendered (the kind's, when none is named); the first line of the text is the
    subject. They get `context` and `site`, `home`, `stop` (link that stops the kind) and, for users, `choose`.

    :param language: of somebody without an account; users are written to in theirs.
    :return: whether a mail was written: not for a cause that was mailed before, nor to somebody who cannot be mailed or
        does not want to be.
    """
    user = to if isinstance(to, User) else None
    address = "" if user else str(to).strip()
    if not (addressing.address_of(user) if user else addressing.is_address(address)):
        return False
    if address and addressing.refused(address, kind):
        return False
    if Mail.objects.filter(user=user, address=address, kind=kind, cause=cause).exists():
        return False
    spoken = tongues.language_of(user) if user else language or settings.LANGUAGE_CODE
    subject, text, html = _render(template or kind, kind, context, user, address, spoken)
    row = Mail(uuid=uuid.uuid4(), user=user, address=address, kind=kind, cause=cause, language=spoken)
    row.subject, row.text, row.html = subject, text, html
    return bool(Mail.objects.bulk_create([row], ignore_conflicts=True))


def one_line(text: str) -> str:
    """A header's worth of text: no line break, nothing invisible, not too long."""
    spaced = " ".join(text.split())
    plain = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
    return plain if len(plain) <= MOST_SUBJECT else f"{plain[: MOST_SUBJECT - 1]}…"


def _render(
    name: str, kind: str, context: Mapping[str, Any], user: User | None, address: str, language: str
) -> tuple[str, str, str]:
    stop = links.stop_link(kind, user=user, address=address)
    around = {"site": settings.SITE_TITLE, "home": settings.PUBLIC_URL, "stop": stop, "language": language}
    if user:
        around["choose"] = links.absolute("/profile/notifications/")
    with tongues.speaking(language, tongues.zone_of(user) if user else UTC):
        text = render_to_string(f"emails/{name}.txt", around | dict(context))
        html = render_to_string(f"emails/{name}.html", around | dict(context))
    subject, _, body = text.lstrip().partition("\n")
    return one_line(subject), _clean(body), _clean(html)


def _clean(text: str) -> str:
    """Lines without spaces at their ends, one empty line at most, and no NUL, which no database keeps."""
    lines: list[str] = []
    for line in text.replace("\x00", "").splitlines():
        if line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
    return "\n".join(lines).strip() + "\n"


def purge(limit: int = 1000) -> int:
    """Empties mails that were written more than 30 days ago; what was told whom stays. Returns how many."""
    old = Mail.objects.filter(~Q(text=""), created_at__lt=DatabaseNow() - Value(KEPT)).order_by("created_at")
    return Mail.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).update(
        subject="", text="", html=""
    )


def forget(user: User) -> None:
    """Deletes all mails to the user, sent or not, and what they wanted to hear of."""
    for rows in (Mail, DigestEntry, NoticePreference):
        rows.objects.filter(user=user).delete()
