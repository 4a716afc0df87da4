"""Rows of accounting; private to this app (import contract). Ledger tables are written by SQL functions only."""

from accounting.models.account import Account
from accounting.models.activity import PopularProcess, ReportingHour
from accounting.models.alert import BalanceAlert
from accounting.models.allowance import Allowance
from accounting.models.audit import AuditEntry
from accounting.models.backend import BackEnd, Provider, ServiceClient, Source
from accounting.models.callback import Callback, CallbackDelivery
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
from accounting.models.hold import Hold, HoldEvent, Limit, OpenHold
from accounting.models.ledger import Entry, Posting, Transaction
from accounting.models.organisation import STARTING_PLAN, Member, Organisation, Person, Project
from accounting.models.outbox import Heartbeat, Notice, OutboxEvent, Told
from accounting.models.quarantine import QuarantinedReport
from accounting.models.spending import SpendCell, SpendDay
from accounting.models.tariff import RatingRule, Tariff
from accounting.models.usage import Execution, Job, UsageLine, UsageReport

__all__ = [
    "STARTING_PLAN",
    "Account",
    "Allowance",
    "AuditEntry",
    "BackEnd",
    "BackEndCapability",
    "BalanceAlert",
    "Calibration",
    "Callback",
    "CallbackDelivery",
    "Debt",
    "Entry",
    "EstimateMark",
    "Execution",
    "Grant",
    "Heartbeat",
    "Hold",
    "HoldEvent",
    "Job",
    "JobWorkload",
    "Limit",
    "Member",
    "Notice",
    "Observation",
    "ObservationKey",
    "OpenHold",
    "Organisation",
    "OutboxEvent",
    "Person",
    "PopularProcess",
    "Posting",
    "Project",
    "Provider",
    "QuarantinedReport",
    "RatingRule",
    "ReportingHour",
    "ServiceClient",
    "Source",
    "Spend",
    "SpendCell",
    "SpendDay",
    "StoredEstimate",
    "Tariff",
    "Told",
    "Transaction",
    "UsageLine",
    "UsageReport",
]
