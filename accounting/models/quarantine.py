"""Reports that could not be booked, kept until an operator has mended the cause."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from accounting.models.backend import ServiceClient
from accounting.models.usage import UsageReport


class QuarantinedReport(models.Model):
    """`unbookable`: answered 4xx, work unpaid. `mismatch`: same key, other content; the first answer was replayed."""

    class Category(models.TextChoices):
        UNBOOKABLE = "unbookable"
        MISMATCH = "mismatch"

    class Status(models.TextChoices):
        OPEN = "open"
        REPLAYED = "replayed"
        DISMISSED = "dismissed"

    id = models.BigAutoField(primary_key=True)
    category = models.CharField(max_length=20, choices=Category.choices)
    client = models.ForeignKey(ServiceClient, models.PROTECT, related_name="+")
    endpoint = models.CharField(max_length=50)
    source = models.CharField(max_length=200)
    service = models.CharField(max_length=255, blank=True, default="")
    key = models.CharField(max_length=300, null=True)  # noqa: DJ001  NULL = none was sent
    body = models.JSONField(help_text="the parsed report, enough to book it later")
    raw = models.TextField()
    fingerprint = models.CharField(max_length=64)
    code = models.CharField(max_length=50)
    field = models.CharField(max_length=200, blank=True, default="")
    detail = models.TextField()
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.OPEN)
    attempts = models.PositiveIntegerField(default=1)
    received_at = models.DateTimeField(db_default=Now())
    resolved_at = models.DateTimeField(null=True)
    report = models.ForeignKey(UsageReport, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client", "endpoint", "source", "service", "key", "fingerprint", "category"],
                condition=models.Q(key__isnull=False, status="open"),
                name="quarantine_once_an_open_key",
            )
        ]
        indexes = [models.Index(fields=["status", "-id"], name="quarantine_by_status")]

    def __str__(self) -> str:
        return f"quarantined {self.pk}: {self.code}"
