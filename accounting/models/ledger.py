"""The ledger: transactions, their postings, and two entries a posting. Append-only (L4)."""

from __future__ import annotations

from django.db import models

from accounting.fields import CreditsField
from accounting.models.account import Account
from accounting.models.backend import ServiceClient, Source


class Transaction(models.Model):
    """One money fact. (client, endpoint, source, service, key) happens once for ever; `answer` is replayed (L3)."""

    class Kind(models.TextChoices):
        USAGE = "usage"
        GRANT = "grant"
        EXPIRY = "expiry"
        REVERSAL = "reversal"
        REPAYMENT = "repayment"
        """Moves nothing: credits that a hold gave back paid open debts (H6)."""

    class Reason(models.TextChoices):
        FAILED_JOB = "failed_job"
        PROVIDER_OUTAGE = "provider_outage"
        DUPLICATE_REPORT = "duplicate_report"
        WRONG_PAYER = "wrong_payer"
        WRONG_TARIFF = "wrong_tariff"
        WRONG_USAGE = "wrong_usage"
        GOODWILL = "goodwill"
        SUPERSEDED = "superseded"
        """A capture, by the next one or by the job's own report (H8)."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    client = models.ForeignKey(
        ServiceClient, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    endpoint = models.CharField(max_length=50)
    source = models.ForeignKey(Source, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False)
    service = models.CharField(max_length=255, blank=True, default="")
    key = models.CharField(max_length=300, null=True)  # noqa: DJ001  NULL = the client sent none, so nothing to dedupe
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    answer = models.TextField(blank=True, default="")
    reverses = models.OneToOneField("self", models.PROTECT, null=True, related_name="reversed_by")
    reason = models.CharField(max_length=30, choices=Reason.choices, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client", "endpoint", "source", "service", "key"],
                nulls_distinct=False,
                condition=models.Q(key__isnull=False),
                name="transaction_once_a_key",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="reversal", reverses__isnull=False) & ~models.Q(reason="")
                | (~models.Q(kind="reversal") & models.Q(reverses__isnull=True)),
                name="transaction_reverses_with_a_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["usage", "grant", "expiry", "reversal", "repayment"]),
                name="transaction_kind_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Posting(models.Model):
    """`amount` moves from `source_account` to `destination_account`; one-sided money cannot be written down."""

    pk = models.CompositePrimaryKey("transaction_id", "number")
    transaction = models.ForeignKey(
        Transaction, models.PROTECT, related_name="postings", db_index=False, db_constraint=False
    )
    number = models.SmallIntegerField()
    source_account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    destination_account = models.ForeignKey(
        Account, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    amount = CreditsField()
    purpose = models.CharField(max_length=30)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="posting_amount_must_be_positive"),
            models.CheckConstraint(
                condition=~models.Q(source_account=models.F("destination_account")), name="posting_must_move"
            ),
        ]

    def __str__(self) -> str:
        return f"posting {self.transaction_id}/{self.number}"


class Entry(models.Model):
    """One side of a posting. `seq` has no gaps on a wallet; `balance_after` is kept for wallets only.

    No foreign keys: the trigger of L2 proves each entry against its posting and its account (decision 0005).
    """

    pk = models.CompositePrimaryKey("account_id", "seq")
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries", db_index=False, db_constraint=False)
    seq = models.BigIntegerField()
    transaction = models.ForeignKey(
        Transaction, models.PROTECT, related_name="entries", db_index=False, db_constraint=False
    )
    posting = models.SmallIntegerField()
    side = models.SmallIntegerField()
    amount = CreditsField()
    balance_after = CreditsField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["transaction", "posting", "side"], name="entry_once_a_side"),
            models.CheckConstraint(
                condition=models.Q(side=-1, amount__lt=0) | models.Q(side=1, amount__gt=0),
                name="entry_side_is_the_sign",
            ),
        ]
        indexes = [models.Index(fields=["account", "recorded_at"], name="entry_as_of")]

    def __str__(self) -> str:
        return f"entry {self.account_id}/{self.seq}"
