"""How the estimates describe themselves."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema

from accounting.api.v1 import estimate_shapes as shapes
from accounting.api.v1.openapi import INSTANT, JSON, query, rate_limits

_WORKLOAD = {
    "udp": {"url": "https://algorithms.example.org/udp/ndvi-time-series"},
    "geometry": {"west": 4.3, "south": 50.8, "east": 5.1, "north": 51.3},
    "temporal_extent": ["2026-01-01", "2026-07-01"],
    "time_steps": 36,
    "collections": ["SENTINEL2_L2A"],
}
_NAME = {"type": "string", "minLength": 1, "pattern": "^[!-~]+$"}
_DAY = {"oneOf": [{"type": "string", "format": "date"}, INSTANT]}

estimate = extend_schema(
    operation_id="estimate_costs",
    tags=["Estimates"],
    summary="What a job would cost on each back end",
    description="From finished jobs like it, rated anew by the prices in force: median and 80 % interval, with the "
    "method and the number of jobs behind it. A back end of which nothing is known has no figure; when none has one, "
    "the answer is 422 `EstimateComplexity`. Changes nothing. How it is computed: docs/estimates.md. For any token; "
    "with a person's, the prices are those of that person's plan.",
    request={JSON: shapes.EstimateRequest},
    responses={(200, JSON): shapes.Estimates},
    parameters=rate_limits(200),
    examples=[OpenApiExample("A UDP over a box", _WORKLOAD, request_only=True)],
)

compare = extend_schema(
    operation_id="compare_back_ends",
    tags=["Estimates"],
    summary="The same job on every back end, cheapest first",
    description="As `POST /estimates`, at an address that can be linked. Name the job by one of `udp_url`, "
    "`udp_listing`, `udp_sha256`, `process` or `fingerprint`.",
    responses={(200, JSON): shapes.Estimates},
    parameters=[
        query("udp_url", {**_NAME, "pattern": "^https?://[!-~]+$", "maxLength": 1008}, "Address of its definition."),
        query("udp_listing", {**_NAME, "maxLength": 200}, "Id of its listing."),
        query("udp_sha256", {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "Of the bytes of its definition."),
        query("process", {**_NAME, "maxLength": 255}, "Its process id."),
        query("fingerprint", {"type": "string", "pattern": "^pg1-[0-9a-f]{64}$"}, "Of its process graph."),
        query("kind", {"type": "string", "enum": ["batch", "sync"]}, "Default: batch."),
        query("area_m2", {"type": "number", "minimum": 0.01, "maximum": 5e14}, "Square metres."),
        query("from", _DAY, "Start of the time range."),
        query("to", _DAY, "Its end, not included."),
        query("time_steps", {"type": "integer", "minimum": 1, "maximum": 1_000_000}, "Default: the days of the range."),
        query("collection", {"type": "string", "minLength": 1}, "Ids, separated by commas; may come more than once."),
        *rate_limits(200),
    ],
)

calibration = extend_schema(
    operation_id="read_calibration",
    tags=["Estimates"],
    summary="How good the estimates were",
    description="For jobs that finished: what was estimated before they ran, or would have been, and what they cost. "
    "Counted every hour. For any token.",
    responses={(200, JSON): shapes.Calibration},
    parameters=rate_limits(200),
)

openeo_estimate = extend_schema(
    operation_id="estimate_costs_for_openeo",
    tags=["openEO"],
    summary="An estimate as openEO's GET /jobs/{job_id}/estimate answers it",
    description="For one back end. `costs` is the p90, because openEO asks for an upper limit; `size` is never told. "
    "When nothing like the job is known the answer is openEO's error `EstimateComplexity`, which has the status 500.",
    request={JSON: shapes.OpenEoEstimateRequest},
    responses={(200, JSON): shapes.OpenEoEstimate},
    parameters=rate_limits(200),
    examples=[OpenApiExample("A UDP over a box", {"source": "TerraScope/MEP", **_WORKLOAD}, request_only=True)],
)
