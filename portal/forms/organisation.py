"""Forms of organisations: names, invitations, projects, limits, transfers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core import validators
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import limits, organisations, projects
from portal.forms.fields import CreditsField, LineField
from portal.titles import COUNTED, PERIOD_TITLES, ROLE_TITLES

PERIODS = [(period, PERIOD_TITLES[period]) for period in COUNTED]
ACTIONS = [
    ("block", gettext_lazy("Block: no job starts beyond it, running ones are told to stop")),
    ("notify", gettext_lazy("Notify: people are told, nothing is refused")),
]
UNASSIGNED = "none"


class NameForm(forms.Form):
    name = LineField(label=gettext_lazy("Name"), max_length=organisations.NAME_LENGTH)


class InvitationForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("E-mail address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"))

    def __init__(self, *args: Any, roles: Sequence[str], **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["role"].choices = [(role, ROLE_TITLES[role]) for role in roles]  # type: ignore[attr-defined]


class HeirForm(forms.Form):
    person = forms.ChoiceField(label=gettext_lazy("New owner"))

    def __init__(self, *args: Any, heirs: Sequence[tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["person"].choices = heirs  # type: ignore[attr-defined]


class ProjectForm(forms.Form):
    name = LineField(label=gettext_lazy("Name"), max_length=projects.NAME_LENGTH)
    slug = forms.CharField(
        label=gettext_lazy("Short name"),
        max_length=projects.SLUG_LENGTH,
        help_text=gettext_lazy("Jobs name it: letters, digits, hyphens, underscores. It stays for ever."),
        validators=[validators.validate_slug],
    )


class BudgetForm(forms.Form):
    period = forms.ChoiceField(label=gettext_lazy("Period"), choices=PERIODS)
    amount = CreditsField(label=gettext_lazy("Credits"))
    fallback = forms.BooleanField(
        label=gettext_lazy("Beyond it, the organisation's unassigned part pays"),
        required=False,
        help_text=gettext_lazy("Otherwise no job starts beyond the budget, and running ones are told to stop."),
    )


class LimitForm(forms.Form):
    """What a limit counts, and how far. Nothing chosen: everybody, every project, every back end."""

    person = forms.ChoiceField(label=gettext_lazy("Member"), required=False)
    project = forms.ChoiceField(label=gettext_lazy("Project"), required=False)
    backend = forms.ChoiceField(label=gettext_lazy("Back end"), required=False)
    process = forms.RegexField(
        r"^[!-~]{1,255}$",
        label=gettext_lazy("Process or UDP"),
        required=False,
        max_length=255,
        help_text=gettext_lazy("Its id as receipts show it; empty for every process."),
    )
    period = forms.ChoiceField(
        label=gettext_lazy("Period"), choices=[*PERIODS, ("job", gettext_lazy("Each job, however long it runs"))]
    )
    amount = CreditsField(label=gettext_lazy("Credits at most"))
    action = forms.ChoiceField(label=gettext_lazy("Beyond it"), choices=ACTIONS, widget=forms.RadioSelect)

    def __init__(self, *args: Any, choices: Mapping[str, Sequence[tuple[str, str]]], **more: Any) -> None:
        super().__init__(*args, **{"initial": {"action": "block"}, **more})
        everything = {"person": _("Everybody"), "project": _("Every project"), "backend": _("Every back end")}
        for name, offered in choices.items():
            self.fields[name].choices = [("", everything[name]), *offered]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("period") == "job" and cleaned.get("process"):
            self.add_error("process", _("A limit of each job cannot name a process."))
        alone = not any(cleaned.get(name) for name in ("person", "backend", "process"))
        if cleaned.get("project") and alone and cleaned.get("action") == "block" and cleaned.get("period") != "job":
            self.add_error("project", _("That is the project's budget: set it on the page of the project."))
        return cleaned

    def terms(self) -> limits.Terms:
        told = self.cleaned_data
        person, project, backend = (
            int(told[name]) if told[name] else None for name in ("person", "project", "backend")
        )
        return limits.Terms(told["period"], told["action"], person, project, backend, told["process"])


class TransferForm(forms.Form):
    """Parts are projects with a budget of the period, and the part that no project has."""

    period = forms.ChoiceField(label=gettext_lazy("Period"))
    source = forms.ChoiceField(label=gettext_lazy("From"))
    target = forms.ChoiceField(label=gettext_lazy("To"))
    amount = CreditsField(label=gettext_lazy("Credits"))
    reason = LineField(
        label=gettext_lazy("Reason"),
        max_length=limits.REASON_LENGTH,
        help_text=gettext_lazy("It stands in the audit log for everybody in the organisation."),
    )

    def __init__(self, *args: Any, periods: Sequence[str], projects: Sequence[tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        parts = [(UNASSIGNED, _("The unassigned part")), *projects]
        self.fields["period"].choices = [(one, PERIOD_TITLES[one]) for one in periods]  # type: ignore[attr-defined]
        for name in ("source", "target"):
            self.fields[name].choices = parts  # type: ignore[attr-defined]

    def terms(self) -> limits.Move:
        told = self.cleaned_data
        source, target = (None if told[name] == UNASSIGNED else int(told[name]) for name in ("source", "target"))
        return limits.Move(told["period"], source, target, told["amount"], told["reason"])
