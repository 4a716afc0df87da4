"""Below what an organisation's credits are low: a choice of its owners and managers."""

from __future__ import annotations

from dataclasses import dataclass

from accounting import ledger
from accounting.credits import LARGEST
from accounting.errors import AlertInvalid
from accounting.fields import DatabaseNow
from accounting.models import BalanceAlert
from accounting.models.alert import DAYS

LONGEST = 365


@dataclass(frozen=True, slots=True)
class Threshold:
    """`rule` days: less than is spent in `days` at the pace of the last 30; amount: less than `amount` micro-credits;
    never: nobody is told.
    """

    rule: str = BalanceAlert.Rule.DAYS
    days: int = DAYS
    amount: int = 0


def threshold(organisation: int) -> Threshold:
    """What the organisation chose, or what holds until it does."""
    row = BalanceAlert.objects.filter(wallet__organisation_id=organisation).first()
    return Threshold(row.rule, row.days, row.amount) if row else Threshold()


def set_threshold(organisation: int, chosen: Threshold) -> None:
    """The balance is compared anew with the next scan. Who may choose is the caller's business.

    :raises AlertInvalid: no such rule, or a figure out of range. :raises NotFound: no such organisation.
    """
    if chosen.rule not in BalanceAlert.Rule.values:
        raise AlertInvalid(f"the rule must be one of {', '.join(BalanceAlert.Rule.values)}", field="rule")
    if not 1 <= chosen.days <= LONGEST:
        raise AlertInvalid(f"days must be 1 to {LONGEST}", field="days")
    if not 0 <= chosen.amount <= LARGEST:
        raise AlertInvalid("an amount is not negative and at most what one booking may move", field="amount")
    said = {"rule": chosen.rule, "days": chosen.days, "amount": chosen.amount, "check_at": DatabaseNow()}
    BalanceAlert.objects.update_or_create(wallet_id=ledger.wallet(organisation), defaults=said)
