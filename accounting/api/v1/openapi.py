"""How /api/v1/ describes itself: the structs that parse and answer become the components of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from accounting.api.v1 import documents, estimate_shapes, shapes
from accounting.api.v1.batches import CLOUD_EVENTS
from accounting.api.v1.filters import KINDS
from accounting.api.v1.intake import STATES_SHOWN

JSON = "application/json"
_SHAPES = (shapes, documents, estimate_shapes)
INSTANT = {"type": "string", "format": "date-time"}
_CREDITS = {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$"}
_SOURCE = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": shapes.NO_NUL}
_JOB_ID = {"type": "string", "minLength": 1, "maxLength": 300, "pattern": shapes.NO_NUL}
_WHOLE = {"type": "integer", "minimum": 1, "maximum": shapes.BIGINT}


class UsageEvents(msgspec.Struct):
    """Stands for an array of CloudEvents, which no struct can be."""

    shape = Annotated[list[shapes.UsageEvent], msgspec.Meta(min_length=1, max_length=shapes.MAX_BATCH)]


class StructExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # registers itself
    target_class = "msgspec.Struct"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Any) -> str:
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        shape = getattr(self.target, "shape", self.target)
        (schema,), components = msgspec.json.schema_components([shape], ref_template="#/components/schemas/{name}")
        own = components.pop(self.target.__name__, schema)
        for name, component in components.items():
            struct = next(
                getattr(module, name) for module in (shapes, documents, estimate_shapes) if hasattr(module, name)
            )
            auto_schema.registry.register_on_missing(
                ResolvedComponent(  # type: ignore[no-untyped-call]  # of a library without types
                    name=name, type=ResolvedComponent.SCHEMA, object=struct, schema=component
                )
            )
        return dict(own)


def query(name: str, schema: dict[str, Any], description: str) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=description)


def _header(name: str, description: str, statuses: Iterable[int], schema: Any = str) -> OpenApiParameter:
    return OpenApiParameter(
        name, schema, OpenApiParameter.HEADER, description=description, response=[str(status) for status in statuses]
    )


def rate_limits(*statuses: int) -> list[OpenApiParameter]:
    return [
        _header("RateLimit-Policy", 'Requests a minute: `"default";q=6000;w=60`.', statuses),
        _header("RateLimit", 'What is left of it: `"default";r=5999;t=42`.', statuses),
    ]


def _key(required: bool, description: str) -> OpenApiParameter:
    schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
    return OpenApiParameter(
        "Idempotency-Key", schema, OpenApiParameter.HEADER, required=required, description=description
    )


_REPORT = {
    "source": "TerraScope/MEP",
    "user": "1c0ffee0alice@egi.eu",
    "job_id": "j-2405040a",
    "job_title": "NDVI of Flanders",
    "execution_id": "application_1714813200_7",
    "kind": "batch",
    "state": "finished",
    "started_at": "2026-05-04T09:12:00Z",
    "finished_at": "2026-05-04T10:00:00Z",
    "metrics": [
        {"metric": "cpu", "quantity": 5099, "unit": "cpu-seconds"},
        {"metric": "memory", "quantity": "13400773", "unit": "mb-seconds"},
    ],
}
_EVENT = {
    "specversion": "1.0",
    "id": "application_1714813200_7",
    "source": "/backends/terrascope",
    "type": shapes.EVENT_TYPE,
    "time": "2026-05-04T10:00:05Z",
    "data": _REPORT,
}
_REPLAYED = "`true`: the report was booked before, this is its first answer again."

report_usage = extend_schema(
    operation_id="report_usage",
    tags=["Usage"],
    summary="Report what a job used",
    description="Charges the job's payer once, whatever it has left. The same key with the same report answers as the "
    "first time; with another report it is refused (422). A report that cannot be booked (an unknown unit, a source of "
    "somebody else, impossible times) is refused and kept for the operators. For service tokens.",
    request={JSON: shapes.UsageReport},
    responses={(201, JSON): OpenApiResponse(shapes.BookedReport, "Booked, now or before.")},
    parameters=[
        _key(True, "Names this report. Send the same again when you do not know whether it arrived."),
        _header("Location", "Address of the job with its receipts.", [201]),
        _header("Idempotency-Replayed", _REPLAYED, [201]),
        *rate_limits(201),
    ],
    examples=[OpenApiExample("A batch job", _REPORT, request_only=True)],
)

report_usage_batch = extend_schema(
    operation_id="report_usage_batch",
    tags=["Usage"],
    summary="Report up to 1,000 at once",
    description="Each report is booked or refused by itself, all in one database transaction; the answer has an "
    "outcome for each, in order. A body that is not valid JSON, has another shape, is empty or has too many reports is "
    "refused as a whole, and then nothing was booked. Of CloudEvents, `source` and `id` are the key. "
    "For service tokens.",
    request={JSON: shapes.UsageBatch, CLOUD_EVENTS: UsageEvents},
    responses={
        (200, JSON): OpenApiResponse(shapes.BatchAnswer, "All are booked, now or before."),
        (207, JSON): OpenApiResponse(shapes.BatchAnswer, "Some are not booked; their outcome says why."),
    },
    parameters=[
        _key(False, "Reports without an `idempotency_key` get `<this>/<index>`."),
        _header("Idempotency-Replayed", "`true`: every one of them was booked before.", [200]),
        *rate_limits(200, 207),
    ],
    examples=[
        OpenApiExample(
            "Reports", {"reports": [{**_REPORT, "idempotency_key": "k-1"}]}, request_only=True, media_type=JSON
        ),
        OpenApiExample("CloudEvents", [_EVENT], request_only=True, media_type=CLOUD_EVENTS),
    ],
)

read_balance = extend_schema(
    operation_id="read_balance",
    tags=["Credits"],
    summary="What an organisation has",
    description="For a person's token.",
    responses={(200, JSON): documents.Balance},
    parameters=[
        query("organisation", _WHOLE, "One of yours; default: your current one."),
        query("at", INSTANT, "As it was recorded at that instant; default: now."),
        *rate_limits(200),
    ],
)

_PAGES = [
    query("cursor", {"type": "string", "minLength": 1}, "From the `next` of the page before."),
    query("limit", {"type": "integer", "default": 50}, "Rows a page, clamped to 1 to 500."),
    *rate_limits(200),
]

list_entries = extend_schema(
    operation_id="list_entries",
    tags=["Credits"],
    summary="Every change of a wallet, newest first",
    description="For a person's token.",
    responses={(200, JSON): documents.EntryPage},
    parameters=[
        query("organisation", _WHOLE, "One of yours; default: your current one."),
        query("from", INSTANT, "Recorded at or after."),
        query("to", INSTANT, "Recorded before."),
        query("kind", {"type": "string", "enum": KINDS}, "What happened."),
        query("source", _SOURCE, "Of jobs that ran there."),
        query("job_id", _JOB_ID, "Of jobs with that id."),
        query("min", _CREDITS, "Least amount in credits; charges are negative."),
        query("max", _CREDITS, "Largest amount in credits."),
        *_PAGES,
    ],
    filters=False,
)

list_jobs = extend_schema(
    operation_id="list_jobs",
    tags=["Jobs"],
    summary="What ran, most recently reported first",
    description="A person sees the jobs that their organisations paid for, a back end those of its sources.",
    responses={(200, JSON): documents.JobPage},
    parameters=[
        query("organisation", _WHOLE, "That paid; a person's: one of theirs, default all."),
        query("source", _SOURCE, "Where it ran."),
        query("job_id", _JOB_ID, "With that id."),
        query("state", {"type": "string", "enum": list(dict.fromkeys(STATES_SHOWN.values()))}, "The openEO status."),
        query("kind", {"type": "string", "enum": ["batch", "sync"]}, "How it ran."),
        query("from", INSTANT, "Reported at or after."),
        query("to", INSTANT, "Reported before."),
        *_PAGES,
    ],
    filters=False,
)

read_job = extend_schema(
    operation_id="read_job",
    tags=["Jobs"],
    summary="A job with its receipts",
    description="A job that you may not see is not found. How to compute a charge again: docs/receipts.md.",
    responses={(200, JSON): documents.JobDetail},
    parameters=[
        OpenApiParameter(
            "source",
            str,
            OpenApiParameter.PATH,
            description="May hold slashes, as they are or as %2F.",
            examples=[OpenApiExample("A source", "TerraScope/MEP")],
        ),
        OpenApiParameter("job_id", str, OpenApiParameter.PATH, examples=[OpenApiExample("A job", "j-2405040a")]),
        *rate_limits(200),
    ],
)
