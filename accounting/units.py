"""Units in which back ends report, and their exact conversion to the unit that tariffs price.

A factor is a fraction, so `mb-seconds` -> GB-hours stays exact until the one rounding of the line. 1 GB = 1024 MB
(CDSE and openEO Platform credit documentation); `shpu` is a Sentinel Hub processing unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from accounting.credits import EXACT


@dataclass(frozen=True, slots=True)
class Unit:
    """`quantity * numerator / denominator` is the quantity in `canonical`."""

    name: str
    canonical: str
    numerator: int
    denominator: int

    def convert(self, quantity: Decimal) -> Decimal:
        if self.numerator != 1:
            quantity = EXACT.multiply(quantity, Decimal(self.numerator))
        return quantity if self.denominator == 1 else EXACT.divide(quantity, Decimal(self.denominator))

    @property
    def conversion(self) -> str:
        """As receipts print it: `/ 3686400`, `* 1024 / 3600`, `1`."""
        up = f"* {self.numerator}" if self.numerator != 1 else ""
        down = f"/ {self.denominator}" if self.denominator != 1 else ""
        return " ".join(part for part in (up, down) if part) or "1"


def _family(canonical: str, factors: dict[str, tuple[int, int]]) -> list[Unit]:
    return [Unit(name, canonical, up, down) for name, (up, down) in factors.items()]


_KB, _MB, _GB = 1024, 1024**2, 1024**3

UNITS: dict[str, Unit] = {
    unit.name: unit
    for unit in [
        *_family("cpu-hour", {"cpu-seconds": (1, 3600), "cpu-minutes": (1, 60), "cpu-hours": (1, 1)}),
        *_family("cpu-hour", {"cpu-milliseconds": (1, 3_600_000), "cpu-hour": (1, 1)}),
        *_family("gpu-hour", {"gpu-seconds": (1, 3600), "gpu-hours": (1, 1), "gpu-hour": (1, 1)}),
        *_family("gb-hour", {"mb-seconds": (1, 1024 * 3600), "gb-seconds": (1, 3600), "gb-hours": (1, 1)}),
        *_family("gb-hour", {"mb-hours": (1, 1024), "gb-hour": (1, 1)}),
        *_family("gb-day", {"gb-days": (1, 1), "gb-day": (1, 1), "mb-days": (1, 1024)}),
        *_family("hour", {"milliseconds": (1, 3_600_000), "seconds": (1, 3600), "minutes": (1, 60)}),
        *_family("hour", {"hours": (1, 1), "hour": (1, 1)}),
        *_family("shpu", {"shpu": (1, 1), "sentinelhub_processing_unit": (1, 1)}),
        *_family("credit", {"credits": (1, 1), "credit": (1, 1)}),
        *_family("km2", {"square_meter": (1, 1_000_000), "m2": (1, 1_000_000), "hectare": (1, 100)}),
        *_family("km2", {"ha": (1, 100), "square_kilometer": (1, 1), "km2": (1, 1)}),
        *_family("gb", {"b": (1, _GB), "kb": (1, _MB), "mb": (1, _KB), "gb": (1, 1), "tb": (1024, 1)}),
        *_family("mega-pixel", {"pixel": (1, 1_000_000), "mega-pixel": (1, 1), "giga-pixel": (1000, 1)}),
        *_family("count", {"count": (1, 1), "request": (1, 1), "job": (1, 1), "scene": (1, 1)}),
    ]
}

METRIC_UNITS: dict[str, frozenset[str]] = {
    "cpu": frozenset({"cpu-hour"}),
    "gpu": frozenset({"gpu-hour"}),
    "memory": frozenset({"gb-hour"}),
    "time": frozenset({"hour"}),
    "processing": frozenset({"shpu", "credit"}),
    "area": frozenset({"km2"}),
    "storage": frozenset({"gb-day"}),
}
"""Which canonical units the well-known metrics may come in; a metric not listed may come in any known unit."""


def find(metric: str, unit: str) -> Unit | None:
    """The unit, when it exists and measures what `metric` measures."""
    found = UNITS.get(unit)
    if found is None:
        return None
    allowed = METRIC_UNITS.get(metric)
    return found if allowed is None or found.canonical in allowed else None
