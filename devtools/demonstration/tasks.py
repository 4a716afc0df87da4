"""What made-up jobs are to do, and how well that explains what they need. All chance comes from the generator given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from devtools.demonstration.people import CDSE, EODC, SENTINEL_HUB, TERRASCOPE

PUBLISHER = "https://algorithms.example.org/udp"
STEPS = (4, 60)
"""Fewest and most time steps."""
UNIT_SECONDS = 2.0
"""CPU seconds that a square kilometre and time step takes in the middle."""
UNIT_SHPU = 0.01
"""The same in Sentinel Hub processing units."""
SPEED = {TERRASCOPE: 1.0, CDSE: 0.85, EODC: 1.3, SENTINEL_HUB: 1.0}
"""How much a back end needs for the same work."""
NOISE = 0.3
"""Standard deviation of the logarithm of what a job needs beyond that: clouds, tiles, a busy cluster."""
HARDNESS = {
    "NDVI time series": 0.6,
    "Monthly median composite": 1.0,
    "Burnt area, before and after": 1.3,
    "Crop type, tile by tile": 2.6,
    "Snow cover extent": 0.8,
    "Surface water occurrence": 0.9,
    "Backscatter mosaic": 1.5,
    "Tree cover loss alerts": 1.9,
    "Leaf area index": 1.2,
    "Flood extent, event": 1.1,
    "Soil moisture anomaly": 0.7,
    "Coastline change": 1.6,
    "Parcel statistics": 2.1,
    "Cloud-free mosaic": 1.4,
}
"""Algorithms by their title, and how much each needs for a square kilometre and time step, 1 in the middle."""
RADAR = frozenset({"Backscatter mosaic", "Flood extent, event", "Soil moisture anomaly"})


@dataclass(frozen=True)
class Task:
    """Which algorithm for how large a place and how many time steps, and what else a job needs by chance."""

    url: str
    collection: str
    area_m2: float
    steps: int
    first: date
    luck: float

    def document(self) -> dict[str, Any]:
        """As a back end tells it (docs/estimates.md)."""
        last = self.first + timedelta(days=5 * self.steps)
        return {
            "udp": {"url": self.url},
            "area_m2": self.area_m2,
            "temporal_extent": [self.first.isoformat(), last.isoformat()],
            "time_steps": self.steps,
            "collections": [self.collection],
        }


def draw_task(rng: Random, source: str, title: str | None, wanted: float, started_at: datetime) -> Task:
    """A task of `wanted` CPU seconds (Sentinel Hub: processing units) on that back end, if nothing else happens.

    :param rng: a generator of the job's own, so that the rest of its life does not depend on how much is drawn here.
    """
    known = [name for name in HARDNESS if title and title.startswith(name)]
    name = known[0] if known else rng.choice(list(HARDNESS))
    steps = rng.randint(*STEPS)
    unit = UNIT_SHPU if source == SENTINEL_HUB else UNIT_SECONDS
    km2 = wanted / (unit * SPEED[source] * HARDNESS[name] * steps)
    return Task(
        url=f"{PUBLISHER}/{name.lower().replace(', ', ' ').replace(' ', '-')}",
        collection="SENTINEL1_GRD" if name in RADAR else "SENTINEL2_L2A",
        area_m2=max(round(km2 * 1e6), 100),
        steps=steps,
        first=started_at.date() - timedelta(days=5 * steps + rng.randint(10, 600)),
        luck=rng.lognormvariate(0, NOISE),
    )
