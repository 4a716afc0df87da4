"""Rows of accounting; private to this app (import contract). Ledger tables are written by SQL functions only."""

from accounting.models.account import Account
from accounting.models.backend import BackEnd, Provider, ServiceClient, Source
from accounting.models.estimate import (
    BackEndCapability,
    Calibration,
    EstimateMark,
    JobWorkload,
    Observation,
    ObservationKey,
    StoredEstimate,
)
from accounting.models.grant import Debt, Grant, Spend
from accounting.models.ledger import Entry, Posting, Transaction
from accounting.models.organisation import Member, Organisation, Person
from accounting.models.outbox import Heartbeat, Notice, OutboxEvent
from accounting.models.quarantine import QuarantinedReport
from accounting.models.tariff import RatingRule, Tariff
from accounting.models.usage import Execution, Job, UsageLine, UsageReport

__all__ = [
    "Account",
    "BackEnd",
    "BackEndCapability",
    "Calibration",
    "Debt",
    "Entry",
    "EstimateMark",
    "Execution",
    "Grant",
    "Heartbeat",
    "Job",
    "JobWorkload",
    "Member",
    "Notice",
    "Observation",
    "ObservationKey",
    "Organisation",
    "OutboxEvent",
    "Person",
    "Posting",
    "Provider",
    "QuarantinedReport",
    "RatingRule",
    "ServiceClient",
    "Source",
    "Spend",
    "StoredEstimate",
    "Tariff",
    "Transaction",
    "UsageLine",
    "UsageReport",
]
