"""Who is given or buys credits, and when. Amounts in credits, times in days after the anchor (negative: before)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from devtools.demonstration.people import PEOPLE, SERVICE_ACCOUNT

PLATFORM, SPONSOR, SALES = "platform", "network-of-resources", "sales"
"""Funds: who pays for what is given. Sold credits were paid by their buyer."""


@dataclass(frozen=True)
class Allowance:
    """Credits for a wallet: an organisation's slug, or the sub of the person whose own it is.

    `leave` is a debt in credits: the grant is made as large as is needed to leave the wallet owing about that much,
    because how much was used before depends on the calendar. `backend` is the slug to which the grant is bound.
    """

    at: datetime
    wallet: str
    amount: int
    kind: str
    label: str
    fund: str
    expires_at: datetime | None = None
    backend: str = ""
    leave: int = 0

    @property
    def key(self) -> str:
        return f"{self.wallet}/{self.kind}/{self.label}"


@dataclass(frozen=True)
class _Purchase:
    day: float
    wallet: str
    amount: int
    kind: str
    label: str
    fund: str
    expires: float | None = None
    backend: str = ""
    leave: int = 0


_TRIAL = next(person.sub for person in PEOPLE if person.login == "milan")

_PURCHASES = (
    _Purchase(-88, "forest", 12_000, "sponsored", "Network of Resources", SPONSOR, 95, "terrascope"),
    _Purchase(-86, "forest", 5_000, "paid", "Package of 5,000 credits", SALES),
    _Purchase(-31, "forest", 5_000, "paid", "Second package of 5,000 credits", SALES),
    _Purchase(-89, "delta", 1_500, "paid", "Package of 1,500 credits", SALES),
    _Purchase(-60, "delta", 1_000, "voucher", "Voucher: hackathon", SPONSOR, -30),
    _Purchase(-45, "delta", 500, "paid", "Package of 500 credits", SALES),
    _Purchase(-0.3, "delta", 1, "voucher", "Voucher: help desk, part of the open amount", PLATFORM, leave=38),
    _Purchase(-80, "snow", 2_000, "sponsored", "Snow monitoring", SPONSOR, 40, "eodc"),
    _Purchase(-70, "snow", 8_000, "paid", "Package of 8,000 credits", SALES),
    _Purchase(-12, "snow", 250, "voucher", "Voucher: summer school", SPONSOR, 6),
    _Purchase(-77, "agri", 10_000, "paid", "Package of 10,000 credits", SALES),
    _Purchase(-20, "agri", 100_000, "paid", "Package of 100,000 credits", SALES),
    _Purchase(-22, _TRIAL, 1_000, "trial", "30-day trial", PLATFORM, 8),
)

FREE = "Free credits"
_MONTHLY = {"forest": 1_000, "snow": 400} | dict.fromkeys([*(p.sub for p in PEOPLE), SERVICE_ACCOUNT], 1_000)


def allowances(anchor: datetime, days: int) -> list[Allowance]:
    """All that is issued from `days` before the anchor until now, by instant; what is older comes on the first day."""
    start = anchor - timedelta(days=days)
    found = [_allowance(purchase, anchor, start) for purchase in _PURCHASES]
    found += _monthly(start, anchor)
    return sorted(found, key=lambda allowance: (allowance.at, allowance.key))


def monthly() -> Iterator[tuple[str, int]]:
    """Who is given free credits every month, and how many: also after the past has ended."""
    yield from _MONTHLY.items()


def _allowance(purchase: _Purchase, anchor: datetime, start: datetime) -> Allowance:
    at = max(anchor + timedelta(days=purchase.day), start)
    expires_at = None if purchase.expires is None else anchor + timedelta(days=purchase.expires)
    return Allowance(
        *(at, purchase.wallet, purchase.amount, purchase.kind, purchase.label, purchase.fund, expires_at),
        backend=purchase.backend,
        leave=purchase.leave,
    )


def _monthly(start: datetime, anchor: datetime) -> Iterator[Allowance]:
    """Free credits on the first of each month until the first of the next, as CDSE gives them; nothing rolls over."""
    first = start.replace(day=1)
    while first <= anchor:
        following = (first + timedelta(days=32)).replace(day=1)
        for wallet, amount in _MONTHLY.items():
            label = f"{FREE}, {first:%Y-%m}"
            yield Allowance(max(first, start), wallet, amount, "free", label, PLATFORM, following)
        first = following
