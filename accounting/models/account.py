"""Ledger accounts: guarded wallets with a running balance, and unguarded ones that are sums of entries."""

from __future__ import annotations

from django.db import models

from accounting.fields import CreditsField
from accounting.models.backend import Provider
from accounting.models.organisation import Organisation


class Account(models.Model):
    """Only wallets carry `posted`, `held`, `floor` and `seq`; the others stay at zero so that no row is hot (L6).

    `held` is what `holds` open holds keep (H1). Holds may take the wallet down to `floor` (zero or negative), and to
    `fail_open` below it for a job that a back end started while it could not ask. `limited`: some limit counts it.
    """

    class Kind(models.TextChoices):
        WALLET = "wallet"
        PROVIDER_PAYABLE = "provider_payable"
        PUBLISHER_PAYABLE = "publisher_payable"
        PLATFORM_FEE = "platform_fee"
        ISSUANCE = "issuance"
        BREAKAGE = "breakage"
        RECEIVABLE = "receivable"
        CLEARING = "clearing"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    organisation = models.OneToOneField(Organisation, models.PROTECT, null=True, related_name="wallet")
    provider = models.ForeignKey(Provider, models.PROTECT, null=True, related_name="+")
    owner = models.CharField(max_length=100, blank=True, default="", help_text="fund, publisher or empty")
    posted = CreditsField(default=0, db_default=0)
    held = CreditsField(default=0, db_default=0)
    floor = CreditsField(default=0, db_default=0)
    seq = models.BigIntegerField(default=0, db_default=0)
    holds = models.IntegerField(default=0, db_default=0)
    fail_open = CreditsField(default=0, db_default=0)
    most_held = CreditsField(null=True, help_text="the most that its holds may keep together; NULL = no bound")
    most_holds = models.IntegerField(null=True, help_text="the most open holds; NULL = the setting")
    limited = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "organisation", "provider", "owner"],
                nulls_distinct=False,
                name="account_once_an_owner",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="wallet", organisation__isnull=False)
                | (~models.Q(kind="wallet") & models.Q(organisation__isnull=True)),
                name="account_is_a_wallet_iff_an_organisation_owns_it",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="provider_payable", provider__isnull=False)
                | (~models.Q(kind="provider_payable") & models.Q(provider__isnull=True)),
                name="account_names_a_provider_iff_payable_to_it",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="wallet") | models.Q(posted=0, held=0, floor=0, seq=0),
                name="account_carries_a_balance_only_if_wallet",
            ),
            models.CheckConstraint(condition=models.Q(held__gte=0), name="account_held_must_not_be_negative"),
            models.CheckConstraint(
                condition=models.Q(holds__gt=0) | models.Q(holds=0, held=0), name="account_holds_what_its_holds_keep"
            ),
            models.CheckConstraint(
                condition=models.Q(floor__lte=0, fail_open__gte=0), name="account_floor_must_not_be_positive"
            ),
        ]

    def __str__(self) -> str:
        owner = self.organisation_id or self.provider_id or self.owner
        return f"{self.kind}:{owner}" if owner else self.kind
