"""What is mailed to whom, and what people want to hear of. Imported by `portal.models`, which is where Django looks."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounting.fields import DatabaseNow

USER = "portal.User"


class Mail(models.Model):
    """A mail to a user, or to the `address` of somebody who is none; once per kind and cause (D1).

    A user's address is not here: it is looked up when the mail is sent, so that it goes to the one verified last and to
    nobody who left. Pending until it has a `sent_at` or an `abandoned_at`; nobody sends it before `next_at`.
    """

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(unique=True, help_text="in its Message-ID, the same at each attempt")
    user = models.ForeignKey(USER, models.CASCADE, null=True, related_name="mails", db_index=False)
    address = models.CharField(max_length=254, blank=True, default="")
    kind = models.CharField(max_length=50)
    cause = models.CharField(max_length=200)
    language = models.CharField(max_length=20)
    subject = models.CharField(max_length=200)
    text = models.TextField(help_text="empty when it was purged")
    html = models.TextField(help_text="empty when it was purged")
    created_at = models.DateTimeField(db_default=DatabaseNow())
    next_at = models.DateTimeField(db_default=DatabaseNow())
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    abandoned_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["user", "address", "kind", "cause"], name="mail_once_a_cause", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, address="") | (models.Q(user=None) & ~models.Q(address="")),
                name="mail_has_one_recipient",
            ),
            models.CheckConstraint(
                condition=models.Q(sent_at=None) | models.Q(abandoned_at=None), name="mail_is_sent_or_abandoned"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["next_at", "id"], condition=models.Q(sent_at=None, abandoned_at=None), name="mail_pending"
            ),
            models.Index(fields=["created_at"], condition=~models.Q(text=""), name="mail_to_purge"),
        ]

    def __str__(self) -> str:
        return f"mail {self.pk} ({self.kind})"


class MailRefusal(models.Model):
    """Somebody without an account wants no more mails of this kind. Of the address only a digest is kept."""

    id = models.BigAutoField(primary_key=True)
    digest = models.CharField(max_length=64)
    kind = models.CharField(max_length=50)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["digest", "kind"], name="refusal_once_a_kind")
        ]

    def __str__(self) -> str:
        return f"refusal of {self.kind}"


class NoticePreference(models.Model):
    """What a user chose for a kind of notice; without a row its defaults hold. `since`: from when on receipts."""

    class ByMail(models.TextChoices):
        OFF = "off"
        NOW = "now"
        DAILY = "daily"

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(USER, models.CASCADE, related_name="notice_preferences", db_index=False)
    kind = models.CharField(max_length=50)
    portal = models.BooleanField()
    mail = models.CharField(max_length=10, choices=ByMail.choices)
    since = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "kind"], name="preference_once_a_kind"),
            models.CheckConstraint(
                condition=models.Q(mail__in=["off", "now", "daily"]), name="preference_by_mail_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.user_id}"


class DigestEntry(models.Model):
    """A notice that waits for its user's next daily digest; `closed_at`: it was mailed, or had been read before."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(USER, models.CASCADE, related_name="+", db_index=False)
    notice = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=DatabaseNow())
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "notice"], name="digest_entry_once_a_notice")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "created_at"], condition=models.Q(closed_at=None), name="digest_entry_open")
        ]

    def __str__(self) -> str:
        return f"entry {self.pk} of the digest of {self.user_id}"
