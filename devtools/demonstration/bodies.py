"""What the existing clients send, field by field: the geopyspark job tracker and the Sentinel Hub driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from devtools.demonstration.people import SENTINEL_HUB
from devtools.demonstration.workload import Job

Body = dict[str, Any]


def posts(job: Job, sub: str, organisation: int | None = None) -> Iterator[tuple[str, Body]]:
    """Endpoint and body of each POST for the job, in the order in which the client sends them."""
    if job.source == SENTINEL_HUB:
        yield "resources", _sentinel_hub(job, sub)
        return
    common = _common(job, sub)
    for number, metrics in enumerate(_metrics(job)):
        body = common | {
            "idempotencyKey": f"{job.execution_id}_{number}" if number else job.execution_id,
            "state": job.state,
            "status": "UNDEFINED",
            "metrics": metrics,
        }
        yield "resources", body if organisation is None else body | {"orgId": organisation}
    for service, area in job.services:
        yield (
            "addedvalue",
            common
            | {
                "idempotencyKey": f"{job.execution_id}_{service}",
                "service": service,
                "area": {"value": area, "unit": "square_meter"},
            },
        )


def told(made: Iterable[tuple[str, Body]], job: Job) -> Iterator[tuple[str, Body]]:
    """The same posts, the first of them with what the job was to do, as a client that knows it can add it."""
    for number, (endpoint, body) in enumerate(made):
        more = {"workload": job.task.document()} if job.task and number == 0 else {}
        yield endpoint, body | more


def _common(job: Job, sub: str) -> Body:
    batch = job.kind == "batch"
    return {
        "jobId": job.job_id,
        "jobName": job.title,
        "executionId": job.execution_id,
        "userId": sub,
        "sourceId": job.source,
        "orchestrator": "openeo",
        "jobStart": _milliseconds(job.started_at) if batch else None,
        "jobFinish": _milliseconds(job.finished_at) if batch else None,
    }


def _milliseconds(moment: datetime) -> float:
    """As the tracker computes it: a float with nothing after the point."""
    return float(int(moment.timestamp() * 1000))


def _metrics(job: Job) -> Iterator[Body]:
    """One set of metrics, or two where a fee in credits and Sentinel Hub units would share `processing`."""
    usage: Body = {
        "cpu": {"value": job.cpu_seconds, "unit": "cpu-seconds"},
        "memory": {"value": job.mb_seconds, "unit": "mb-seconds"},
    }
    if job.kind == "batch":
        usage["time"] = {"value": round(job.seconds * 1000), "unit": "milliseconds"}
    fee = {"value": job.base_fee, "unit": "credits"}
    units = {"value": job.processing_units, "unit": "shpu"}
    if job.base_fee and job.processing_units:
        yield {"processing": fee}
        yield usage | {"processing": units}
    elif job.base_fee or job.processing_units:
        yield usage | {"processing": fee if job.base_fee else units}
    else:
        yield usage


def _sentinel_hub(job: Job, sub: str) -> Body:
    """No key, no times, no title; the units as text for synchronous work, copied from a response header."""
    sync = job.kind == "sync"
    return {
        "jobId": job.job_id,
        "userId": sub,
        "sourceId": job.source,
        "state": job.state,
        "status": "SUCCEEDED" if job.state == "FINISHED" else job.state,
        "orchestrator": "openeo",
        "metrics": {
            "processing": {"value": str(job.processing_units) if sync else job.processing_units, "unit": "shpu"}
        },
    }
