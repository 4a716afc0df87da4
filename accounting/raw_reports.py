"""Usage reports as they came over the wire, for those who paid for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounting.models import UsageReport

MOST = 50
"""Of one job, as its page shows them; the newest."""


@dataclass(frozen=True, slots=True)
class RawReport:
    """`text` is the JSON of this report alone, also where it came in a batch; `transaction` booked it."""

    transaction: int
    endpoint: str
    text: str
    received_at: datetime


def of_job(job: int) -> Sequence[RawReport]:
    """Of a job (primary key: one payer's), oldest first; the newest `MOST` of them."""
    rows = UsageReport.objects.filter(job_id=job).order_by("-pk")
    values = rows.values_list("transaction_id", "endpoint", "raw", "received_at")[:MOST]
    return [RawReport(*row) for row in reversed(list(values))]
