"""What a chart shows: the same figures for the drawing and for the table beside it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from django.utils import translation
from django.utils.translation import gettext as _

from accounting import credits as amounts


@dataclass(frozen=True, slots=True)
class Series:
    """`values` are decimal numbers as text, one a label; `tone` names a colour other than the next one (a CSS token
    without `--color-`), such as "warn".
    """

    name: str
    values: tuple[str, ...]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    values: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """`id` is unique on its page; `summary` says in a sentence what the chart shows, for who cannot see it.

    A doughnut has one series. `unit` is written at the values of a tooltip.
    """

    id: str
    title: str
    kind: Literal["bar", "line", "doughnut"]
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    summary: str
    unit: str = ""
    stacked: bool = True
    label_title: str = ""

    @property
    def data_id(self) -> str:
        return f"{self.id}-data"

    @property
    def document(self) -> dict[str, object]:
        """What the script draws. Numbers are for drawing only; the table has them exactly."""
        return {
            "kind": self.kind,
            "labels": self.labels,
            "stacked": self.stacked,
            "unit": self.unit or _("credits"),
            "locale": translation.get_language(),
            "series": [
                {"name": one.name, "values": [float(v) for v in one.values], "tone": one.tone} for one in self.series
            ],
        }

    @property
    def rows(self) -> tuple[Row, ...]:
        columns = [one.values for one in self.series]
        return tuple(
            Row(label, tuple(Decimal(values[place]) for values in columns)) for place, label in enumerate(self.labels)
        )


def values_of(micros: tuple[int, ...] | list[int]) -> tuple[str, ...]:
    """Micro-credits as the decimal texts that a series has."""
    return tuple(amounts.to_text(one) for one in micros)
