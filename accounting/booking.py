"""The one call that books rated reports: who is paid what, as `usage_book` (migrations/sql) wants to hear it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec
from django.db import connection

from accounting import ledger
from accounting.answers import trim
from accounting.models import Account
from accounting.pricing import WAIVE
from accounting.principals import ServicePrincipal
from accounting.rating import RatedLine
from accounting.reports import Booking, UsageReport
from accounting.resolution import Resolved

NOT_OPEN, CHANGED = "LR002", "LR003"
"""SQLSTATEs of `usage_book`: a capture came after its hold; a hold changed between rating and booking."""


def book(client: ServicePrincipal, priced: Sequence[tuple[Booking, Resolved, str]]) -> list[int | None]:
    """Writes all bookings with their answers in one statement. Returns each one's transaction, None where the key was
    taken in the meantime and nothing was written.

    :raises DatabaseError: with `NOT_OPEN` or `CHANGED`, and nothing was written.
    """
    batch = [_element(client, booking, payer, answer) for booking, payer, answer in priced]
    document = msgspec.json.encode(batch).decode()
    with connection.cursor() as cursor:
        if len(priced) == 1 and priced[0][0].report.key is not None:
            mark = _mark(client, priced[0][0].report)
            cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s), usage_book(%s::jsonb)", [mark, document])
        else:
            cursor.execute("SELECT usage_book(%s::jsonb)", [document])
        made: list[int | None] = cursor.fetchone()[-1]
    return made


def is_running(client: ServicePrincipal, report: UsageReport) -> bool:
    """Whether a report with this key is being booked at this moment, in a transaction that has not ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_mark(client, report)])
        free: bool = cursor.fetchone()[0]
    return not free


def _mark(client: ServicePrincipal, report: UsageReport) -> int:
    """What stands for a key among advisory locks: two keys may share one, and nothing but an answer depends on it."""
    scope = "\n".join((str(client.client), report.endpoint, report.source, report.service, report.key or ""))
    return int.from_bytes(hashlib.blake2b(scope.encode(), digest_size=8).digest(), signed=True)


def _element(client: ServicePrincipal, booking: Booking, payer: Resolved, answer: str) -> dict[str, Any]:
    report = booking.report
    payees = {line.beneficiary: _payee_account(line, payer) for line in booking.lines}
    postings, posting_of = _postings(booking.lines, payees, payer)
    return {
        "kind": "usage",
        "client": client.client,
        "endpoint": report.endpoint,
        "source": payer.source,
        "source_name": report.source,
        "service": report.service,
        "key": report.key,
        "fingerprint": report.fingerprint,
        "answer": answer,
        "occurred_at": report.finished_at or booking.booked_at,
        "postings": postings,
        "uuid": booking.report_id,
        "person": payer.person,
        "organisation": booking.organisation,
        "requested_organisation": report.organisation,
        "refused": booking.organisation_refused,
        "wallet": payer.wallet,
        "project": payer.project,
        **({} if payer.hold is None else _of_hold(payer, report)),
        "backend": payer.backend,
        "job_id": report.job_id,
        "job_title": report.job_title or "",
        "execution_id": report.execution_id or "",
        "job_kind": report.kind,
        "state": report.state,
        "status": report.status,
        "started_at": report.started_at,
        "finished_at": report.finished_at,
        "tariff": booking.tariff,
        "facts": payer.facts(report) | {"metrics": report.metrics},
        "amount": booking.amount,
        "raw": report.raw,
        "lines": [
            _line(n, line, posting_of.get(payees[line.beneficiary])) for n, line in enumerate(booking.lines, start=1)
        ],
    }


def _of_hold(payer: Resolved, report: UsageReport) -> dict[str, Any]:
    """`hold_keeps` is insisted on only where the charge was cut down to it."""
    keeps = payer.hold_keeps if payer.excess == WAIVE else None
    return {"hold": payer.hold, "final": report.ends_hold, "hold_keeps": keeps}


def _line(number: int, line: RatedLine, posting: int | None) -> dict[str, Any]:
    return {
        "n": number,
        "metric": line.metric,
        "reported": line.reported,
        "unit": line.unit,
        "canonical_quantity": trim(line.canonical_quantity),
        "canonical_unit": line.canonical_unit,
        "rule": line.rule,
        "formula": line.formula,
        "amount": line.amount,
        "posting": posting if line.amount else None,
        "process": line.process,
        "collection": line.collection,
    }


def _postings(
    lines: Sequence[RatedLine], payees: dict[str, int | None], payer: Resolved
) -> tuple[list[dict[str, Any]], dict[int | None, int]]:
    """Wallet to each payee, then the platform's fee from payees to the platform: the payer never pays it on top."""
    owed: dict[int | None, int] = {}
    fees: dict[int | None, int] = {}
    for line in lines:
        if line.amount:
            payee = payees[line.beneficiary]
            owed[payee] = owed.get(payee, 0) + line.amount
            if line.fee and payee != payer.platform_account:
                fees[payee] = fees.get(payee, 0) + fee_of(line)
    number = {payee: n for n, payee in enumerate(owed, start=1)}
    postings = [_posting(number[payee], payer.wallet, payee, amount, "usage") for payee, amount in owed.items()]
    for payee, amount in fees.items():
        if amount:
            postings.append(_posting(len(postings) + 1, payee, payer.platform_account, amount, "platform_fee"))
    return postings, number


def _posting(n: int, source: int | None, destination: int | None, amount: int, purpose: str) -> dict[str, Any]:
    return {"n": n, "source": source, "destination": destination, "amount": amount, "purpose": purpose}


def fee_of(line: RatedLine) -> int:
    """The platform's part of a line in micro-credits, half-even like the line itself; the payee keeps the rest."""
    return int((line.fee * line.amount).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def _payee_account(line: RatedLine, payer: Resolved) -> int | None:
    if line.beneficiary == "provider":
        return payer.provider_account
    if line.beneficiary == "platform":
        return payer.platform_account
    return ledger.open_account(Account.Kind.PUBLISHER_PAYABLE, owner=line.beneficiary.removeprefix("publisher:"))
