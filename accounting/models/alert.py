"""When an organisation wants to hear that its credits run low, and whether they do."""

from __future__ import annotations

from django.db import models

from accounting.fields import CreditsField
from accounting.models.account import Account

DAYS = 7
"""Of an organisation that chose nothing: low is less than what it spends in so many days."""


class BalanceAlert(models.Model):
    """`rule` and its figure are the organisation's choice; the rest is what the last comparison found.

    `seq` is the wallet's newest entry that was compared, `episode` counts how often the credits ran low, `low_at` is
    when they last did, and `check_at` when to look again although nothing was posted.
    """

    class Rule(models.TextChoices):
        DAYS = "days"
        AMOUNT = "amount"
        NEVER = "never"

    wallet = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="balance_alert")
    rule = models.CharField(max_length=10, choices=Rule.choices, default=Rule.DAYS, db_default=Rule.DAYS)
    days = models.PositiveSmallIntegerField(default=DAYS, db_default=DAYS)
    amount = CreditsField(default=0, db_default=0)
    low = models.BooleanField(default=False, db_default=False)
    seq = models.BigIntegerField(default=0, db_default=0)
    episode = models.PositiveIntegerField(default=0, db_default=0)
    low_at = models.DateTimeField(null=True)
    check_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(rule__in=["days", "amount", "never"]), name="balance_alert_rule_known"
            ),
            models.CheckConstraint(
                condition=models.Q(days__gte=1, days__lte=365, amount__gte=0), name="balance_alert_must_be_possible"
            ),
        ]
        indexes = [
            models.Index(
                fields=["check_at"], condition=models.Q(check_at__isnull=False), name="balance_alert_to_check"
            ),
        ]

    def __str__(self) -> str:
        return f"balance alert of wallet {self.wallet_id}"
