"""Query parameters: each is known, comes once, and means one thing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError as Invalid
from django_filters import ChoiceFilter, Filter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from accounting.api.v1.shapes import BIGINT

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_CREDITS = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,19}", re.ASCII)


def refuse_unknown(
    request: Request, known: frozenset[str] = frozenset(), *, repeatable: frozenset[str] = frozenset()
) -> None:
    """:raises ValidationError: naming each parameter that nobody here reads, or that is unclear."""
    if unknown := sorted(set(request.query_params) - known):
        expected = f"only {', '.join(sorted(known))}" if known else "none"
        raise ValidationError({name[:60]: f"Unknown; this address knows {expected}." for name in unknown[:10]})
    refuse_unclear(request, repeatable)


def refuse_unclear(request: Request, repeatable: frozenset[str] = frozenset()) -> None:
    """:raises ValidationError: a parameter that is there twice (which one was meant?) or says nothing."""
    given = list(request.query_params.lists())
    twice = [name for name, values in given if len(values) > 1 and name not in repeatable]
    wrong = {name[:60]: "Send this parameter once." for name in twice}
    wrong |= {name[:60]: "Say something, or leave the parameter out." for name, values in given if not all(values)}
    if wrong:
        raise ValidationError(wrong)


def read_instant(text: str) -> datetime:
    """:raises ValueError: no RFC 3339 instant with an offset."""
    text = re.sub(r" (?=\d\d:\d\d$)", "+", text)  # a plus sign that nobody encoded arrives as a space
    try:
        if not _INSTANT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("Write an instant with an offset, such as 2026-05-04T10:00:00Z.") from None


def read_whole(text: str) -> int:
    """:raises ValueError: no id of anything."""
    if not _WHOLE.fullmatch(text) or not 0 < int(text) <= BIGINT:
        raise ValueError("Write a whole number from 1.")
    return int(text)


def read_credits(text: str) -> int:
    """Micro-credits. :raises ValueError: no plain decimal number, or more than there can be."""
    if not _CREDITS.fullmatch(text):
        raise ValueError("Write credits as a plain decimal number with at most six decimals, such as -12.5.")
    return int(Decimal(text).scaleb(6))


def read_switch(request: Request, name: str) -> bool:
    """Whether the parameter is `true`; off when it is not there. :raises ValidationError: it says anything else."""
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise ValidationError({name: "Write true or false."})
    return text == "true"


class _Field(forms.Field):
    """A form field that is one of the readers above."""

    reader: Any

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return type(self).reader(str(value))
        except ValueError as error:
            raise Invalid(str(error)) from None


class InstantField(_Field):
    reader = staticmethod(read_instant)


class WholeField(_Field):
    reader = staticmethod(read_whole)


class CreditsField(_Field):
    reader = staticmethod(read_credits)


class InstantFilter(Filter):  # type: ignore[misc]  # the library has no types
    field_class = InstantField


class WholeFilter(Filter):  # type: ignore[misc]  # the library has no types
    field_class = WholeField


class CreditsFilter(Filter):  # type: ignore[misc]  # the library has no types
    """Compares micro-credits with a decimal text of credits."""

    field_class = CreditsField


class NamedFilter(ChoiceFilter):  # type: ignore[misc]  # the library has no types
    """One of a fixed set; the error lists it."""

    def __init__(self, names: dict[str, Any] | list[str], **terms: Any) -> None:
        self.stored = names if isinstance(names, dict) else {name: name for name in names}
        message = f"Write one of {', '.join(self.stored)}."
        super().__init__(
            choices=[(name, name) for name in self.stored],
            empty_label=None,
            error_messages={"invalid_choice": message},
            **terms,
        )

    def filter(self, rows: Any, value: Any) -> Any:
        return super().filter(rows, self.stored[value] if value else value)
