"""Jobs of the scene that run while somebody looks: one near its budget, one in parts, one that has ended."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from accounting import captures, holds, limits, outbox, usage
from accounting.credits import MICROS
from accounting.holds import Payer, Request
from accounting.rating import UsageLine
from accounting.reports import RESOURCES, UsageReport
from tests.portal.scene import ALICE, CDSE, TERRASCOPE, Scene

DONE = "j-26-held-and-done"


def start(scene: Scene) -> None:
    """All of them are Alice's, paid by her lab."""
    project = limits.create_project(scene.lab, "dunes", "Coast and dunes")
    limits.set_limit(scene.lab, 900 * MICROS, period="month", project=project)
    limits.set_limit(scene.lab, 9000 * MICROS, period="month")
    limits.set_limit(scene.lab, 700 * MICROS, period="job", action="notify")
    near = _reserve(scene, TERRASCOPE, "j-26-near", "Dune vegetation, near its budget", 60, budget=60, project="dunes")
    captures.heartbeat(scene.clients[TERRASCOPE], near, _cpu(36))
    whole = _reserve(scene, TERRASCOPE, "j-26-whole", "Cross-border mosaic", 300, budget=320)
    _reserve(scene, TERRASCOPE, "j-26-west", "Cross-border mosaic, west", 90, parent=whole)
    east = _reserve(scene, CDSE, "j-26-east", "Cross-border mosaic, east", 120, parent=whole)
    captures.heartbeat(scene.clients[CDSE], east, _cpu(20))
    _ended(scene)
    holds.release(scene.clients[CDSE], _reserve(scene, CDSE, "j-26-cancelled", "Cancelled before it began", 5))
    outbox.deliver()


def _ended(scene: Scene) -> None:
    """It was charged while it ran, and cost more in the end than was held for it."""
    done = _reserve(scene, TERRASCOPE, DONE, "Held and done", 20)
    captures.capture(scene.clients[TERRASCOPE], done, _cpu(8), key="interim", raw="{}", final=False)
    report = UsageReport(
        endpoint=RESOURCES,
        source=TERRASCOPE,
        user=ALICE,
        job_id=DONE,
        lines=_cpu(16),
        raw="{}",
        key=DONE,
        job_title="Held and done",
        execution_id="application_1795200000000_0043",
        state="FINISHED",
    )
    usage.ingest(scene.clients[TERRASCOPE], [report], on_reuse="refuse")


def _reserve(
    scene: Scene,
    source: str,
    job_id: str,
    title: str,
    amount: int,
    *,
    budget: int | None = None,
    project: str | None = None,
    parent: UUID | None = None,
) -> UUID:
    request = Request(
        Payer(source, ALICE, organisation=scene.lab, project=project),
        job_id,
        amount * MICROS,
        key=job_id,
        budget=None if budget is None else budget * MICROS,
        parent=parent,
        lifetime=timedelta(days=2),
        metadata={"title": title},
    )
    return holds.reserve(scene.clients[source], request).id


def _cpu(hours: int) -> tuple[UsageLine, ...]:
    return (UsageLine("cpu", Decimal(hours * 3600), "cpu-seconds", str(hours * 3600)),)
