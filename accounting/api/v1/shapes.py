"""What /usage-reports takes and answers. The structs parse the input, and the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from accounting.api.user_input import TITLE_LENGTH

MAX_BATCH = 1_000
MAX_METRICS = 100
EVENT_TYPE = "org.openeo.usage-report.v1"
BIGINT = 2**63 - 1

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL has no text for that character, and the parser refuses it."""
_PRINTABLE = {"pattern": "^[!-~]+( [!-~]+)*$"}
"""ASCII without control characters and stray spaces, for whatever identifies something. Checked in intake: a pattern of
a struct is slow."""

Identifier = Annotated[str, Meta(min_length=1, max_length=300, extra_json_schema=_PRINTABLE)]
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.", examples=["2026-05-04T10:00:00Z"])]
Credits = Annotated[str, Meta(description="Credits as a decimal text.", examples=["5.759775"])]

ID_LENGTH = 255
FreeId = Annotated[str, Meta(min_length=1)]
"""An identifier in which a user has a say; see `accounting.api.user_input`."""

_SHORTENED = f"One that is longer than {ID_LENGTH} characters, or has strange ones, is replaced by a shorter one."

_QUANTITY = {
    "anyOf": [
        {"type": "string", "pattern": r"^[0-9]{1,18}(\.[0-9]{1,18})?$"},
        {"type": "number", "minimum": 0, "maximum": 10**17},
    ]
}


class UsageMetric(Struct, forbid_unknown_fields=True):
    """One thing that was measured."""

    metric: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=50,
            extra_json_schema=_PRINTABLE,
            description="cpu, memory, time, processing ...",
            examples=["cpu"],
        ),
    ]
    quantity: Annotated[
        Any,
        Meta(
            extra_json_schema=_QUANTITY,
            description="A plain decimal text or a JSON number, not negative; kept exactly as written.",
            examples=["5099"],
        ),
    ]
    unit: Annotated[str, Meta(min_length=1, max_length=50, extra_json_schema=_PRINTABLE, examples=["cpu-seconds"])]
    process: Annotated[FreeId, Meta(description=f"The process (UDP) that used it. {_SHORTENED}")] | None = None
    collection: Annotated[FreeId, Meta(description=f"The collection it was read from. {_SHORTENED}")] | None = None


_SOURCE = Meta(min_length=1, max_length=200, extra_json_schema=_PRINTABLE, examples=["TerraScope/MEP"])
State = Literal["created", "queued", "running", "canceled", "finished", "error"]


class UsageReport(Struct, forbid_unknown_fields=True):
    """What a job used. Charged once to the organisation that pays for the job's user."""

    source: Annotated[str, _SOURCE, Meta(description="Under which this back end reports.")]
    user: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            extra_json_schema=_PRINTABLE,
            description="The `sub` of whoever ran the job.",
            examples=["a1@egi.eu"],
        ),
    ]
    job_id: Annotated[Identifier, Meta(examples=["j-2405040a"])]
    state: Annotated[State, Meta(description="The openEO status of the job.")]
    metrics: Annotated[list[UsageMetric], Meta(max_length=MAX_METRICS, description="May be empty.")]
    user_issuer: (
        Annotated[
            Identifier,
            Meta(description="Whose `sub` it is: an accepted issuer; default: the one registered for the source."),
        ]
        | None
    ) = None
    job_title: Annotated[
        Any,
        Meta(description=f"Cut after {TITLE_LENGTH} characters. It is the user's: nothing in it is refused."),
    ] = None
    execution_id: (
        Annotated[
            Identifier,
            Meta(description="One run of the job. Reported twice under different keys with the same metrics: 409."),
        ]
        | None
    ) = None
    kind: Literal["batch", "sync"] = "batch"
    started_at: Instant | None = None
    finished_at: Annotated[Instant, Meta(description="Decides which tariff applies; default: now.")] | None = None
    organisation: (
        Annotated[
            int,
            Meta(description="Who shall pay; if there is none of which the user is a member, the user's own one pays."),
        ]
        | None
    ) = None
    project: (
        Annotated[
            FreeId,
            Meta(description="Slug of a project of the organisation that pays, whose limits count it; others are not."),
        ]
        | None
    ) = None
    workload: Annotated[
        Any,
        Meta(
            description="What the job was to do, as the body of `POST /estimates`: estimates for jobs like it rest on "
            "it. Part of it is the user's, so nothing in it is refused; what cannot be read is left out."
        ),
    ] = None


class BatchReport(UsageReport, forbid_unknown_fields=True):
    """A report of a batch, with its key."""

    idempotency_key: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                extra_json_schema={"pattern": "^[!-~]+$"},
                description="Default: `<Idempotency-Key>/<index>`.",
            ),
        ]
        | None
    ) = None


