"""Model fields that keep money out of floats."""

from __future__ import annotations

from typing import Any

from django.db import models


class CreditsField(models.BigIntegerField):  # type: ignore[type-arg]  # generic for the stubs only
    """Micro-credits (1 credit = 1,000,000). A float is refused instead of being truncated."""

    description = "micro-credits"

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, float):
            raise TypeError("credits are integers of micro-credits, never floats")
        return super().get_prep_value(value)


class QuantityField(models.DecimalField):  # type: ignore[type-arg]  # generic for the stubs only
    """A canonical quantity: up to 18 digits before and 12 after the point."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = 30, 12
        super().__init__(*args, **kwargs)


class DatabaseNow(models.Func):
    """The money clock (L7), as the default of a column or in a query."""

    function = "accounting_now"
    output_field = models.DateTimeField()
