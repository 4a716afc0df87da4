"""What accounting refuses, in the words of the body that the client sent."""

from __future__ import annotations

import re

from accounting.errors import DomainError
from accounting.reports import ADDED_VALUE, UsageReport

_NAMES = {
    "source": "sourceId",
    "user": "userId",
    "job_id": "jobId",
    "execution_id": "executionId",
    "organisation": "orgId",
    "started_at": "jobStart",
    "finished_at": "jobFinish",
    "key": "idempotencyKey",
}
_LINE = re.compile(r"lines\[([0-9]+)\](?:\.(unit|quantity))?")
KEPT = "The report is kept and can still be booked once the cause is mended; do not send it again."


def in_words_of_the_body(error: DomainError, report: UsageReport, *, kept: bool) -> DomainError:
    """The same error with its field renamed (`lines[0].unit` -> `metrics.cpu.unit`) and whether the report is kept."""
    end = "" if error.detail.endswith((".", "?", "!")) else "."
    detail = f"{error.detail}{end} {KEPT}" if kept else error.detail
    renamed = type(error)(detail, field=field_of(error.field, report), **error.extra)
    if kept:
        renamed.extra["kept"] = True
    return renamed


def field_of(name: str | None, report: UsageReport) -> str | None:
    if name is None:
        return None
    if name == "lines":
        return "area" if report.endpoint == ADDED_VALUE else "metrics"
    match = _LINE.fullmatch(name)
    if match is None:
        return _NAMES.get(name, name)
    line = report.lines[int(match[1])]
    path = "area" if report.endpoint == ADDED_VALUE else f"metrics.{line.metric}"
    return f"{path}.{'value' if match[2] == 'quantity' else match[2]}" if match[2] else path
