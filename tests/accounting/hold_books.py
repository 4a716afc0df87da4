"""What tests of holds do again and again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from accounting import holds
from accounting.holds import Payer, Request, Reserved
from accounting.models import Account, Grant, Hold, HoldEvent, OpenHold
from tests.accounting.books import micros
from tests.conftest import SOURCE, Federation


def request(federation: Federation, key: str = "h-1", amount: float = 10, **changes: Any) -> Request:
    """A hold for Alice's job j-1, paid by whoever pays for her by default."""
    payer = Payer(SOURCE, federation.alice.sub, **changes.pop("payer", {}))
    terms: dict[str, Any] = {"job_id": "j-1", "key": key, "amount": micros(amount), "lifetime": timedelta(hours=1)}
    return Request(payer, **(terms | changes))


def reserve(federation: Federation, key: str = "h-1", amount: float = 10, **changes: Any) -> Reserved:
    return holds.reserve(federation.client, request(federation, key, amount, **changes))


def held(organisation: int) -> tuple[int, int]:
    """(micro-credits, number) that the wallet says its open holds keep."""
    account = Account.objects.get(organisation_id=organisation)
    return account.held, account.holds


def bound() -> dict[int, int]:
    """What each grant has bound, those that have anything."""
    return dict(Grant.objects.filter(held__gt=0).values_list("pk", "held"))


def story(hold: Reserved) -> list[tuple[str, int]]:
    """What happened to the hold: kind and change of what it keeps."""
    return list(HoldEvent.objects.filter(hold_id=hold.pk).order_by("pk").values_list("kind", "amount"))


def state(hold: Reserved) -> str:
    ended = HoldEvent.objects.filter(hold_id=hold.pk, ends=True).values_list("kind", flat=True).first()
    return ended or "open"


def check_held() -> None:
    """Held = sum of open holds, by wallet and by grant, and each hold is the sum of what happened to it (H1 to H4)."""
    kept: dict[int, list[int]] = {}
    by_grant: dict[int, int] = {}
    for row in OpenHold.objects.all():
        kept.setdefault(row.wallet_id, []).append(row.remaining)
        for grant, amount in zip(row.grants, row.amounts, strict=True):
            by_grant[grant] = by_grant.get(grant, 0) + amount
        assert row.remaining == sum(row.amounts) + row.unbacked
    for account in Account.objects.filter(kind="wallet"):
        rows = kept.get(account.pk, [])
        assert (account.held, account.holds) == (sum(rows), len(rows))
    assert {g: a for g, a in by_grant.items() if a} == bound()
    open_ones = dict(OpenHold.objects.values_list("hold_id", "remaining"))
    for hold in Hold.objects.all():
        total = hold.amount + sum(HoldEvent.objects.filter(hold=hold).values_list("amount", flat=True))
        assert total == open_ones.get(hold.pk, 0)
