"""What was counted for pages that anybody may read: reports by hour, and what many people use. Never the truth."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounting.models.backend import Source


class ReportingHour(models.Model):
    """The reports of a source that were booked in the hour that begins at `hour`; `newest` is the last one's number.

    Can be made again from the reports at any time (`accounting.activity`).
    """

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, models.CASCADE, related_name="+", db_index=False)
    hour = models.DateTimeField()
    reports = models.PositiveIntegerField()
    last_at = models.DateTimeField()
    newest = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "hour"], name="reporting_hour_once_a_source")]
        indexes = [models.Index(fields=["hour"], name="reporting_by_hour")]

    def __str__(self) -> str:
        return f"{self.reports} reports of source {self.source_id} at {self.hour:%Y-%m-%d %H}"


class PopularProcess(models.Model):
    """An algorithm that many organisations paid for, as last counted; nothing that few did is here (E4)."""

    process = models.CharField(primary_key=True, max_length=255)
    organisations = models.PositiveIntegerField()
    days = models.PositiveIntegerField(help_text="days of persons on which it was used")
    backends = ArrayField(models.CharField(max_length=200), help_text="names of those on which many used it")
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.process
