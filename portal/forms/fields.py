"""Fields that several forms share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from accounting import credits as amounts


class CreditsField(forms.CharField):
    """An amount of credits, cleaned to micro-credits: a plain decimal number with a point or a comma.

    `initial` is micro-credits as well.
    """

    default_error_messages = {
        "amount": gettext_lazy("Write credits as a plain number with at most six decimals, for example 12.5."),
        "large": gettext_lazy("That is more credits than one booking may move."),
        "negative": gettext_lazy("Write a number that is not negative."),
    }

    def __init__(self, **more: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(max_length=24, widget=widget, **more)

    def clean(self, value: Any) -> int | None:
        text = str(super().clean(value)).replace(" ", "")
        if not text:
            return None
        try:
            micros = amounts.parse(text.replace(",", "."))
        except ValueError as error:
            kind = "large" if "more credits" in str(error) else "amount"
            raise ValidationError(self.error_messages[kind], code=kind) from error
        if micros < 0:
            raise ValidationError(self.error_messages["negative"], code="negative")
        return micros

    def prepare_value(self, value: Any) -> Any:
        return amounts.to_text(value) if isinstance(value, int) else value


class LineField(forms.CharField):
    """Text of one line, without control characters; surrounding and doubled spaces are dropped."""

    default_error_messages = {"characters": gettext_lazy("Use letters, digits and signs only, on one line.")}

    def clean(self, value: Any) -> str:
        text = " ".join(str(super().clean(value)).split())
        if not text.isprintable():
            raise ValidationError(self.error_messages["characters"], code="characters")
        if self.required and not text:
            raise ValidationError(self.error_messages["required"], code="required")
        return text
