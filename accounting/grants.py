"""Buckets of credits: issue into a wallet, expire what is left. Burning happens inside the posting (G1 to G6)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from accounting import ledger
from accounting.credits import LARGEST
from accounting.errors import GrantInvalid
from accounting.models import Account, Grant

PRIORITY = {
    Grant.Kind.SPONSORED: 10,
    Grant.Kind.TRIAL: 20,
    Grant.Kind.FREE: 30,
    Grant.Kind.VOUCHER: 40,
    Grant.Kind.PAID: 50,
}
"""Lower burns first: what is bound to a purpose or given goes before what was paid for."""


def issue(  # noqa: PLR0913  a grant has that many terms
    organisation: int,
    amount: int,
    *,
    kind: str,
    label: str,
    fund: str,
    key: str,
    priority: int | None = None,
    expires_at: datetime | None = None,
    backends: Sequence[int] = (),
    processes: Sequence[str] = (),
    note: str = "",
) -> int:
    """`amount` micro-credits from issuance of `fund` into the organisation's wallet; its debts are repaid first.

    Idempotent by `key`: the same key returns the first grant, whatever the other arguments. Returns the grant's id.

    :raises GrantInvalid: amount not positive or too large, unknown kind, no fund.
    :raises NotFound: no such organisation.
    """
    if not 0 < amount <= LARGEST:
        raise GrantInvalid("a grant is more than nothing and at most what one booking may move", field="amount")
    if kind not in Grant.Kind.values:
        raise GrantInvalid(f"the kind must be one of {', '.join(Grant.Kind.values)}", field="kind")
    if not fund:
        raise GrantInvalid("every grant has a funder, so that free credits have a payer", field="fund")
    document = {
        "wallet": ledger.wallet(organisation),
        "fund_account": ledger.open_account(Account.Kind.ISSUANCE, owner=fund),
        "amount": amount,
        "kind": kind,
        "label": label,
        "fund": fund,
        "priority": PRIORITY[Grant.Kind(kind)] if priority is None else priority,
        "expires_at": expires_at.isoformat() if expires_at else None,
        "backends": list(backends),
        "processes": list(processes),
        "key": key,
        "note": note,
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT grant_issue(%s::jsonb)", [json.dumps(document)])
        row = cursor.fetchone()
    return int(row[0])


def expire_due(limit: int = 1000) -> int:
    """What is left of grants past their expiry goes to breakage, by the database's clock (L7).

    Takes the wallets of the `limit` longest overdue grants; wallets in use are left for the next run. Idempotent.
    Returns how many grants it emptied.
    """
    breakage = ledger.open_account(Account.Kind.BREAKAGE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT grants_expire(%s, %s)", [breakage, limit])
        row = cursor.fetchone()
    return int(row[0])
