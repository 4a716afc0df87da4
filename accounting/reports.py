"""A usage report as accounting sees it, whichever API it came through."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounting.principals import normalise_issuer
from accounting.rating import RatedLine, UsageLine

RESOURCES = "resources"
ADDED_VALUE = "addedvalue"
USAGE_REPORTS = "usage-reports"
CAPTURES = "captures"
"""What a job has used so far, charged under its hold until the job's own report replaces it (H8)."""
_RUNNING = ("ACCEPTED", "RUNNING")


@dataclass(frozen=True, slots=True)
class UsageReport:
    """`user` is the sub at `user_issuer` (None: the issuer registered for the source); `raw` the body as it came.

    `key` is the client's idempotency key; without one nothing can be recognised as a repetition and every report is
    charged (contract 1.6). `service` is the process of an added-value report, the hold of a capture. `organisation` and
    `project` are what the job asked for. A capture names its `hold` (primary key) and whether it is the last (`final`).
    """

    endpoint: str
    source: str
    user: str
    job_id: str
    lines: tuple[UsageLine, ...]
    raw: str
    key: str | None = None
    service: str = ""
    organisation: int | None = None
    job_title: str | None = None
    execution_id: str | None = None
    kind: str = "batch"
    state: str = ""
    status: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    user_issuer: str | None = None
    project: str | None = None
    hold: int | None = None
    final: bool | None = None

    @property
    def ends_hold(self) -> bool:
        """Whether the job's hold is over with this report. Added value comes beside it, and a running job goes on."""
        if self.final is not None:
            return self.final
        return self.endpoint in (RESOURCES, USAGE_REPORTS) and self.state not in _RUNNING

    @property
    def issuer(self) -> str | None:
        """`user_issuer` in the one spelling that is compared."""
        return normalise_issuer(self.user_issuer) if self.user_issuer else None

    @property
    def metrics(self) -> str:
        """The set of what was measured, one spelling whatever the order."""
        return ",".join(sorted(f"{line.metric}/{line.process}" for line in self.lines))

    @property
    def fingerprint(self) -> str:
        """Equal for reports that mean the same money: titles, states, times, order and spelling do not count (I4)."""
        lines = sorted(
            f"{line.metric}|{line.quantity.normalize():f}|{line.unit}|{line.process}|{line.collection}"
            for line in self.lines
        )
        parts = [self.issuer or "", self.user, str(self.organisation), self.job_id, self.execution_id or "", *lines]
        if self.final:  # another request than an interim capture of the same usage
            parts.append("final")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Booking:
    """A report with its price and its payer; `organisation_refused` when the asked one does not know the user.

    `organisation` is None only in a quote for somebody who has none yet.
    """

    report_id: UUID
    report: UsageReport
    organisation: int | None
    organisation_refused: bool
    tariff: int | None
    lines: Sequence[RatedLine]
    booked_at: datetime

    @property
    def amount(self) -> int:
        """Micro-credits taken from the organisation."""
        return sum(line.amount for line in self.lines)
