"""How the ETL API describes itself: what `fields` and `reading` accept as JSON Schema, and the known bodies."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema

from accounting.api.etl import fields, reading
from accounting.api.user_input import ID_PATTERN, TITLE_LENGTH
from accounting.units import METRIC_UNITS, UNITS

Schema = dict[str, Any]
_TAGS = ["Usage reporting"]


def _id(most: int, description: str) -> Schema:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": most,
        "pattern": ID_PATTERN,
        "description": description,
    }


def _optional(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


def _choice(values: frozenset[str], description: str) -> Schema:
    return {"type": ["string", "null"], "enum": [*sorted(values), None], "description": description}


def _number(description: str, least: int, most: int) -> Schema:
    number = {"type": "number", "minimum": least, "maximum": most}
    text = {"type": "string", "pattern": fields.NUMBER_PATTERN, "maxLength": fields.NUMBER_LENGTH}
    return {"anyOf": [number, text], "description": description}


def _instant(description: str) -> Schema:
    schema = _number(f"{description}, in milliseconds since 1970.", fields.FIRST_MOMENT, fields.LAST_MOMENT)
    return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}


def _measured(units: list[str], description: str) -> Schema:
    return {
        "type": "object",
        "required": ["value", "unit"],
        "properties": {
            "value": _number("The amount; a number or a text of one.", 0, 10**17),
            "unit": {"type": "string", "enum": units},
        },
        "description": description,
    }


def _metric(name: str, description: str) -> Schema:
    units = sorted(unit.name for unit in UNITS.values() if unit.canonical in METRIC_UNITS[name])
    schema = _measured(units, description)
    return schema | {"type": ["object", "null"]}


_COMMON: Schema = {
    "jobId": _id(reading.JOB_ID, "The job, or the request of synchronous processing."),
    "jobName": {
        "description": f"The title, cut after {TITLE_LENGTH} characters. It is the user's: nothing is refused.",
    },
    "executionId": _optional(_id(reading.EXECUTION_ID, "This run of the job.")),
    "userId": _id(reading.USER_ID, "`sub` of the user's access token."),
    "sourceId": _id(reading.SOURCE_ID, "The registered source that this client may report for."),
    "orchestrator": _optional(_id(reading.ORCHESTRATOR, "Always `openeo`; not used.")),
    "jobStart": _instant("When the work began"),
    "jobFinish": _instant("When the work ended; decides which tariff applies"),
    "idempotencyKey": _optional(
        _id(
            reading.KEY,
            "The same key again answers as the first time and charges nothing. It is known per address, client, source "
            "and service. Without a key every report is charged.",
        )
    ),
    "state": _choice(reading.STATES, "What became of the job; tariffs may depend on it."),
    "status": _choice(reading.STATUSES, "Kept, not used."),
    "orgId": {
        "anyOf": [{"type": "integer"}, {"type": "string", "pattern": fields.WHOLE_PATTERN}, {"type": "null"}],
        "description": "The organisation that shall pay. If the user is not its member, the user's own one pays.",
    },
}

_RESOURCES: Schema = {
    "type": "object",
    "required": ["jobId", "userId", "sourceId", "metrics"],
    "properties": _COMMON
    | {
        "metrics": {
            "type": "object",
            "maxProperties": reading.MOST_METRICS,
            "properties": {
                "cpu": _metric("cpu", "Processor time."),
                "memory": _metric("memory", "Memory held over time."),
                "time": _metric("time", "Wall-clock time."),
                "processing": _metric("processing", "Sentinel Hub processing units, or credits to charge as they are."),
            },
            "additionalProperties": {"anyOf": [_measured(sorted(UNITS), "Any other metric."), {"type": "null"}]},
            "propertyNames": {"minLength": 1, "maxLength": reading.METRIC, "pattern": "^[A-Za-z0-9._-]+$"},
        }
    },
}
_ADDED_VALUE: Schema = {
    "type": "object",
    "required": ["jobId", "userId", "sourceId", "service", "area"],
    "properties": _COMMON
    | {
        "service": {
            "type": "string",
            "minLength": 1,
            "description": "The process that was used; an unknown one costs nothing.",
        },
        "idempotencyKey": {
            "type": ["string", "null"],
            "minLength": 1,
            "description": _COMMON["idempotencyKey"]["description"],
        },
        "area": _measured(
            sorted(unit.name for unit in UNITS.values() if unit.canonical == "km2"), "What it was used on."
        ),
    },
}
_BILLED: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["jobId", "userId", "sourceId", "status", "type", "value", "unit", "cost", "date"],
        "properties": {
            **{name: {"type": "string"} for name in ("jobId", "executionId", "userId", "sourceId", "orchestrator")},
            "state": {"type": "string", "enum": sorted(reading.STATES)},
            "service": {"type": "string"},
            "orgId": {"type": "integer", "description": "The organisation that pays, when one was asked for."},
            "orgIdRefused": {"type": "boolean", "description": "The user is not a member of the one asked for."},
            "status": {"type": "string", "const": "billed"},
            "type": {"type": "string", "description": "The metric."},
            "value": {"type": "number"},
            "unit": {"type": "string"},
            "cost": {"type": "number", "description": "Credits; the job's costs are the sum."},
            "date": {"type": "string", "format": "date-time"},
        },
    },
}

_JOB: Schema = {
    "jobId": "j-abc123",
    "jobName": "a test",
    "executionId": "application_1704961751000_456",
    "userId": "1c0ffee0@egi.eu",
    "sourceId": "TerraScope/MEP",
    "orchestrator": "openeo",
    "jobStart": 1704961751000,
    "jobFinish": 1704961804000,
}
_KEY = "application_1704961751000_456"
_RESOURCES_EXAMPLE = _JOB | {
    "idempotencyKey": _KEY,
    "state": "FINISHED",
    "status": "SUCCEEDED",
    "metrics": {
        "cpu": {"value": 53, "unit": "cpu-seconds"},
        "memory": {"value": 6784, "unit": "mb-seconds"},
        "time": {"value": 53000, "unit": "milliseconds"},
        "processing": {"value": 4.0, "unit": "shpu"},
    },
    "orgId": 1234,
}
_SHORT_EXAMPLE = {
    "jobId": "7c8f0a1e",
    "userId": "1c0ffee0@egi.eu",
    "sourceId": "sentinel-hub-openeo",
    "state": "FINISHED",
    "status": "SUCCEEDED",
    "orchestrator": "openeo",
    "metrics": {"processing": {"value": "0.33", "unit": "shpu"}},
}
_ADDED_VALUE_EXAMPLE = _JOB | {
    "idempotencyKey": f"{_KEY}_load_stac",
    "service": "load_stac",
    "area": {"value": 40.0, "unit": "square_meter"},
}
_BILLED_EXAMPLE = {
    **{name: _JOB[name] for name in ("jobId", "executionId", "userId", "sourceId", "orchestrator")},
    "status": "billed",
    "date": "2024-01-11T08:30:05.000Z",
}


def _billed(*lines: Schema) -> Any:
    example = OpenApiExample("billed", value=[_BILLED_EXAMPLE | line for line in lines], response_only=True)
    description = "What each metric costs. The same key again: the same bytes, with `Idempotency-Replayed: true`."
    return {201: OpenApiResponse(_BILLED, description, [example])}


def _request(name: str, value: Schema) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True)


resources = extend_schema(
    operation_id="report_resources",
    summary="Report what a job used",
    description="Charges it once to the user, or to the organisation asked for. A report that cannot be charged as it "
    "is (unknown unit, impossible times, a source of somebody else) is answered 4xx with `kept: true` and kept.",
    tags=_TAGS,
    request={"application/json": _RESOURCES},
    responses=_billed(
        {"state": "FINISHED", "type": "cpu", "value": 53, "unit": "cpu-seconds", "cost": 0.022083},
        {"state": "FINISHED", "type": "processing", "value": 4, "unit": "shpu", "cost": 0.6},
    ),
    examples=[_request("a batch job", _RESOURCES_EXAMPLE), _request("the least", _SHORT_EXAMPLE)],
)
added_value = extend_schema(
    operation_id="report_added_value",
    summary="Report that a job used a service",
    description="One report per process. The organisation is that of the same execution's /resources report.",
    tags=_TAGS,
    request={"application/json": _ADDED_VALUE},
    responses=_billed({"service": "load_stac", "type": "area", "value": 40, "unit": "square_meter", "cost": 0}),
    examples=[_request("a process", _ADDED_VALUE_EXAMPLE)],
)


def _document(description: str, properties: Schema, example: Schema) -> Any:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {200: OpenApiResponse(schema, description, [OpenApiExample("answer", value=example, response_only=True)])}


user = extend_schema(
    operation_id="user_credits",
    summary="What the user of the token can spend",
    description="With an end user's token. Credits of the organisation that pays for this user at the moment.",
    tags=["Checks before a job"],
    responses=_document("Credits.", {"credits": {"type": "number"}}, {"credits": 50}),
)
permissions = extend_schema(
    operation_id="user_permissions",
    summary="Whether the token is valid, and its user may start work",
    description="`execution` is false only for a person whose paying organisation is below zero.",
    tags=["Checks before a job"],
    responses=_document("Valid.", {"execution": {"type": "boolean"}}, {"execution": True}),
)
validate_auth = extend_schema(
    operation_id="validate_auth",
    summary="Whether this client may report usage",
    tags=_TAGS,
    responses=_document(
        "It may, for these sources.",
        {
            "status": {"type": "string", "const": "ok"},
            "clientId": {"type": "string"},
            "sources": {"type": "array", "items": {"type": "string"}},
        },
        {"status": "ok", "clientId": "openeo-job-tracker", "sources": ["TerraScope/MEP"]},
    ),
)
