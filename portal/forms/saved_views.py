"""Names for questions to the usage explorer."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

MOST_LETTERS = 80
LONGEST_QUERY = 4000


class ChangeView(forms.Form):
    """What is not part of the question itself."""

    name = forms.CharField(label=_("Name"), max_length=MOST_LETTERS)
    shared = forms.BooleanField(
        label=_("Share with the organisation"), required=False, help_text=_("Every member then sees it in their list.")
    )


class SaveView(ChangeView):
    """`query` is checked by whoever knows what can be asked: `refuse` says what is wrong with it."""

    query = forms.CharField(widget=forms.HiddenInput, required=False, max_length=2 * LONGEST_QUERY)

    def refuse(self, why: object) -> None:
        self.add_error(None, _("This is not a question that the page can ask: %(why)s") % {"why": why})

    def clean(self) -> dict[str, Any]:
        """What is wrong with the hidden field is said above the form, where it can be seen."""
        for error in self.errors.pop("query", []):
            self.add_error(None, error)
        return self.cleaned_data
