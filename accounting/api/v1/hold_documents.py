"""What /precheck and /holds answer. Views fill these structs, and the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from accounting.api.v1.documents import Receipt
from accounting.api.v1.shapes import BookedReport, Credits

Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Decision = Annotated[
    Literal["continue", "warn", "stop"],
    Meta(description="`warn`: 80 % of a bound is used; `stop`: all of it, end the job now."),
]
PerPlan = Annotated[
    dict[str, str],
    Meta(description="Spendable credits by plan, for this source.", examples=[{"free": "120", "paid": "500"}]),
]


class ErrorToRaise(Struct):
    """What the back end should answer its user."""

    status: int
    code: Annotated[str, Meta(examples=["PaymentRequired"])]
    message: str
    url: Annotated[str, Meta(description="Where to top up.", extra_json_schema={"format": "uri"})]


class CheckEstimate(Struct):
    """What the job will cost, from finished jobs like it; see `POST /estimates`."""

    p10: Credits
    median: Credits
    p90: Credits
    jobs: Annotated[int, Meta(description="Finished jobs like it on this back end.")]


class CheckAnswer(Struct):
    """Advice for one job; only a hold is certain."""

    index: int
    decision: Annotated[
        Literal["allow", "restricted", "deny"],
        Meta(
            description="`restricted`: it may start, but perhaps not finish (`may_not_finish`), or only on credit that "
            "the organisation has not paid yet (`overdraft`)."
        ),
    ]
    reason: Annotated[
        str,
        Meta(
            description="Stable; empty for a plain yes. Of a no: no_credit, over_budget, over_limit, too_many_holds, "
            "not_a_member, organisation_suspended, terms_not_accepted, plan_unknown, project_unknown, "
            "project_archived."
        ),
    ]
    text: Annotated[str, Meta(description="The reason in words for the user.")]
    organisation: Annotated[int | None, Meta(description="Who would pay.")]
    may_spend: Annotated[Credits, Meta(description="The largest hold that would be granted now.")]
    spendable: PerPlan
    plan: Annotated[str | None, Meta(description="The first plan of the list that has credit.")]
    fail_open: Annotated[
        Credits, Meta(description="A job may cost that much when it is started while this service cannot be asked.")
    ]
    top_up: Annotated[str, Meta(extra_json_schema={"format": "uri"})]
    as_of: Annotated[datetime, Meta(description="How fresh the figures are.")]
    estimate: Annotated[
        CheckEstimate | None, Meta(description="Of the workload; null: none was told, or nothing like it is known.")
    ]
    openeo_error: Annotated[ErrorToRaise | None, Meta(description="To be raised when the decision is `deny`.")]


class CheckAnswers(Struct):
    checks: Annotated[list[CheckAnswer], Meta(description="In the order of the questions.")]


class Hold(Struct, kw_only=True):
    """A hold as it was opened; a repetition of the request gets it again, byte for byte."""

    id: Uuid
    href: Annotated[str, Meta(description="Address of the hold.")]
    source: str
    user: str
    organisation: Annotated[int, Meta(description="Who pays.")]
    project: str | None
    parent: Uuid | None
    job_id: str
    execution_id: str | None
    amount: Credits
    budget: Credits | None
    plans: Annotated[list[str], Meta(description="As listed by the user.")]
    plan: Annotated[str, Meta(description="The plan that pays first.")]
    currency: Literal["credits"] = "credits"
    created_at: datetime
    expires_at: Annotated[datetime, Meta(description="As it was opened; heartbeats move it.")]
    metadata: dict[str, Any]


class HoldEvent(Struct):
    """Something that happened to the hold."""

    kind: Literal["extended", "captured", "restored", "lent", "returned", "released", "expired"]
    amount: Annotated[Credits, Meta(description="Change of what is kept; negative when it became less.")]
    excess: Annotated[Credits, Meta(description="Charged beyond what was kept.")]
    transaction: int | None
    at: datetime


class BoundGrant(Struct):
    grant: int
    plan: str
    amount: Credits


class HoldDetail(Hold, kw_only=True):
    """A hold with what became of it. `expires_at` is the present one."""

    state: Literal["open", "captured", "released", "expired"]
    kept: Annotated[Credits, Meta(description="Kept now.")]
    captured: Annotated[Credits, Meta(description="Charged under the hold, less what was given back.")]
    used: Annotated[Credits, Meta(description="What the job has cost so far, as far as anybody said.")]
    heartbeat_at: datetime | None
    grants: Annotated[list[BoundGrant], Meta(description="What the kept credits are bound to.")]
    events: list[HoldEvent]
    children: list[Uuid]


class HoldPage(Struct):
    items: list[HoldDetail]
    next: Annotated[str, Meta(description="Address of the next page.", extra_json_schema={"format": "uri"})] | None


class Pulse(Struct):
    """The answer to a heartbeat: may the job go on?"""

    id: Uuid
    decision: Decision
    reason: Annotated[
        str, Meta(description="over_budget, over_limit, no_credit or organisation_suspended; empty: continue.")
    ]
    detail: str
    used: Credits
    captured: Credits
    kept: Credits
    left: Annotated[Credits, Meta(description="What may still be used until the nearest bound.")]
    budget: Credits | None
    expires_at: datetime
    report: Annotated[BookedReport | None, Meta(description="What was charged, when `capture` was asked for.")]


class HoldReceipt(Struct):
    """What was charged under a hold and its children, one receipt a report."""

    id: Uuid
    cost: Annotated[Credits, Meta(description="Of all of it, less what was given back.")]
    currency: Literal["credits"]
    parts: Annotated[dict[str, str], Meta(description="Cost by hold: this one and its children.")]
    receipts: list[Receipt]
