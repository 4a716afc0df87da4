"""A form that shows every kind of field, and how mistakes look. What is sent is kept nowhere."""

from __future__ import annotations

from django import forms

TEAM = (("owner", "Owner"), ("manager", "Manager"), ("viewer", "Viewer"))
PERIODS = (("month", "Each month"), ("year", "Each year"), ("total", "In all"))


class SampleForm(forms.Form):
    name = forms.CharField(label="Name", max_length=40, help_text="As it appears on statements.")
    email = forms.EmailField(label="E-mail", required=False)
    amount = forms.DecimalField(label="Credits", min_value=1, max_digits=12, decimal_places=6)
    role = forms.ChoiceField(label="Role", choices=TEAM)
    period = forms.ChoiceField(label="Counted", choices=PERIODS, widget=forms.RadioSelect, initial="month")
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea(attrs={"rows": 3}))
    agreed = forms.BooleanField(label="Tell members at 80 %")
