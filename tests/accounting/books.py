"""What tests of the core do and look at again and again."""

from __future__ import annotations

from typing import Any

from django.db import connection

from accounting import invariants, queries, usage
from accounting.credits import MICROS
from accounting.models import Account, Spend
from accounting.principals import ServicePrincipal
from accounting.usage import Outcome, UsageReport
from tests.conftest import Federation

GOLDEN = 5_759_775
"""What `Federation.report()` costs in micro-credits."""


def micros(number: float) -> int:
    """Micro-credits of a number of credits with few decimals."""
    return round(number * MICROS)


def book(federation: Federation, key: str = "k-1", **changes: Any) -> Outcome:
    """Reports Alice's golden job, changed as asked, and insists that it is booked."""
    outcome = ingest(federation.client, federation.report(key, **changes))
    assert outcome.status == "booked", outcome
    return outcome


def booked(federation: Federation, key: str = "k-1", **changes: Any) -> int:
    """`book`, and the id of its transaction."""
    pk = book(federation, key, **changes).transaction
    assert pk is not None
    return pk


def ingest(client: ServicePrincipal, report: UsageReport, *, on_reuse: Any = "replay") -> Outcome:
    (outcome,) = usage.ingest(client, [report], on_reuse=on_reuse)
    return outcome


def posted(organisation: int) -> int:
    return queries.balance(organisation).posted


def account(kind: str, *, provider: int | None = None, owner: str = "") -> int:
    """The sum of an unguarded account's entries."""
    accounts = Account.objects.filter(kind=kind, owner=owner)
    if provider is not None:
        accounts = accounts.filter(provider_id=provider)
    return queries.account_total(accounts.get().pk)


def paid_by(transaction: int) -> list[tuple[int | None, int]]:
    """(line, micro-credits) of what each grant or debt bears of a transaction, as (grant, amount), in order."""
    return list(Spend.objects.filter(transaction_id=transaction).order_by("pk").values_list("grant_id", "amount"))


def prove() -> None:
    """Every invariant that `verify_ledger` knows holds."""
    assert list(invariants.violations()) == []


def rows() -> dict[str, int]:
    """How many rows each table of accounting has, so that "nothing was written" can be said of all of them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'accounting\\_%' ORDER BY 1")
        names = [name for (name,) in cursor.fetchall()]
        counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in names)  # noqa: S608
        cursor.execute(counts)
        return dict(cursor.fetchall())
