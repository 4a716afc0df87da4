"""Copies of what is known about people, made for them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from portal.models.user import User


class DataExport(models.Model):
    """A copy of what is known about a person (GDPR articles 15 and 20), made by a worker, kept for a week.

    The row decides what is due: a worker claims it (`claimed_until`, `attempt`), writes chunks of its own attempt and
    says how far it is (`done` of `total`), and whoever finishes first sets `ready_at`. A worker that died is followed
    by another one, whose chunks have another number.
    """

    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports", db_index=False)
    requested_at = models.DateTimeField(db_default=Now())
    claimed_until = models.DateTimeField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0, db_default=0)
    done = models.PositiveIntegerField(default=0, db_default=0)
    total = models.PositiveIntegerField(default=0, db_default=0)
    ready_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    size = models.BigIntegerField(default=0, db_default=0, help_text="bytes of the archive")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(ready_at__isnull=True, failed_at__isnull=True),
                name="data_export_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(ready_at__isnull=True) | models.Q(failed_at__isnull=True),
                name="data_export_is_ready_or_failed",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "-requested_at"], name="data_export_of_user"),
            models.Index(
                fields=["requested_at"],
                condition=models.Q(ready_at__isnull=True, failed_at__isnull=True),
                name="data_export_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"


class DataExportChunk(models.Model):
    """A piece of an archive: neither making nor sending one needs it whole in memory."""

    pk = models.CompositePrimaryKey("export_id", "attempt", "number")
    export = models.ForeignKey(DataExport, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    attempt = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.export_id}"
