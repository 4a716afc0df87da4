"""Buckets of credits in a wallet, what they paid for, and what nothing paid for yet."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Value
from django.db.models.functions import Collate, Lower

from accounting.fields import CreditsField
from accounting.models.account import Account
from accounting.models.ledger import Transaction

TEXT = models.TextField()


def _slug() -> models.Func:
    """The label in lower case, every run of other characters than a-z and 0-9 as one hyphen."""
    lower = Lower(Collate("label", "C"))  # of ASCII letters only, wherever the database runs
    words = models.Func(
        lower, Value("[^a-z0-9]+"), Value("-"), Value("g"), function="regexp_replace", output_field=TEXT
    )
    return models.Func(words, Value("-"), function="btrim", output_field=TEXT)


class Grant(models.Model):
    """Burnt by priority (low first), then earliest expiry, then age (G1). `fund` is who pays for it (G5).

    Of what `remaining` says, `held` is bound to open holds (H2). `plan` is what back ends call it: its kind, or
    `sponsored-<slug>`.
    """

    class Kind(models.TextChoices):
        FREE = "free"
        TRIAL = "trial"
        SPONSORED = "sponsored"
        VOUCHER = "voucher"
        PAID = "paid"

    id = models.BigAutoField(primary_key=True)
    wallet = models.ForeignKey(Account, models.PROTECT, related_name="grants", db_index=False)
    transaction = models.OneToOneField(Transaction, models.PROTECT, related_name="grant")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    label = models.CharField(max_length=200)
    fund = models.CharField(max_length=100)
    priority = models.SmallIntegerField()
    amount = CreditsField()
    remaining = CreditsField()
    held = CreditsField(default=0, db_default=0)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    backends = ArrayField(models.BigIntegerField(), default=list, help_text="scope; empty = any")
    processes = ArrayField(models.CharField(max_length=255), default=list, help_text="scope; empty = any")
    slug = models.GeneratedField(expression=_slug(), output_field=TEXT, db_persist=True)
    plan = models.GeneratedField(
        expression=models.Case(
            models.When(
                kind="sponsored",
                then=models.Func(
                    Value("sponsored-"), _slug(), template="(%(expressions)s)", arg_joiner=" || ", output_field=TEXT
                ),
            ),
            default=models.F("kind"),
            output_field=TEXT,
        ),
        output_field=TEXT,
        db_persist=True,
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="grant_amount_must_be_positive"),
            models.CheckConstraint(
                condition=models.Q(remaining__gte=0, remaining__lte=models.F("amount")),
                name="grant_remaining_must_be_within_its_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(held__gte=0, held__lte=models.F("remaining")),
                name="grant_held_must_be_within_what_remains",
            ),
            models.CheckConstraint(condition=~models.Q(fund=""), name="grant_must_have_a_funder"),
        ]
        indexes = [
            models.Index(
                fields=["wallet", "priority", "expires_at", "id"],
                condition=models.Q(remaining__gt=0),
                name="grant_open",
            ),
            models.Index(
                fields=["expires_at"], condition=models.Q(remaining__gt=models.F("held")), name="grant_to_expire"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} grant {self.pk}"


class Spend(models.Model):
    """`grant` paid `amount` of a posting (and of a usage line, if it has one); grant NULL = nobody yet (G3).

    Append-only: a repaid debt is a pair (-x uncovered, +x grant), a reversal negates. `cause` wrote the row.
    """

    id = models.BigAutoField(primary_key=True)
    transaction = models.ForeignKey(Transaction, models.PROTECT, related_name="spends", db_constraint=False)
    posting = models.SmallIntegerField()
    line = models.SmallIntegerField(null=True)
    grant = models.ForeignKey(Grant, models.PROTECT, null=True, related_name="spends", db_constraint=False)
    amount = CreditsField()
    cause = models.ForeignKey(Transaction, models.PROTECT, related_name="+", db_index=False, db_constraint=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=~models.Q(amount=0), name="spend_must_move")]

    def __str__(self) -> str:
        return f"spend {self.pk}"


class Debt(models.Model):
    """The open remainder of an uncovered line; repaid by the next grants, oldest first (G4)."""

    id = models.BigAutoField(primary_key=True)
    wallet = models.ForeignKey(Account, models.PROTECT, related_name="debts", db_index=False)
    transaction = models.ForeignKey(Transaction, models.PROTECT, related_name="debts", db_constraint=False)
    posting = models.SmallIntegerField()
    line = models.SmallIntegerField(null=True)
    backend = models.BigIntegerField(null=True)
    process = models.CharField(max_length=255, default="")
    amount = CreditsField()
    outstanding = CreditsField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outstanding__gte=0, outstanding__lte=models.F("amount")),
                name="debt_outstanding_must_be_within_its_amount",
            )
        ]
        indexes = [
            models.Index(fields=["wallet", "id"], condition=models.Q(outstanding__gt=0), name="debt_open"),
        ]

    def __str__(self) -> str:
        return f"debt {self.pk}"
