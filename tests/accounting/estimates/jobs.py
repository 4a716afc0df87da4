"""Jobs of a made-up past whose workload is known, booked as a back end would."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from accounting import usage, workloads
from accounting.models import Source
from accounting.rating import UsageLine
from accounting.reports import UsageReport
from tests.conftest import SOURCE, Federation

URL = "https://algorithms.example.org/udp/ndvi"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
Clock = Callable[[datetime | None], None]


def workload(km2: float | None = 100.0, steps: int | None = 10, **more: Any) -> workloads.Workload:
    document: dict[str, Any] = {"udp": {"url": URL}, **more}
    if km2 is not None:
        document["area_m2"] = km2 * 1e6
    return workloads.read(document | ({} if steps is None else {"time_steps": steps}))


@dataclass
class Past:
    """Runs jobs at instants of the past. By default a square kilometre and step takes a hundredth of a CPU hour, which
    costs 0.015 credits, give or take some noise."""

    federation: Federation
    clock: Clock
    rng: Random = field(default_factory=lambda: Random(7))
    count: int = 0

    def run(
        self,
        at: datetime,
        *,
        source: str = SOURCE,
        told: workloads.Workload | None = None,
        factor: float = 1.0,
        noise: float = 0.2,
        **changes: Any,
    ) -> str:
        """One job that is reported at `at`, and its workload (None: one of 100 km2 and 10 steps). Returns its id."""
        self.count += 1
        job_id = str(changes.pop("job_id", f"j-{self.count}"))
        what = told or workload(self.rng.uniform(50, 200), self.rng.randint(5, 20))
        hours = 0.01 * (what.km2 or 100) * (what.time_steps or 10) * factor * self.rng.lognormvariate(0, noise)
        self.report(at, job_id, source=source, seconds=round(hours * 3600, 3), **changes)
        workloads.record(source_of(source), job_id, None, None, what, at=at)
        return job_id

    def report(self, at: datetime, job_id: str, *, source: str = SOURCE, seconds: float, **changes: Any) -> None:
        text = f"{seconds:f}"
        base: dict[str, Any] = {
            "endpoint": "resources",
            "source": source,
            "user": self.federation.alice.sub,
            "job_id": job_id,
            "lines": (UsageLine("cpu", Decimal(text), "cpu-seconds", text),),
            "raw": "{}",
            "key": f"key-{self.count}-{job_id}-{changes.get('endpoint', '')}",
            "execution_id": f"e-{job_id}",
            "state": "FINISHED",
            "started_at": at - timedelta(minutes=30),
            "finished_at": at - timedelta(minutes=5),
        }
        self.send(at, UsageReport(**(base | changes)))

    def send(self, at: datetime, report: UsageReport) -> None:
        self.clock(at)
        client = self.federation.client if report.source == SOURCE else self.federation.other_client
        (outcome,) = usage.ingest(client, [report], on_reuse="refuse")
        assert outcome.status == "booked", outcome.error

    def days(self, count: int, a_day: int, *, until: datetime = NOW, **terms: Any) -> None:
        """`a_day` jobs on each of the `count` days before `until`."""
        for day in range(count, 0, -1):
            for number in range(a_day):
                self.run(until - timedelta(days=day) + timedelta(hours=8 + 8 * number / a_day), **terms)


def source_of(source: str) -> int:
    return Source.objects.get(source_id=source).pk


def body(**fields: Any) -> str:
    """A report as JSON, as far as anybody looks into it for a workload."""
    return json.dumps(fields)
