"""What a person wants to hear of, and below what an organisation's credits are low."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounting import credits as amounts
from accounting.alerts import Threshold
from portal.notifications.kinds import DAILY, KINDS, NOW, OFF
from portal.notifications.preferences import Choice

BY_MAIL = ((OFF, _("No mail")), (NOW, _("At once")), (DAILY, _("Once a day")))
AT_ONCE_OR_NOT = BY_MAIL[:2]
_SOON_OVER = ("hold_expiring", "invitation")
"""What is over, or urgent, before a daily mail comes."""


class PreferencesForm(forms.Form):
    """A check box and a choice for each kind: `portal_<kind>`, `mail_<kind>`. Grave kinds have no check box."""

    def __init__(self, known: Mapping[str, Choice], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = known
        for kind in KINDS.values():
            if kind.listed and not kind.grave:
                self.fields[f"portal_{kind.key}"] = forms.BooleanField(
                    required=False, initial=known[kind.key].portal, label=str(kind.title)
                )
            options = AT_ONCE_OR_NOT if kind.key in _SOON_OVER else BY_MAIL
            self.fields[f"mail_{kind.key}"] = forms.ChoiceField(
                choices=options, initial=known[kind.key].mail, label=str(kind.title)
            )

    def choices(self) -> Iterator[Choice]:
        """What was chosen, of a valid form."""
        for kind in KINDS.values():
            shown = self.cleaned_data.get(f"portal_{kind.key}", kind.grave)
            yield Choice(kind.key, bool(shown), self.cleaned_data[f"mail_{kind.key}"])


class ThresholdForm(forms.Form):
    """Below what the credits of an organisation are low."""

    rule = forms.ChoiceField(
        label=_("Credits run low when"),
        choices=(
            ("days", _("they last for fewer days than below, at the pace of the last 30 days")),
            ("amount", _("fewer are left than the amount below")),
            ("never", _("never: nobody is told")),
        ),
        widget=forms.RadioSelect,
    )
    days = forms.IntegerField(label=_("Days"), min_value=1, max_value=365, required=False)
    amount = forms.DecimalField(
        label=_("Credits"), min_value=0, max_value=1_000_000_000, max_digits=16, decimal_places=6, required=False
    )

    @classmethod
    def of(cls, chosen: Threshold, data: Any = None) -> ThresholdForm:
        shown = amounts.to_text(chosen.amount) if chosen.amount else None
        form = cls(data, initial={"rule": chosen.rule, "days": chosen.days, "amount": shown})
        rule = form["rule"].value()
        for name in ("days", "amount"):
            form.fields[name].required = rule == name
        return form

    def threshold(self, known: Threshold) -> Threshold:
        """What was chosen, of a valid form; a figure that the rule does not need is kept if it was left empty."""
        days, amount = self.cleaned_data.get("days"), self.cleaned_data.get("amount")
        return Threshold(
            self.cleaned_data["rule"],
            days or known.days,
            known.amount if amount is None else amounts.round_credits(Decimal(amount)),
        )
