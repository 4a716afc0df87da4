"""Posting to the ledger: the only way money moves. Rules L1 to L8 are in accounting/README.md.

The writing itself is done by SQL functions (migrations/sql), one call a transaction, so that no lock is held while
Python runs. Nothing else in the project writes transactions, postings or entries; the database lets nobody else.
"""

from __future__ import annotations

import json

from django.db import connection, transaction
from django.db.utils import DatabaseError

from accounting.errors import NotFound, ReversalInvalid
from accounting.models import Account, Transaction


def wallet(organisation: int) -> int:
    """The ledger account of an organisation's credits; opened with the organisation.

    :raises NotFound: no such organisation.
    """
    pk = Account.objects.values_list("pk", flat=True).filter(organisation_id=organisation).first()
    if pk is None:
        raise NotFound(f"there is no organisation {organisation}", field="organisation")
    return pk


def open_account(kind: str, *, provider: int | None = None, owner: str = "") -> int:
    """The id of an unguarded account, made on first use; safe to race."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_account(%s, NULL, %s, %s)", [kind, provider, owner])
        row = cursor.fetchone()
    return int(row[0])


def reverse(transaction_id: int, reason: str, note: str = "") -> int:
    """Gives a usage transaction back in full: same grants refilled, debts cancelled, the job's cost reduced.

    Idempotent: a transaction is reversed once, a second call returns the first reversal's id.

    :raises ReversalInvalid: it is no usage transaction, or the reason is not on the list.
    """
    if reason not in Transaction.Reason.values:
        raise ReversalInvalid(f"the reason must be one of {', '.join(Transaction.Reason.values)}", field="reason")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            document = json.dumps({"transaction": transaction_id, "reason": reason, "note": note})
            cursor.execute("SELECT ledger_reverse(%s::jsonb)", [document])
            row = cursor.fetchone()
    except DatabaseError as error:
        if getattr(error.__cause__, "pgcode", None) == "LR001":
            raise ReversalInvalid("only a usage transaction can be reversed", field="transaction") from error
        raise
    return int(row[0])
