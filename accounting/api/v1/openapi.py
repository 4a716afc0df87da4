"""How /api/v1/ describes itself: the structs that parse and answer become the components of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from accounting.api.v1 import documents, estimate_shapes, hold_documents, hold_shapes, shapes
from accounting.api.v1.batches import CLOUD_EVENTS
from accounting.api.v1.filters import KINDS
from accounting.api.v1.intake import STATES_SHOWN

JSON = "application/json"
MODULES = (shapes, documents, hold_shapes, hold_documents, estimate_shapes)
"""Where the structs of the API stand; a name stands in one of them."""
INSTANT = {"type": "string", "format": "date-time"}
_CREDITS = {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$"}
SOURCE = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": shapes.NO_NUL}
JOB_ID = {"type": "string", "minLength": 1, "maxLength": 300, "pattern": shapes.NO_NUL}
WHOLE = {"type": "integer", "minimum": 1, "maximum": shapes.BIGINT}


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
            struct = next(getattr(module, name) for module in MODULES if hasattr(module, name))
            auto_schema.registry.register_on_missing(
                ResolvedComponent(  # type: ignore[no-untyped-call]  # of a library without types
                    name=name, type=ResolvedComponent.SCHEMA, object=struct, schema=component
                )
            )
        return dict(own)


def query(name: str, schema: dict[str, Any], description: str) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=description)


def header(name: str, description: str, statuses: Iterable[int], schema: Any = str) -> OpenApiParameter:
    return OpenApiParameter(
        name, schema, OpenApiParameter.HEADER, description=description, response=[str(status) for status in statuses]
    )


def rate_limits(*statuses: int) -> list[OpenApiParameter]:
    return [
        header("RateLimit-Policy", 'Requests a minute: `"default";q=6000;w=60`.', statuses),
        header("RateLimit", 'What is left of it: `"default";r=5999;t=42`.', statuses),
    ]


def key(required: bool, description: str) -> OpenApiParameter:
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

_DRY_RUN = query(
    "dry_run", {"type": "boolean", "default": False}, "`true`: answer as if, and write nothing; no key is needed then."
)

report_usage = extend_schema(
    operation_id="report_usage",
    tags=["Usage"],
    summary="Report what a job used",
    description="Charges the job's payer once, whatever it has left. The same key with the same report answers as the "
    "first time; with another report it is refused (422). A report that cannot be booked (an unknown unit, a source of "
    "somebody else, impossible times) is refused and kept for the operators. For service tokens.",
    request={JSON: shapes.UsageReport},
    responses={
        (200, JSON): OpenApiResponse(shapes.DryRunReport, "The dry run of a report that would be booked."),
        (201, JSON): OpenApiResponse(shapes.BookedReport, "Booked, now or before."),
    },
    parameters=[
        key(
            True,
            "Names this report. Send the same again when you do not know whether it arrived. A dry run does without.",
        ),
        _DRY_RUN,
        header("Location", "Address of the job with its receipts.", [201]),
        header("Idempotency-Replayed", _REPLAYED, [200, 201]),
        *rate_limits(200, 201),
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
        key(False, "Reports without an `idempotency_key` get `<this>/<index>`."),
        _DRY_RUN,
        header("Idempotency-Replayed", "`true`: every one of them was booked before.", [200]),
        *rate_limits(200, 207),
    ],
    examples=[
        OpenApiExample(
            "Reports", {"reports": [{**_REPORT, "idempotency_key": "k-1"}]}, request_only=True, media_type=JSON
        ),
        OpenApiExample("CloudEvents", [_EVENT], request_only=True, media_type=CLOUD_EVENTS),
    ],
)

quote_usage = extend_schema(
    operation_id="quote_usage",
    tags=["Usage"],
    summary="What a job would cost",
    description="The price of the expected metrics by the code that bills, with the tariff in force then and what "
    "the payer's rules depend on. Refused for the same reasons as a report; nothing is written. For a back end's token "
    "about its sources, for a person's about any source and for themself.",
    request={JSON: shapes.QuoteRequest},
    responses={(200, JSON): documents.Quote},
    parameters=rate_limits(200),
    examples=[
        OpenApiExample(
            "A batch job", {name: _REPORT[name] for name in ("source", "kind", "metrics")}, request_only=True
        )
    ],
)

read_balance = extend_schema(
    operation_id="read_balance",
    tags=["Credits"],
    summary="What an organisation has",
    description="For a person's token.",
    responses={(200, JSON): documents.Balance},
    parameters=[
        query("organisation", WHOLE, "One of yours; default: your current one."),
        query("at", INSTANT, "As it was recorded at that instant; default: now."),
        *rate_limits(200),
    ],
)

PAGES = [
    query("cursor", {"type": "string", "minLength": 1}, "From the `next` of the page before."),
    query("limit", {"type": "integer", "default": 50}, "Rows a page, clamped to 1 to 500."),
    *rate_limits(200),
]

TAG = header("ETag", "Send it as If-None-Match: 304 when nothing has changed.", [200])

list_tariffs = extend_schema(
    operation_id="list_tariffs",
    tags=["Tariffs"],
    summary="What back ends ask: rate cards in force, past and announced, the newest first",
    description="Public, the same for everybody, with an ETag. A published tariff never changes, but for an end that "
    "its successor sets. How rules price: docs/receipts.md.",
    responses={(200, JSON): documents.PublishedTariffPage},
    parameters=[
        query("source", SOURCE, "Of that source."),
        query("backend", {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,50}$"}, "Of that back end's sources."),
        query("at", INSTANT, "In force at that instant."),
        TAG,
        *PAGES,
    ],
    filters=False,
    auth=[],
)

read_tariff = extend_schema(
    operation_id="read_tariff",
    tags=["Tariffs"],
    summary="A version of a rate card",
    description="The tariff that a receipt names. Public, with an ETag.",
    responses={(200, JSON): documents.PublishedTariff},
    parameters=[OpenApiParameter("tariff", WHOLE, OpenApiParameter.PATH), TAG, *rate_limits(200)],
    auth=[],
)

list_entries = extend_schema(
    operation_id="list_entries",
    tags=["Credits"],
    summary="Every change of a wallet, newest first",
    description="For a person's token.",
    responses={(200, JSON): documents.EntryPage},
    parameters=[
        query("organisation", WHOLE, "One of yours; default: your current one."),
        query("from", INSTANT, "Recorded at or after."),
        query("to", INSTANT, "Recorded before."),
        query("kind", {"type": "string", "enum": KINDS}, "What happened."),
        query("source", SOURCE, "Of jobs that ran there."),
        query("job_id", JOB_ID, "Of jobs with that id."),
        query("min", _CREDITS, "Least amount in credits; charges are negative."),
        query("max", _CREDITS, "Largest amount in credits."),
        *PAGES,
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
        query("organisation", WHOLE, "That paid; a person's: one of theirs, default all."),
        query("source", SOURCE, "Where it ran."),
        query("job_id", JOB_ID, "With that id."),
        query("state", {"type": "string", "enum": list(dict.fromkeys(STATES_SHOWN.values()))}, "The openEO status."),
        query("kind", {"type": "string", "enum": ["batch", "sync"]}, "How it ran."),
        query("from", INSTANT, "Reported at or after."),
        query("to", INSTANT, "Reported before."),
        *PAGES,
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

read_callback = extend_schema(
    operation_id="read_callback",
    tags=["Callbacks"],
    summary="Where you are called",
    description="The registered address of the calling back end; operators register it. How to receive: "
    "docs/callbacks.md. For service tokens.",
    responses={(200, JSON): documents.Callback},
    parameters=rate_limits(200),
)

list_callback_deliveries = extend_schema(
    operation_id="list_callback_deliveries",
    tags=["Callbacks"],
    summary="What you were or will be told, newest first",
    description="For service tokens.",
    responses={(200, JSON): documents.CallbackDeliveryPage},
    parameters=PAGES,
    filters=False,
)

read_openeo_billing = extend_schema(
    operation_id="read_openeo_billing",
    tags=["openEO"],
    summary="What a back end shows as billing",
    description="For the member `billing` of openEO's `GET /`. Public, the same for everybody, with an ETag.",
    responses={(200, JSON): documents.OpenEOBilling},
    parameters=[TAG, *rate_limits(200)],
    auth=[],
)

read_openeo_me = extend_schema(
    operation_id="read_openeo_me",
    tags=["openEO"],
    summary="What a back end shows a user about their credits",
    description="For openEO's `GET /me`. With the user's own token.",
    responses={(200, JSON): documents.OpenEOUser},
    parameters=[
        query("organisation", WHOLE, "One of theirs; default: the current one."),
        *rate_limits(200),
    ],
)
