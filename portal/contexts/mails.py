"""What the demonstration's page of sent mails shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from portal.contexts import cursors
from portal.mail_rows import Mail

_KEYS = ("pk",)


@dataclass(frozen=True, slots=True)
class MailRow:
    """`state` is sent, waiting or abandoned."""

    id: int
    to: str
    subject: str
    kind: str
    state: str
    error: str
    at: datetime
    href: str


@dataclass(frozen=True, slots=True)
class MailsPage:
    mails: tuple[MailRow, ...]
    older: str
    newer: str


@dataclass(frozen=True, slots=True)
class MailPage:
    row: MailRow
    text: str
    html: str
    frame: str


def page_of(query: Any) -> MailsPage:
    """:raises BadRequest: naming what is wrong with the address."""
    page = cursors.page(Mail.objects.select_related("user"), _KEYS, cursors.read(query))
    base = reverse("mail")
    return MailsPage(
        mails=tuple(_row(mail) for mail in page.rows),
        older=f"{base}?{urlencode({'after': page.after})}" if page.after else "",
        newer=f"{base}?{urlencode({'before': page.before})}" if page.before else "",
    )


def find(pk: int) -> MailPage | None:
    """The mail, whoever it was to: only a demonstration shows it."""
    mail = Mail.objects.select_related("user").filter(pk=pk).first()
    if mail is None:
        return None
    return MailPage(_row(mail), mail.text, mail.html, reverse("mail-html", args=[mail.pk]))


def _row(mail: Mail) -> MailRow:
    to = f"{mail.user.display_name} <{mail.user.email}>" if mail.user else mail.address
    state = "sent" if mail.sent_at else "abandoned" if mail.abandoned_at else "waiting"
    return MailRow(
        id=mail.pk,
        to=to,
        subject=mail.subject,
        kind=mail.kind,
        state=state,
        error=mail.error,
        at=mail.sent_at or mail.created_at,
        href=reverse("mail-one", args=[mail.pk]),
    )
