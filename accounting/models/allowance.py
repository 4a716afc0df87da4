"""Credits that come every month."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from accounting.fields import CreditsField
from accounting.models.grant import Grant
from accounting.models.organisation import Organisation


class Allowance(models.Model):
    """A grant of `amount` on the first of each UTC month, until the first of the next one (G7).

    `due_at` is the first of the month whose grant comes next; NULL: it has ended.
    """

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="allowances", db_index=False)
    kind = models.CharField(max_length=20, choices=Grant.Kind.choices)
    label = models.CharField(max_length=150)
    fund = models.CharField(max_length=100)
    amount = CreditsField()
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "label"], name="allowance_once_a_label"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="allowance_amount_must_be_positive"),
            models.CheckConstraint(condition=~models.Q(fund=""), name="allowance_must_have_a_funder"),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], condition=models.Q(due_at__isnull=False), name="allowance_due"),
        ]

    def __str__(self) -> str:
        return f"allowance {self.pk}"
