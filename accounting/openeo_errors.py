"""openEO's error codes (API 1.2, `errors.json`): those we answer with ourselves or tell back ends to raise.

Code, status and default message are openEO's, which a test compares with its list. Codes of our own, where openEO has
none, are marked as extensions; the standard allows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenEOError:
    """`message` is what is said when there is nothing better to say; `extension`: openEO has no such code."""

    code: str
    status: int
    message: str
    extension: bool = False


_ALL = (
    OpenEOError("AuthenticationRequired", 401, "Unauthorized."),
    OpenEOError("AuthenticationSchemeInvalid", 403, "Authentication method not supported."),
    OpenEOError("TokenInvalid", 403, "Authorization token has expired or is invalid. Please authenticate again."),
    OpenEOError(
        "PermissionsInsufficient",
        403,
        "Forbidden. The permissions of the authenticated account do not allow to request the requested resource.",
    ),
    OpenEOError(
        "PaymentRequired",
        402,
        "The budget required to fulfil the request is not sufficient. A payment is required first.",
    ),
    OpenEOError("BudgetInvalid", 400, "The specified budget is too low."),
    OpenEOError("BillingPlanInvalid", 400, "The billing plan is invalid."),
    OpenEOError("BillingPlanMissing", 400, "A billing plan must be specified."),
    OpenEOError("EstimateComplexity", 500, "The process is too complex to calculate an estimate."),
    OpenEOError("NotFound", 404, "Resource not found."),
    OpenEOError("JobNotFound", 404, "The batch job '{identifier}' does not exist."),
    OpenEOError("ProcessInvalid", 400, "Invalid process specified."),
    OpenEOError("ProcessGraphInvalid", 400, "Invalid process graph specified."),
    OpenEOError("ContentTypeInvalid", 400, "The media type is not supported. Allowed: {types}"),
    OpenEOError("FeatureUnsupported", 501, "Feature not supported."),
    OpenEOError(
        "InfrastructureBusy",
        503,
        "Service is not available at the moment due to overloading. Please try again later or contact our support.",
    ),
    OpenEOError("Internal", 500, "Server error: {message}"),
    OpenEOError("RequestInvalid", 400, "The request is not valid.", extension=True),
    OpenEOError("MethodNotAllowed", 405, "This method is not allowed here.", extension=True),
    OpenEOError("RequestRateExceeded", 429, "Too many requests. Please try again later.", extension=True),
)

CATALOGUE: Mapping[str, OpenEOError] = {error.code: error for error in _ALL}

_BY_OUR_CODE = {
    "authentication_required": "AuthenticationRequired",
    "token_invalid": "TokenInvalid",
    "unsupported_media_type": "ContentTypeInvalid",
}
_BY_STATUS = {
    401: "AuthenticationRequired",
    402: "PaymentRequired",
    403: "PermissionsInsufficient",
    404: "NotFound",
    405: "MethodNotAllowed",
    429: "RequestRateExceeded",
    501: "FeatureUnsupported",
    503: "InfrastructureBusy",
}


def find(code: str, status: int) -> OpenEOError:
    """openEO's name for a fault of ours: its own code where it is openEO's, else the general one for the status."""
    if code in CATALOGUE:
        return CATALOGUE[code]
    general = "RequestInvalid" if status < 500 else "Internal"
    return CATALOGUE[_BY_OUR_CODE.get(code) or _BY_STATUS.get(status, general)]
