"""From the body of `/resources` or `/addedvalue` to a `UsageReport`. Pure, and on the path of every report.

Strict where an error would move money to the wrong place, tolerant of everything the existing clients leave out: only
who, where, which job and what was used have to be there. Unknown fields are ignored. Source: openEO back ends' clients.
"""

from __future__ import annotations

import re
from typing import Any

from accounting.api.etl import fields
from accounting.api.etl.fields import Body
from accounting.errors import InvalidInput
from accounting.rating import UsageLine
from accounting.reports import ADDED_VALUE, RESOURCES, UsageReport

STATES = frozenset({"ACCEPTED", "RUNNING", "FINISHED", "KILLED", "FAILED", "UNDEFINED"})
STATUSES = frozenset({"SUCCEEDED", "FAILED", "KILLED", "UNDEFINED"})

JOB_ID = EXECUTION_ID = KEY = 300
USER_ID = SERVICE = 255
SOURCE_ID = 200
METRIC = UNIT = ORCHESTRATOR = 50
MOST_METRICS = 50

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")


def read_resources(body: Any, raw: str) -> UsageReport:
    """What a job used. `metrics` may be empty, and a metric null; an absent state is no state.

    :raises InvalidInput: naming the field.
    """
    document = _document(body)
    metrics = document.get("metrics")
    if metrics is None:
        raise InvalidInput("is required; send {} when nothing was measured", field="metrics")
    return _report(document, raw, RESOURCES, _lines(fields.part(metrics, "metrics")))


def read_added_value(body: Any, raw: str) -> UsageReport:
    """That a job used a service (a process) over an area.

    :raises InvalidInput: naming the field.
    """
    document = _document(body)
    service = fields.free_id(document, "service", SERVICE)
    if service is None:
        raise InvalidInput("is required", field="service")
    area = document.get("area")
    if area is None:
        raise InvalidInput('is required, for example {"value": 40.0, "unit": "square_meter"}', field="area")
    line = _line("area", fields.part(area, "area"), "area", process=service)
    return _report(document, raw, ADDED_VALUE, (line,), service)


def _document(body: Any) -> Body:
    if type(body) is not dict:
        raise InvalidInput(f"the body must be an object, not {fields.kind_of(body)}")
    document: Body = body
    return document


def _report(body: Body, raw: str, endpoint: str, lines: tuple[UsageLine, ...], service: str = "") -> UsageReport:
    job_id = fields.required_id(body, "jobId", JOB_ID)
    user = fields.required_id(body, "userId", USER_ID)
    execution_id = fields.optional_id(body, "executionId", EXECUTION_ID)
    fields.optional_id(body, "orchestrator", ORCHESTRATOR)
    return UsageReport(
        endpoint=endpoint,
        source=fields.required_id(body, "sourceId", SOURCE_ID),
        user=user,
        job_id=job_id,
        lines=lines,
        raw=raw,
        # existing clients build the key of an added-value report from the process id
        key=(fields.free_id if service else fields.optional_id)(body, "idempotencyKey", KEY),
        service=service,
        organisation=fields.organisation(body, "orgId"),
        job_title=fields.title(body, "jobName"),
        execution_id=execution_id,
        kind=kind_of(job_id, execution_id, user),
        state=fields.choice(body, "state", STATES),
        status=fields.choice(body, "status", STATUSES),
        started_at=fields.moment(body, "jobStart"),
        finished_at=fields.moment(body, "jobFinish"),
    )


def _lines(metrics: Body) -> tuple[UsageLine, ...]:
    if len(metrics) > MOST_METRICS:
        raise InvalidInput(f"must name at most {MOST_METRICS} metrics, not {len(metrics)}", field="metrics")
    lines = []
    for name, metric in metrics.items():
        if metric is None:
            continue
        if not 0 < len(name) <= METRIC or not name.isprintable():
            raise InvalidInput(f"a metric's name has 1 to {METRIC} visible characters", field="metrics")
        path = f"metrics.{name}"
        lines.append(_line(name, fields.part(metric, path), path))
    return tuple(lines)


def _line(metric: str, measured: Body, path: str, process: str = "") -> UsageLine:
    quantity, reported = fields.quantity(measured.get("value"), f"{path}.value")
    unit = measured.get("unit")
    if type(unit) is not str or not 0 < len(unit) <= UNIT or not unit.isprintable():
        raise InvalidInput(f"must be a text of 1 to {UNIT} characters", field=f"{path}.unit")
    return UsageLine(metric, quantity, unit, reported, process)


def kind_of(job_id: str, execution_id: str | None, user: str) -> str:
    """`sync` or `batch`, which tariffs may price differently; no client says it.

    Synchronous requests are reported under their request id (`r-...`), the same for job and execution; the Sentinel Hub
    driver calls them `<user id>_<ISO 8601 instant>`. Everything else is a batch job.
    """
    if job_id.startswith("r-") or job_id == execution_id:
        return "sync"
    if job_id.startswith(f"{user}_") and _DAY.match(job_id, len(user) + 1):
        return "sync"
    return "batch"
