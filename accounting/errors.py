"""Everything that can go wrong in accounting, one class per stable code.

Codes are openEO's where openEO has one (openEO API 1.2 `errors.json`); the API shells turn a `DomainError` into
problem+json or the ETL error body, so nothing here knows about HTTP beyond the status.
"""

from __future__ import annotations

from typing import Any, ClassVar


class DomainError(Exception):
    """A request that cannot be fulfilled, in words the caller can act on.

    `field` is the dotted path of the input at fault (`metrics.cpu.unit`), `extra` is shown to the caller as it is.
    """

    code: ClassVar[str] = "Internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str, *, field: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.extra = extra


class InvalidInput(DomainError):
    """The request has the wrong shape; nothing was written."""

    code, status, title = "invalid_input", 400, "The request is not valid"


class UnknownField(InvalidInput):
    """A field that nothing here would read: more likely misspelt than meant."""

    code, title = "unknown_field", "The request has a field that is not known here"


class IdempotencyKeyInvalid(InvalidInput):
    code, title = "idempotency-key-invalid", "The idempotency key is missing or malformed"


class BatchTooLarge(DomainError):
    code, status, title = "batch-too-large", 413, "The batch holds too many reports"


class ServiceTokenNeeded(DomainError):
    code, status, title = "service_token_needed", 403, "Only a registered back end may do this"


class PersonTokenNeeded(DomainError):
    code, status, title = "person_token_needed", 403, "Only a person may do this"


class ScopeMissing(DomainError):
    """`extra["scope"]` is the missing one; without it no script token may call the address at all."""

    code, status, title = "scope_missing", 403, "The script token may not do this"


class ErasureBlocked(DomainError):
    """Nothing was erased."""

    code, status, title = "erasure_blocked", 409, "What is personal cannot be erased yet"


class NotFound(DomainError):
    code, status, title = "not_found", 404, "Not found"


class Unbookable(DomainError):
    """A well-formed usage report that cannot be charged as it is: kept in quarantine, to be replayed later."""

    code, status, title = "unbookable", 422, "The report cannot be booked"


class SourceNotAllowed(Unbookable):
    code, status, title = "source_not_allowed", 403, "This client may not report for that source"


class SourceUnknown(Unbookable):
    code, status, title = "source_unknown", 422, "The source is not registered"


class IssuerUnknown(Unbookable):
    code, status, title = "issuer_unknown", 422, "The issuer of the user is not known here"


class UnitUnknown(Unbookable):
    code, status, title = "unit_unknown", 422, "The unit is not known for this metric"


class TimesImpossible(Unbookable):
    code, status, title = "times_impossible", 422, "The times of the job are impossible"


class QuantityImpossible(Unbookable):
    code, status, title = "quantity_impossible", 422, "The quantity is too large to be true"


class TariffMissing(Unbookable):
    code, status, title = "tariff_missing", 422, "No tariff was in force when the job finished"


class IdempotencyKeyReused(DomainError):
    code, status, title = "idempotency-key-reused", 422, "This key was used for another request"


class IdempotencyInProgress(DomainError):
    code, status, title = "idempotency-in-progress", 409, "A request with this key is still running"


class DuplicateExecution(DomainError):
    code, status, title = "duplicate-execution", 409, "This execution was already reported under another key"


class PaymentRequired(DomainError):
    """openEO's. `reason` says what is missing: no_credit, over_budget, over_limit."""

    code, status, title = "PaymentRequired", 402, "A payment is required first"


class BudgetInvalid(DomainError):
    code, status, title = "BudgetInvalid", 400, "The budget is too low"


class BillingPlanInvalid(DomainError):
    code, status, title = "BillingPlanInvalid", 400, "The billing plan is invalid"


class PermissionsInsufficient(DomainError):
    """openEO's. `reason` says why: not_a_member, organisation_suspended, terms_not_accepted."""

    code, status, title = "PermissionsInsufficient", 403, "The user may not do this"


class NotPermitted(DomainError):
    """A member whose role does not allow it; `needed` are the roles that do."""

    code, status, title = "role_insufficient", 403, "Your role in the organisation does not allow this"


class ProjectUnknown(DomainError):
    code, status, title = "project_unknown", 422, "The organisation has no such project"


class TooManyHolds(DomainError):
    code, status, title = "too_many_holds", 422, "The organisation has as many open holds as it may"


class ParentInvalid(DomainError):
    code, status, title = "parent_invalid", 422, "The parent cannot have this child"


class HoldNotOpen(DomainError):
    code, status, title = "hold-not-open", 409, "The hold has ended"


class ProjectInvalid(DomainError):
    code, status, title = "project_invalid", 422, "The project cannot be changed so"


class TransferInvalid(DomainError):
    code, status, title = "transfer_invalid", 422, "The budget cannot be moved"


class OrganisationInvalid(DomainError):
    code, status, title = "organisation_invalid", 409, "The organisation cannot be changed so"


class LimitInvalid(DomainError):
    code, status, title = "limit_invalid", 422, "The limit cannot be set"


class AlertInvalid(DomainError):
    code, status, title = "alert_invalid", 422, "The alert cannot be set"


class TariffInvalid(DomainError):
    code, status, title = "tariff_invalid", 422, "The tariff cannot be published"


class GrantInvalid(DomainError):
    code, status, title = "grant_invalid", 422, "The grant cannot be issued"


class CallbackInvalid(DomainError):
    """A callback that cannot be registered: its address is not one that may be called."""

    code, status, title = "callback_invalid", 422, "The callback cannot be registered"


class EstimateComplexity(DomainError):
    """Nothing like the job has finished yet, so that any figure would be invented (E1). The code is openEO's."""

    code, status, title = "EstimateComplexity", 422, "The process is too complex to calculate an estimate."


class LedgerRefused(DomainError):
    """The database refused a posting: a broken invariant, never a user's mistake."""

    code, status, title = "ledger_refused", 500, "The ledger refused the posting"


class ReversalInvalid(DomainError):
    code, status, title = "reversal_invalid", 409, "The transaction cannot be reversed"


class MembershipInvalid(DomainError):
    code, status, title = "membership_invalid", 409, "The membership cannot be changed"
