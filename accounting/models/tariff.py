"""Rate cards: a tariff per source and period, and its rules. Immutable once published (T1)."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models.functions import Now

from accounting.models.backend import Source


class Tariff(models.Model):
    """In force during `[starts_at, ends_at)`; two tariffs of a source never overlap (T2)."""

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, models.PROTECT, related_name="tariffs", db_index=False)
    version = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    size = models.PositiveSmallIntegerField(help_text="how many rules it has, so that none can be added later")
    note = models.TextField(blank=True, default="")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    published_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "version"], name="tariff_version_once_a_source"),
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True) | models.Q(ends_at__gt=models.F("starts_at")),
                name="tariff_must_end_after_its_start",
            ),
            ExclusionConstraint(
                name="tariff_one_in_force",
                expressions=[
                    ("source", RangeOperators.EQUAL),
                    (models.Func("starts_at", "ends_at", function="tstzrange"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version} of source {self.source_id}"


class RatingRule(models.Model):
    """A row of a rate card; the meaning of each column is `accounting.rating.Rule`'s."""

    id = models.BigAutoField(primary_key=True)
    tariff = models.ForeignKey(Tariff, models.PROTECT, related_name="rules", db_index=False)
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=200)
    metric = models.CharField(max_length=50)
    canonical_unit = models.CharField(max_length=50)
    model = models.CharField(max_length=20)
    price = models.DecimalField(max_digits=24, decimal_places=12, default=0)
    terms = models.JSONField(default=dict, help_text="tiers, package, free, minimum, maximum, factor, fee, when")
    beneficiary = models.CharField(max_length=100, default="provider")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tariff", "position"], name="rule_position_once_a_tariff"),
            models.CheckConstraint(condition=models.Q(price__gte=0), name="rule_price_must_not_be_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.tariff_id}/{self.position})"
