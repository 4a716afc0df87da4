"""What the estimates take and answer. The structs describe; `accounting.workloads` reads what is inside a workload."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from accounting import fingerprints, workloads
from accounting.api.v1.shapes import NO_NUL, Credits

MOST_SOURCES = 100
_NAME = {"pattern": "^[!-~]+$"}
_MOMENT = {"type": ["string", "null"], "pattern": NO_NUL}
Share = Annotated[float, Meta(description="From 0 to 1.", examples=[0.8])]


class Udp(Struct, forbid_unknown_fields=True):
    """Which user-defined process; one of these is enough, more find more jobs like it."""

    listing: Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema=_NAME)] | None = None
    url: (
        Annotated[
            str,
            Meta(
                max_length=1008,
                extra_json_schema={"pattern": "^https?://[!-~]+$"},
                description="Address of its definition.",
                examples=["https://algorithms.example.org/udp/ndvi-time-series"],
            ),
        ]
        | None
    ) = None
    sha256: (
        Annotated[
            str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{64}$"}, description="Of the bytes of its definition.")
        ]
        | None
    ) = None
    process: (
        Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema=_NAME, description="Its process id.")]
        | None
    ) = None


class Workload(Struct, forbid_unknown_fields=True):
    """What a job is to do. Name it by `udp`, `fingerprint` or `process_graph`, and say how much of it."""

    udp: Udp | None = None
    fingerprint: (
        Annotated[
            str,
            Meta(
                extra_json_schema={"pattern": f"^{fingerprints.PREFIX}[0-9a-f]{{64}}$"},
                description="Of the process graph; docs/estimates.md says how it is computed.",
            ),
        ]
        | None
    ) = None
    process_graph: (
        Annotated[dict[str, Any], Meta(description="Instead of the fingerprint: the flat graph, or a UDP.")] | None
    ) = None
    kind: Literal["batch", "sync"] | None = None
    area_m2: Annotated[
        Any,
        Meta(
            extra_json_schema={"type": ["number", "null"], "minimum": 0.01, "maximum": 5e14},
            description="Square metres.",
            examples=[1000000000],
        ),
    ] = None
    geometry: (
        Annotated[
            dict[str, Any],
            Meta(description="Instead of the area: GeoJSON with polygons, or a box {west, south, east, north}."),
        ]
        | None
    ) = None
    temporal_extent: Annotated[
        Any,
        Meta(
            extra_json_schema={"type": ["array", "null"], "items": _MOMENT, "minItems": 2, "maxItems": 2},
            description="As in openEO: start and end, the end not included.",
            examples=[["2026-01-01", "2026-07-01"]],
        ),
    ] = None
    time_steps: Annotated[
        Any,
        Meta(
            extra_json_schema={"type": ["integer", "null"], "minimum": 1, "maximum": workloads.MOST_STEPS},
            description="Default: the days of the time range.",
        ),
    ] = None
    collections: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema={"pattern": NO_NUL})]],
            Meta(max_length=workloads.MOST_COLLECTIONS),
        ]
        | None
    ) = None
    options: Annotated[dict[str, Any], Meta(description="Job options, kept as they are.")] | None = None


class EstimateRequest(Workload, forbid_unknown_fields=True):
    sources: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema={"pattern": NO_NUL})]],
            Meta(min_length=1, max_length=MOST_SOURCES, description="Source ids; default: all."),
        ]
        | None
    ) = None


class OpenEoEstimateRequest(Workload, forbid_unknown_fields=True, kw_only=True):
    source: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            extra_json_schema={"pattern": NO_NUL},
            description="Where the job is to run.",
            examples=["TerraScope/MEP"],
        ),
    ]


def to_workload(sent: Workload) -> workloads.Workload:
    """:raises InvalidInput, UnknownField: naming the field."""
    fields = {name: getattr(sent, name) for name in Workload.__struct_fields__}
    udp = sent.udp and {name: getattr(sent.udp, name) for name in Udp.__struct_fields__}
    return workloads.read({**fields, "udp": udp})


class Failures(Struct):
    """Of the jobs that ended on the back end in the last 90 days."""

    rate: Share
    jobs: Annotated[int, Meta(description="How many ended.")]
    alike: Annotated[bool, Meta(description="They are jobs like this one; otherwise any of the back end.")]


class CoverageSpan(Struct):
    """Estimates compared with what the jobs cost."""

    jobs: int
    inside: Annotated[int, Meta(description="Of them, those that cost between p10 and p90.")]
    coverage: Annotated[float, Meta(description="inside / jobs; 0.8 is what is promised.", examples=[0.8])]
    bias: Annotated[float, Meta(description="Median of cost / estimated median; 1 is right.", examples=[1.02])]


class SourceCalibration(Struct):
    source: str
    backend: str
    ever: CoverageSpan | None
    last_30_days: CoverageSpan | None


class Calibration(Struct):
    """How good the estimates were, for jobs that none of them knew."""

    ever: CoverageSpan | None
    last_30_days: CoverageSpan | None
    sources: list[SourceCalibration]
    counted_at: Annotated[datetime | None, Meta(description="null: never yet.")]


class BackEndEstimate(Struct):
    """What the job would cost there, compute and added value together, by the prices in force now."""

    source: str
    backend: str
    p10: Annotated[Credits, Meta(description="One job in ten costs less.")]
    median: Credits
    p90: Annotated[Credits, Meta(description="One job in ten costs more.")]
    jobs: Annotated[int, Meta(description="Finished jobs like it on this back end.")]
    jobs_elsewhere: Annotated[int, Meta(description="On other back ends.")]
    level: Annotated[
        Literal["own", "pooled", "elsewhere"],
        Meta(description="Whose figures count: this back end's own, few of its own beside others', or others' alone."),
    ]
    method: Annotated[
        Literal["per_km2_step", "per_km2", "per_job", "free"], Meta(description="What the cost is counted in.")
    ]
    why: Annotated[str, Meta(description="Level and method in words.")]
    extrapolated: Annotated[bool, Meta(description="The job is much larger or smaller than all that are known.")]
    duration_seconds: Annotated[int | None, Meta(description="Median of jobs like it there; null: not known.")]
    failures: Failures | None
    calibration: Annotated[CoverageSpan | None, Meta(description="Of this back end, the last 30 days.")]
    tariff: int
    expires: Annotated[datetime, Meta(description="Ask again after that.")]
    checked: Annotated[
        bool,
        Meta(description="The back end's lists of collections or processes are known here; else nothing denies it."),
    ]


class Unknown(Struct):
    """A back end without a figure."""

    source: str
    backend: str | None
    reason: Literal["collection_missing", "process_missing", "nothing_known", "not_priced", "source_unknown"]
    detail: str
    missing: list[str]


class Counted(Struct):
    """What was made of the request."""

    area_m2: float | None
    time_steps: int | None
    fingerprint: str | None
    collections: list[str]


class Estimates(Struct):
    """The same job on every back end that can run it, cheapest first by the median."""

    estimates: list[BackEndEstimate]
    without: Annotated[list[Unknown], Meta(description="Back ends of which no figure is given, and why.")]
    workload: Counted
    currency: Literal["credits"]
    interval: Annotated[Share, Meta(description="Share of jobs that cost between p10 and p90.")]
    calibration: Annotated[CoverageSpan | None, Meta(description="Of all back ends, the last 30 days.")]


class OpenEoEstimate(Struct, omit_defaults=True):
    """As openEO's `GET /jobs/{job_id}/estimate` answers."""

    costs: Annotated[float | int, Meta(description="Credits: an upper limit that nine of ten jobs keep (p90).")]
    expires: datetime
    duration: Annotated[str, Meta(description="ISO 8601.", examples=["PT1200S"])] | None = None
