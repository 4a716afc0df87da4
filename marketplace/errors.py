"""Everything that can go wrong in the marketplace, one class per stable code."""

from __future__ import annotations

from accounting.errors import DomainError


class MarketplaceError(DomainError):
    """Base of the marketplace's refusals, so that a caller can tell them from those of the ledger."""

    code, status, title = "marketplace_error", 400, "The marketplace cannot do that"
