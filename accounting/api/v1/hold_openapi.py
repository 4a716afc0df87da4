"""How /precheck and /holds describe themselves."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from accounting.api.v1 import hold_documents, hold_shapes, openapi
from accounting.api.v1.openapi import JSON
from accounting.api.v1.shapes import BookedReport

_ID = OpenApiParameter(
    "hold",
    {"type": "string", "format": "uuid"},
    OpenApiParameter.PATH,
    description="The `id` that the hold was answered with.",
)
_REPLAYED = "`true`: done before, this is the answer again."

precheck = extend_schema(
    operation_id="precheck",
    tags=["Holds"],
    summary="May these jobs start?",
    description="Advice for up to 100 jobs at once: what is spendable, which plan would pay, and the openEO error to "
    "raise for a no. Reserves nothing; a hold is the authority. For service tokens.",
    request={JSON: hold_shapes.Prechecks},
    responses={(200, JSON): hold_documents.CheckAnswers},
    parameters=openapi.rate_limits(200),
    examples=[
        OpenApiExample(
            "Two jobs",
            {
                "checks": [
                    {"source": "TerraScope/MEP", "user": "1c0ffee0alice@egi.eu", "amount": "25", "plans": ["free"]},
                    {"source": "TerraScope/MEP", "user": "2c0ffee0bob@egi.eu", "organisation": 1234},
                ]
            },
            request_only=True,
        )
    ],
)

open_hold = extend_schema(
    operation_id="open_hold",
    tags=["Holds"],
    summary="Keep credits for a job",
    description="Checks and reserves in one step: 201, or 402 and nothing was reserved. The job's own report is paid "
    "by the hold, found by source and job or execution id, and gives the rest back. For service tokens.",
    request={JSON: hold_shapes.HoldRequest},
    responses={(201, JSON): hold_documents.Hold},
    parameters=[
        openapi.key(True, "Names this hold. Send the same again when you do not know whether it arrived."),
        openapi.header("Location", "Address of the hold.", [201]),
        openapi.header("Idempotency-Replayed", _REPLAYED, [201]),
        *openapi.rate_limits(201),
    ],
    examples=[
        OpenApiExample(
            "A batch job",
            {
                "source": "TerraScope/MEP",
                "user": "1c0ffee0alice@egi.eu",
                "job_id": "j-2405040a",
                "amount": "25",
                "budget": "40",
                "plans": ["sponsored-nor-project-x", "free"],
                "expires_in": 86400,
                "metadata": {"queue": "default"},
            },
            request_only=True,
        )
    ],
)

list_holds = extend_schema(
    operation_id="list_holds",
    tags=["Holds"],
    summary="Holds, newest first",
    description="A person sees those that their organisations pay for, a back end those of its sources.",
    responses={(200, JSON): hold_documents.HoldPage},
    parameters=[
        openapi.query("organisation", openapi.WHOLE, "That pays; a person's: one of theirs, default all."),
        openapi.query("source", openapi.SOURCE, "Where the job runs."),
        openapi.query("job_id", openapi.JOB_ID, "For that job."),
        openapi.query("state", {"type": "string", "enum": ["open", "ended"]}, "Keeping something, or not any more."),
        *openapi.PAGES,
    ],
    filters=False,
)

read_hold = extend_schema(
    operation_id="read_hold",
    tags=["Holds"],
    summary="A hold and what became of it",
    responses={(200, JSON): hold_documents.HoldDetail},
    parameters=[_ID, *openapi.rate_limits(200)],
)

read_hold_receipt = extend_schema(
    operation_id="read_hold_receipt",
    tags=["Holds"],
    summary="What was charged under a hold and its children",
    responses={(200, JSON): hold_documents.HoldReceipt},
    parameters=[_ID, *openapi.rate_limits(200)],
)

beat = extend_schema(
    operation_id="beat",
    tags=["Holds"],
    summary="The job lives; may it go on?",
    description="Moves the expiry ahead, never back. `metrics` are what the job has used since it began; they are "
    "rated, and charged if `capture` says so. Answers continue, warn or stop. 409 when the hold has ended. "
    "For service tokens.",
    request={JSON: hold_shapes.Heartbeat},
    responses={(200, JSON): hold_documents.Pulse},
    parameters=[_ID, openapi.key(False, "Names the capture, when one is asked for."), *openapi.rate_limits(200)],
    examples=[
        OpenApiExample(
            "An hour in",
            {"metrics": [{"metric": "cpu", "quantity": 3600, "unit": "cpu-seconds"}], "expires_in": 7200},
            request_only=True,
        )
    ],
)

capture = extend_schema(
    operation_id="capture",
    tags=["Holds"],
    summary="Charge what the job has used so far",
    description="In place of what an earlier capture charged; the job's own report replaces it, if one comes. A final "
    "capture ends the hold and gives the rest back. What goes beyond the hold is charged to the wallet, or borne by "
    "the back end if it agreed to. 409 when the hold has ended, and nothing was charged. For service tokens.",
    request={JSON: hold_shapes.Capture},
    responses={(201, JSON): OpenApiResponse(BookedReport, "Booked, now or before.")},
    parameters=[
        _ID,
        openapi.key(True, "Names this capture."),
        openapi.header("Idempotency-Replayed", _REPLAYED, [201]),
        *openapi.rate_limits(201),
    ],
    examples=[
        OpenApiExample(
            "The job is over",
            {"metrics": [{"metric": "cpu", "quantity": 5099, "unit": "cpu-seconds"}], "final": True},
            request_only=True,
        )
    ],
)

extend = extend_schema(
    operation_id="extend_hold",
    tags=["Holds"],
    summary="Keep more",
    description="From the parent, if there is one. 402 and nothing was added, 409 when the hold has ended. "
    "For service tokens.",
    request={JSON: hold_shapes.Extension},
    responses={(200, JSON): hold_documents.HoldDetail},
    parameters=[
        _ID,
        openapi.key(True, "Names this extension."),
        openapi.header("Idempotency-Replayed", _REPLAYED, [200]),
        *openapi.rate_limits(200),
    ],
    examples=[OpenApiExample("More", {"amount": "10"}, request_only=True)],
)

release = extend_schema(
    operation_id="release_hold",
    tags=["Holds"],
    summary="Give back what is kept",
    description="To the same grants, or to the parent. Again: the same answer. 409 when it was captured or has "
    "expired. For service tokens.",
    request={JSON: hold_shapes.Release},
    responses={(200, JSON): hold_documents.HoldDetail},
    parameters=[_ID, *openapi.rate_limits(200)],
    examples=[OpenApiExample("Canceled", {"reason": "canceled by the user"}, request_only=True)],
)
