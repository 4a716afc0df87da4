"""Jobs that run when the past ends: what their back ends reserved, heard back and charged meanwhile.

Recorded through the functions that the API calls. What is open lives for weeks, so that nothing of it expires while
somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from accounting import captures, holds, usage
from accounting.credits import MICROS
from accounting.holds import Payer, Request
from accounting.principals import ServicePrincipal
from accounting.rating import UsageLine
from accounting.reports import RESOURCES, UsageReport
from devtools.demonstration import teams
from devtools.demonstration.acts import Act
from devtools.demonstration.federation import CLIENT_OF
from devtools.demonstration.people import CDSE, EODC, TERRASCOPE, find
from devtools.demonstration.stage import Stage

WEEKS = timedelta(days=45)
LAB, PROJECT = "forest", "wildfire"


@dataclass
class Jobs:
    """Who runs what until when; `holds` by job id, once they are reserved."""

    until: datetime
    holds: dict[str, UUID] = field(default_factory=dict)

    def acts(self) -> Iterator[Act]:
        """What happened, in no order."""
        yield from teams.acts(self.until)
        yield self._reserve(52, TERRASCOPE, "jonas", "j-sentinel1-stack", "Backscatter mosaic", 35, lifetime=24)
        yield Act(self._ago(hours=27), lambda _stage: _expire())
        yield self._reserve(9.5, TERRASCOPE, "ines", "j-flood-zeeland", "Flood extent, Zeeland", 30)
        yield self._capture(8.2, TERRASCOPE, "j-flood-zeeland", 9, 8)
        yield Act(self._ago(hours=6.1), self._report_flood)
        yield self._reserve(5.2, TERRASCOPE, "ines", "j-loss-brittany", "Tree cover loss, Brittany", 120, budget=120)
        yield self._reserve(4.1, CDSE, "jonas", "j-burnt-thessaly", "Burnt area, Thessaly", 180, project=PROJECT)
        yield self._capture(2.6, CDSE, "j-burnt-thessaly", 24, 16)
        yield self._reserve(3.3, TERRASCOPE, "ines", "agg-leaf-area", "Leaf area, Iberia", 400, budget=400)
        yield self._reserve(3.2, TERRASCOPE, "ines", "j-leaf-west", "Leaf area, west", 120, parent="agg-leaf-area")
        yield self._reserve(3.1, EODC, "ines", "j-leaf-east", "Leaf area, east", 150, parent="agg-leaf-area")
        yield self._beat(0.9, EODC, "j-leaf-east", 60, 30)
        yield self._beat(0.6, CDSE, "j-burnt-thessaly", 38, 22)
        yield self._beat(0.4, TERRASCOPE, "j-leaf-west", 30, 12)
        yield self._beat(0.2, TERRASCOPE, "j-loss-brittany", 40, 42)

    def _ago(self, hours: float) -> datetime:
        return self.until - timedelta(hours=hours)

    def _reserve(  # noqa: PLR0913  what a back end says of a job that it starts
        self,
        hours_ago: float,
        source: str,
        login: str,
        job_id: str,
        title: str,
        amount: int,
        *,
        budget: int | None = None,
        project: str | None = None,
        parent: str = "",
        lifetime: float | None = None,
    ) -> Act:
        def do(stage: Stage) -> None:
            payer = Payer(source, find(login).sub, organisation=stage.wallets[LAB], project=project)
            asked = Request(
                payer,
                job_id,
                amount * MICROS,
                key=job_id,
                budget=None if budget is None else budget * MICROS,
                parent=self.holds[parent] if parent else None,
                lifetime=WEEKS if lifetime is None else timedelta(hours=lifetime),
                metadata={"title": title},
            )
            self.holds[job_id] = holds.reserve(_client(stage, source), asked).id

        return Act(self._ago(hours_ago), do)

    def _beat(self, hours_ago: float, source: str, job_id: str, cpu: int, memory: int) -> Act:
        """It has used so many CPU-hours and GB-hours."""

        def do(stage: Stage) -> None:
            captures.heartbeat(_client(stage, source), self.holds[job_id], _lines(cpu, memory))

        return Act(self._ago(hours_ago), do)

    def _capture(self, hours_ago: float, source: str, job_id: str, cpu: int, memory: int) -> Act:
        def do(stage: Stage) -> None:
            captures.capture(
                _client(stage, source), self.holds[job_id], _lines(cpu, memory), key="interim", raw="{}", final=False
            )

        return Act(self._ago(hours_ago), do)

    def _report_flood(self, stage: Stage) -> None:
        """A job that cost more than was held for it."""
        finished = self._ago(hours=6.2)
        report = UsageReport(
            endpoint=RESOURCES,
            source=TERRASCOPE,
            user=find("ines").sub,
            job_id="j-flood-zeeland",
            lines=_lines(14, 15),
            raw="{}",
            key="application_demonstration_flood",
            organisation=stage.wallets[LAB],
            job_title="Flood extent, Zeeland",
            execution_id="application_demonstration_flood",
            state="FINISHED",
            started_at=self._ago(hours=9.4),
            finished_at=finished,
        )
        usage.ingest(_client(stage, TERRASCOPE), [report], on_reuse="refuse")


def acts(since: datetime, until: datetime) -> list[Act]:
    """All of it, unless the past is too short for it."""
    made = list(Jobs(until).acts())
    return made if min(act.at for act in made) >= since else []


def _client(stage: Stage, source: str) -> ServicePrincipal:
    return stage.clients[CLIENT_OF[source]]


def _lines(cpu_hours: int, gb_hours: int) -> tuple[UsageLine, ...]:
    cpu, memory = Decimal(cpu_hours * 3600), Decimal(gb_hours * 3_686_400)
    return (UsageLine("cpu", cpu, "cpu-seconds", str(cpu)), UsageLine("memory", memory, "mb-seconds", str(memory)))


def _expire() -> None:
    holds.expire_due()
