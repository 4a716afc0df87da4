"""The form of the calculator: how much of what a job would use, and when."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounting.pricing import EARLIEST

MOST = Decimal(10) ** 9
FARTHEST = timedelta(days=3 * 366)
"""How far ahead a date may lie: no tariff is published longer before it starts."""
USUAL = {"state": "FINISHED", "kind": "batch"}
"""What counts as said when it is left out."""
EXAMPLE = {"cpu": "10", "memory": "40"}
"""What is computed before anybody has typed."""

STATES = (
    ("FINISHED", _("Finished")),
    ("FAILED", _("Failed")),
    ("KILLED", _("Stopped")),
)
KINDS = (("batch", _("Batch job")), ("sync", _("Synchronous request")))


class Quantity(forms.DecimalField):
    """How much; empty is none at all."""

    def __init__(self, label: Any, **terms: Any) -> None:
        widget = forms.NumberInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        bounds: dict[str, Any] = {"min_value": Decimal(0), "max_value": MOST, "max_digits": 18, "decimal_places": 6}
        super().__init__(label=label, widget=widget, **bounds, **terms)

    def clean(self, value: Any) -> Decimal | None:
        return None if value in self.empty_values else super().clean(value)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return super().widget_attrs(widget) | {"step": "any"}


class CalculatorForm(forms.Form):
    """`cleaned_data` has quantities in canonical units, None for those left out, and `at` as a UTC day or None."""

    use_required_attribute = False

    cpu = Quantity(_("CPU-hours"))
    memory = Quantity(_("Memory, GB-hours"))
    time = Quantity(_("Run time, hours"))
    shpu = Quantity(_("Sentinel Hub processing units"))
    area = Quantity(_("Area, km²"), help_text=_("Of a service with a price by area."))
    process = forms.CharField(
        label=_("Service"),
        required=False,
        max_length=255,
        help_text=_("The process id of the algorithm (UDP)."),
        widget=forms.TextInput(attrs={"list": "services", "autocomplete": "off"}),
    )
    state = forms.ChoiceField(label=_("The job"), choices=STATES)
    kind = forms.ChoiceField(label=_("Kind"), choices=KINDS)
    at = forms.DateField(
        label=_("Finished on"),
        required=False,
        help_text=_("Empty: now. The rates of that day at noon UTC apply."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )

    def clean_at(self) -> date | None:
        at: date | None = self.cleaned_data["at"]
        if at is not None and not EARLIEST.date() <= at <= timezone.now().date() + FARTHEST:
            raise forms.ValidationError(_("Choose a day from 2015 to three years ahead."))
        return at
