"""The form of an estimate: what is to run, over which place and time."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounting import workloads
from accounting.errors import DomainError
from accounting.workloads import Workload
from portal.forms.rates import KINDS

LONGEST_GEOMETRY = 6_000
"""Characters: it stands in the address. Larger ones go to the API."""
USUAL = {"kind": "batch"}
"""What counts as said when it is left out."""
MOST_KM2 = Decimal(600_000_000)
_URL = re.compile(r"https?://", re.ASCII)
_BOX = re.compile(r"\s*,\s*")
_FIELDS = {
    "udp": "what",
    "area_m2": "area",
    "geometry": "place",
    "temporal_extent": "since",
    "temporal_extent.1": "until",
    "time_steps": "steps",
    "collections": "collections",
    "kind": "kind",
}
"""Field of a workload, and of this form."""


class EstimateForm(forms.Form):
    """`workload` is what the form says, once it is valid."""

    what = forms.CharField(
        label=_("Algorithm"),
        max_length=1000,
        help_text=_("The process id of the algorithm (UDP), or the address of its definition."),
        widget=forms.TextInput(attrs={"list": "algorithms", "autocomplete": "off", "spellcheck": "false"}),
    )
    area = forms.DecimalField(
        label=_("Area, km²"),
        required=False,
        min_value=Decimal("0.0001"),
        max_value=MOST_KM2,
        max_digits=16,
        decimal_places=6,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any", "min": "0"}),
    )
    place = forms.CharField(
        label=_("or a place"),
        required=False,
        max_length=LONGEST_GEOMETRY,
        help_text=_("West, south, east, north in degrees, such as 4.3, 50.8, 5.1, 51.3; or GeoJSON with polygons."),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )  # fmt: skip
    until = forms.DateField(
        label=pgettext_lazy("date", "To"), required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"], help_text=_("The first day that does not count."),
    )  # fmt: skip
    steps = forms.IntegerField(
        label=_("Time steps"),
        required=False,
        min_value=1,
        max_value=workloads.MOST_STEPS,
        help_text=_("Observations in time; empty: the days of the range."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": "1"}),
    )
    collections = forms.CharField(
        label=_("Collections"),
        required=False,
        max_length=2000,
        help_text=_("Ids with commas between them; back ends that lack one are told apart."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    kind = forms.ChoiceField(label=_("Kind"), choices=KINDS)

    workload: Workload

    def clean_place(self) -> Any:
        """A box as an object, or GeoJSON as it is."""
        text: str = self.cleaned_data["place"].strip()
        if not text:
            return None
        try:
            if text.startswith("{"):
                return json.loads(text, parse_constant=_refuse)
            west, south, east, north = (float(part) for part in _BOX.split(text))
        except (ValueError, RecursionError):
            raise forms.ValidationError(_now("Write four numbers with commas between them, or GeoJSON.")) from None
        return {"west": west, "south": south, "east": east, "north": north}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return data
        try:
            self.workload = workloads.read(_document(data))
        except DomainError as error:
            field = error.field or ""
            name = _FIELDS.get(field) or _FIELDS.get(field.split(".", maxsplit=1)[0], "what")
            self.add_error(name, _wrong(name))
        return data


def _document(data: dict[str, Any]) -> dict[str, Any]:
    """As the API has it, so that both are read by the same code."""
    what = data["what"].strip()
    extent = [day.isoformat() if day else None for day in (data["since"], data["until"])]
    return {
        "udp": {"url" if _URL.match(what) else "process": what},
        "area_m2": data["area"] * 1_000_000 if data["area"] else None,
        "geometry": data["place"],
        "temporal_extent": extent if any(extent) else None,
        "time_steps": data["steps"],
        "collections": [name.strip() for name in data["collections"].split(",") if name.strip()],
        "kind": data["kind"] or None,
    }


def _wrong(name: str) -> str:
    said = {
        "what": _now("Write a process id or an address, without spaces."),
        "area": _now("Give the area or a place, not both; at most the surface of the Earth."),
        "place": _now("That is no place with an area: degrees from −180 to 180 and −90 to 90, south before north."),
        "since": _now("The start is before the end, in a year from 1900 to 2200."),
        "until": _now("The start is before the end, in a year from 1900 to 2200."),
        "collections": _now("At most 50 ids of at most 255 characters."),
    }
    return said.get(name) or _now("This is not valid.")


def _refuse(text: str) -> None:
    raise ValueError(text)
