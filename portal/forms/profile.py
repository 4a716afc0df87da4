"""The forms of the profile: how pages speak, tokens for scripts, and erasing what is personal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import languages
from portal.api import script_tokens
from portal.api.scopes import SCOPES

ZONES = "time-zones"
"""The id of the list that the field of the time zone offers."""
NO_ZONE = "UTC"
AS_BROWSER = "browser"
ALL = "all"


class SettingsForm(forms.Form):
    """Language and time zone, cleaned to what the user's row says: empty for the browser's and for UTC."""

    language = forms.ChoiceField(label=gettext_lazy("Language"))
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        help_text=gettext_lazy("Type a city, such as Brussels, and choose. UTC shows times as back ends report them."),
        widget=forms.TextInput(attrs={"list": ZONES, "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **terms: Any) -> None:
        super().__init__(*args, **terms)
        field = self.fields["language"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(AS_BROWSER, _("As the browser says")), *settings.LANGUAGES]

    def clean_language(self) -> str:
        chosen: str = self.cleaned_data["language"]
        return "" if chosen == AS_BROWSER else chosen

    def clean_time_zone(self) -> str:
        """The name as the time zone database spells it, whatever the case and with spaces for underscores."""
        asked = "_".join(self.cleaned_data["time_zone"].split())
        if asked.upper() == NO_ZONE:
            return ""
        known = {name.lower(): name for name in languages.zone_names()}
        found = known.get(asked.lower())
        if found is None:
            ends = [name for low, name in known.items() if low.rpartition("/")[2] == asked.lower()]
            found = ends[0] if len(ends) == 1 else None
        if found is None:
            raise forms.ValidationError(_("Choose one of the list, such as Europe/Brussels."))
        return found


class TokenForm(forms.Form):
    """What a new script token is called, may do, is for and lasts."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("What uses it, such as: nightly report on the lab's server."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may read"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one.")},
    )
    organisation = forms.ChoiceField(label=gettext_lazy("Of which organisation"), initial=ALL)
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires"),
        coerce=int,
        initial=90,
        help_text=gettext_lazy("Make a new one in time; a token cannot be prolonged."),
    )

    def __init__(self, *args: Any, organisations: Sequence[tuple[int, str]], **terms: Any) -> None:
        super().__init__(*args, **terms)
        self._offer("scopes", [(name, _labelled(str(text), name)) for name, text in SCOPES.items()])
        self._offer("organisation", [(ALL, _("All of mine")), *((str(pk), name) for pk, name in organisations)])
        self._offer("days", [(days, _("In %(days)s days") % {"days": days}) for days in script_tokens.DAYS])

    def _offer(self, name: str, choices: Sequence[tuple[Any, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if not name.isprintable():
            raise forms.ValidationError(_("Leave out what cannot be seen."))
        return name

    def clean_organisation(self) -> int | None:
        chosen = self.cleaned_data["organisation"]
        return None if chosen == ALL else int(chosen)


def _labelled(text: str, name: str) -> SafeString:
    return format_html('<span>{} <span class="code text-xs text-muted">{}</span></span>', text, name)


class ErasureForm(forms.Form):
    """Typed, so that nobody does it by a slip; `given_up` is the sum that the page showed."""

    typed = forms.CharField(label="", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    agreed = forms.BooleanField(label="", required=False)
    given_up = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0, max_value=2**63 - 1)

    def __init__(self, *args: Any, credits: int, agreement: str, **terms: Any) -> None:
        super().__init__(*args, **terms)
        self.fields["typed"].label = _("Type “%(phrase)s” to confirm") % {"phrase": phrase()}
        self.fields["given_up"].initial = credits
        if credits:
            self.fields["agreed"].label, self.fields["agreed"].required = agreement, True
        else:
            del self.fields["agreed"]

    def clean_typed(self) -> str:
        typed = " ".join(self.cleaned_data["typed"].split())
        if typed.lower() != phrase().lower():
            raise forms.ValidationError(_("Type exactly: %(phrase)s") % {"phrase": phrase()})
        return typed


def phrase() -> str:
    """What has to be typed, in the language of the page."""
    return _("delete my data")