class QuoteRequest(Struct, forbid_unknown_fields=True):
    """What a job is expected to use, and who would pay."""

    source: Annotated[str, _SOURCE, Meta(description="Where it would run.")]
    metrics: Annotated[list[UsageMetric], Meta(max_length=MAX_METRICS, description="As a report would have them.")]
    state: Annotated[State, Meta(description="How the job is expected to end.")] = "finished"
    kind: Literal["batch", "sync"] = "batch"
    organisation: (
        Annotated[
            int,
            Meta(description="Who shall pay; if there is none of which the user is a member, the user's own one pays."),
        ]
        | None
    ) = None
    user: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                extra_json_schema=_PRINTABLE,
                description="The `sub` of whoever would run it; default: somebody new. Only a back end may say it.",
                examples=["a1@egi.eu"],
            ),
        ]
        | None
    ) = None
    user_issuer: (
        Annotated[Identifier, Meta(description="Whose `sub` it is; default: the issuer registered for the source.")]
        | None
    ) = None
    at: Annotated[Instant, Meta(description="When it would finish, also in the future; default: now.")] | None = None


class UsageBatch(Struct, forbid_unknown_fields=True):
    reports: Annotated[list[BatchReport], Meta(min_length=1, max_length=MAX_BATCH)]


class UsageEvent(Struct):
    """A CloudEvent (1.0). `source` and `id` are the idempotency key; `time` is not looked at; others may be there."""

    specversion: Literal["1.0"]
    id: Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema=_PRINTABLE, examples=["8e03978e"])]
    source: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=170,
            extra_json_schema={"pattern": "^[!-~]+$", "format": "uri-reference"},
            examples=["/backends/terrascope"],
        ),
    ]
    type: Literal["org.openeo.usage-report.v1"]
    data: UsageReport


class BookedLine(Struct):
    metric: str
    reported: Annotated[str, Meta(description="The quantity as it came.")]
    unit: str
    quantity: Annotated[
        str, Meta(description="In the canonical unit, at most 12 decimals.", examples=["1.416388888889"])
    ]
    canonical_unit: Annotated[str, Meta(examples=["cpu-hour"])]
    rule: (
        Annotated[int, Meta(description="The rule of the tariff that priced it; null: nothing does, it is free.")]
        | None
    )
    formula: Annotated[str, Meta(description="See docs/receipts.md.", examples=["q * 1.5"])]
    amount: Credits
    process: str | None
    payee: Annotated[str, Meta(examples=["provider"])]


class BookedReport(Struct):
    """The answer to a report; a repetition of the report gets it again, byte for byte."""

    id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    source: str
    user: str
    user_issuer: Annotated[str | None, Meta(description="As the report said it; null: the source's.")]
    job_id: str
    execution_id: str | None
    organisation: Annotated[int, Meta(description="Who paid.")]
    requested_organisation: int | None
    organisation_refused: Annotated[bool, Meta(description="The user is no member of the requested organisation.")]
    tariff: int | None
    cost: Credits
    currency: Literal["credits"]
    lines: list[BookedLine]
    booked_at: datetime
    job: Annotated[str, Meta(description="Address of the job with its receipts.", examples=["/api/v1/jobs/cdse/j-1"])]


class DryRunReport(BookedReport):
    """As the answer to a report that was booked; nothing was."""

    # What a report that is not booked cannot have is null; the checker wants fields to stay as narrow as they were.
    id: Annotated[str | None, Meta(description="Null, unless it was booked before.")]  # type: ignore[assignment]
    organisation: Annotated[int | None, Meta(description="Null: somebody new's own.")]  # type: ignore[assignment]
    booked_at: Annotated[datetime | None, Meta(description="As the id.")]  # type: ignore[assignment]
    dry_run: Annotated[bool, Meta(extra_json_schema={"const": True})]


class ItemProblem(Struct):
    """As the body of a problem+json answer."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: Annotated[str, Meta(description="Path of the input at fault, within the report.")] | None = None


_REPORTED = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("BookedReport", "DryRunReport")]}


class BatchOutcome(Struct):
    """`booked` and `replayed` have a report; the others a problem. `quarantined` is kept, operators can replay it."""

    index: Annotated[int, Meta(ge=0, description="Position in the batch, from 0.")]
    outcome: Literal["booked", "replayed", "quarantined", "refused", "invalid"]
    status: Annotated[int, Meta(description="What the report would have been answered if sent by itself.")]
    report: Annotated[Any, Meta(extra_json_schema=_REPORTED)] = None
    problem: ItemProblem | None = None


class BatchCounts(Struct):
    booked: int
    replayed: int
    quarantined: int
    refused: int
    invalid: int


class BatchAnswer(Struct):
    counts: BatchCounts
    items: Annotated[list[BatchOutcome], Meta(description="One a report, in the order of the batch.")]
    dry_run: (
        Annotated[bool, Meta(extra_json_schema={"const": True}, description="Only in a dry run: nothing is booked.")]
        | UnsetType
    ) = UNSET
