"""What /precheck and /holds take. The structs parse the input, and the OpenAPI document is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from accounting.api.v1.shapes import MAX_METRICS, Identifier, Instant, UsageMetric

MAX_CHECKS = 100
MAX_PLANS = 20
MAX_METADATA_BYTES = 16 * 1024
SHORTEST_SECONDS, LONGEST_SECONDS = 60, 60 * 24 * 3600

_PRINTABLE = {"pattern": "^[!-~]+( [!-~]+)*$"}
_UUID = {"format": "uuid", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}
AMOUNT = r"^(?=.*[1-9])[0-9]{1,9}(\.[0-9]{1,6})?$"
SLUG = "^[-a-zA-Z0-9_]+$"
_AMOUNT = {"pattern": AMOUNT}
_PLANS = {
    "type": "array",
    "maxItems": MAX_PLANS,
    "items": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}

Amount = Annotated[
    str, Meta(extra_json_schema=_AMOUNT, description="Credits as a plain decimal text, more than 0.", examples=["25"])
]
Plans = Annotated[
    Any,
    Meta(
        extra_json_schema=_PLANS,
        description="Kinds of credits that may pay, the first one first, as in the job option `credit-plans`: `free`, "
        "`trial`, `sponsored`, `sponsored-<name>`, `voucher`, `paid`, or the name of a grant. Default: any.",
        examples=[["sponsored-nor-project-x", "free"]],
    ),
]
Seconds = Annotated[
    int,
    Meta(
        ge=SHORTEST_SECONDS,
        le=LONGEST_SECONDS,
        description="Seconds that the hold lives without a heartbeat; default: a day.",
        examples=[86400],
    ),
]


class _Payer(Struct, forbid_unknown_fields=True, kw_only=True):
    source: Annotated[
        str, Meta(min_length=1, max_length=200, extra_json_schema=_PRINTABLE, examples=["TerraScope/MEP"])
    ]
    user: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            extra_json_schema=_PRINTABLE,
            description="The `sub` of whoever runs the job.",
            examples=["1c0ffee0alice@egi.eu"],
        ),
    ]
    user_issuer: Annotated[Identifier, Meta(description="As in usage reports.")] | None = None
    organisation: (
        Annotated[int, Meta(description="Who shall pay; the user must be a member. Default: the user's current one.")]
        | None
    ) = None
    project: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=50,
                extra_json_schema={"pattern": SLUG},
                description="Slug of a project of the organisation.",
            ),
        ]
        | None
    ) = None
    plans: Plans | None = None
    budget: Annotated[Amount, Meta(description="openEO's `budget`: the most that the job may cost.")] | None = None
    workload: Annotated[
        Any,
        Meta(
            description="What the job is to do, as the body of `POST /estimates`. Part of it is the user's, so nothing "
            "in it is refused; what cannot be read is left out."
        ),
    ] = None


class Check(_Payer, forbid_unknown_fields=True, kw_only=True):
    """A job that may start."""

    plans: Annotated[
        Any,
        Meta(
            description="A list of kinds of credits as in `POST /holds`. It is the user's own: one that is none is a "
            "`deny` with the reason `plan_unknown`.",
            examples=[["sponsored-nor-project-x", "free"]],
        ),
    ] = None
    amount: (
        Annotated[
            Amount,
            Meta(description="What it is expected to cost, if that is known; else it is estimated from the workload."),
        ]
        | None
    ) = None


class Prechecks(Struct, forbid_unknown_fields=True):
    checks: Annotated[list[Check], Meta(min_length=1, max_length=MAX_CHECKS)]


class HoldRequest(_Payer, forbid_unknown_fields=True, kw_only=True):
    """Credits to be kept for a job."""

    job_id: Annotated[Identifier, Meta(examples=["j-2405040a"])]
    execution_id: Annotated[Identifier, Meta(description="Of this run, if it is known already.")] | None = None
    amount: Amount
    parent: (
        Annotated[str, Meta(extra_json_schema=_UUID, description="A hold of the same user of which this takes a part.")]
        | None
    ) = None
    expires_in: Seconds | None = None
    failed_open: Annotated[bool, Meta(description="The job was started while this service could not be asked.")] = False
    metadata: Annotated[
        dict[str, Any] | None,
        Meta(
            description=f"Kept as it is and given back; at most {MAX_METADATA_BYTES} bytes. People see its `title` "
            "as the name of the job until a report names it."
        ),
    ] = None


_SO_FAR = "What the job has used since it began, as its report will say it; not what came since the last call."


class Heartbeat(Struct, forbid_unknown_fields=True):
    """The job lives."""

    metrics: Annotated[list[UsageMetric], Meta(max_length=MAX_METRICS, description=_SO_FAR)] = []
    expires_in: Seconds | None = None
    capture: Annotated[bool, Meta(description="Charge it now; needs an `Idempotency-Key`.")] = False


class Capture(Struct, forbid_unknown_fields=True):
    """Usage to be charged under the hold, in place of what an earlier capture charged."""

    metrics: Annotated[list[UsageMetric], Meta(max_length=MAX_METRICS, description=_SO_FAR)]
    final: Annotated[bool, Meta(description="The job is over: the hold ends and gives the rest back.")]
    state: Annotated[
        Literal["running", "canceled", "finished", "error"] | None,
        Meta(description="The openEO status; default: running, or finished when it is final."),
    ] = None
    kind: Literal["batch", "sync"] = "batch"
    execution_id: Identifier | None = None
    finished_at: Annotated[Instant, Meta(description="Decides which tariff applies; default: now.")] | None = None


class Extension(Struct, forbid_unknown_fields=True):
    amount: Annotated[Amount, Meta(description="Credits to be kept besides.")]


class Release(Struct, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=200, extra_json_schema={"pattern": r"^[^\x00]*$"})] = ""
