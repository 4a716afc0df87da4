"""What readers are answered. Views fill these structs, and the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from accounting.api.v1.shapes import Credits

State = Annotated[
    Literal["queued", "running", "canceled", "finished", "error"],
    Meta(description="The openEO status of the job; null when it was reported as something else."),
]


class Scope(Struct):
    """Where the credits can be spent; empty = anywhere."""

    backends: list[str]
    processes: list[str]


class Grant(Struct):
    id: int
    kind: Literal["free", "trial", "sponsored", "voucher", "paid"]
    label: str
    fund: Annotated[str, Meta(description="Who pays for it.")]
    amount: Credits
    remaining: Annotated[str, Meta(description="What is left, with what is held; of an expired grant what is held.")]
    held: Annotated[str, Meta(description="The part of `remaining` that is kept for running jobs.")]
    priority: Annotated[int, Meta(description="Low ones burn first.")]
    issued_at: datetime
    expires_at: datetime | None
    scope: Scope


class Euro(Struct):
    """What the credits are worth, in euro."""

    credit: Annotated[str, Meta(examples=["0.01"])]
    posted: Annotated[str, Meta(examples=["0.5"])]
    spendable: Annotated[str, Meta(examples=["0.5"])]


class Balance(Struct):
    organisation: int
    posted: Annotated[str, Meta(description="The wallet's balance; below 0 when work cost more than there was.")]
    held: Annotated[str, Meta(description="Reserved for running jobs.")]
    spendable: Annotated[str, Meta(description="Usable grants, less what is held and owed.")]
    debt: Annotated[str, Meta(description="Charges that no grant has paid yet; the next credits repay them.")]
    currency: Literal["credits"]
    euro: Euro
    as_of: datetime
    grants: Annotated[list[Grant], Meta(description="In the order in which they burn.")]


class Entry(Struct):
    """One change of a wallet."""

    organisation: int
    seq: Annotated[int, Meta(description="Numbers the entries of a wallet without gaps.")]
    amount: Annotated[str, Meta(description="Negative when credits left.", examples=["-5.759775"])]
    balance_after: Credits
    recorded_at: datetime
    occurred_at: Annotated[datetime, Meta(description="When the work finished, for usage.")]
    transaction: int
    kind: Literal["usage", "grant", "expiry", "reversal"]
    purpose: str
    source: str | None
    job_id: str | None
    job: Annotated[str, Meta(description="Address of the job.")] | None


class Costs(Struct):
    compute: Credits
    added_value: Credits


class Job(Struct):
    """A job as one payer sees it."""

    source: str
    backend: str
    job_id: str
    user: Annotated[str, Meta(description="The `sub` of whoever ran it.")]
    organisation: Annotated[int, Meta(description="Who pays.")]
    title: str | None
    kind: Literal["batch", "sync"]
    state: State | None
    started_at: datetime | None
    finished_at: datetime | None
    reported_at: Annotated[datetime, Meta(description="Of the newest report.")]
    cost: Credits
    costs: Costs
    currency: Literal["credits"]
    href: Annotated[str, Meta(description="Address of this job with its receipts.")]


class Execution(Struct):
    """One run of the job."""

    execution_id: str | None
    state: State | None
    started_at: datetime | None
    finished_at: datetime | None
    cost: Credits


class Tariff(Struct):
    """In force during `[starts_at, ends_at)`."""

    id: int
    name: str
    version: int
    starts_at: datetime
    ends_at: datetime | None


class Rule(Struct):
    """A price as published."""

    id: int
    name: str
    model: Literal["per_unit", "flat", "package", "graduated", "volume", "percentage"]
    price: Annotated[str, Meta(examples=["1.5"])]
    terms: Annotated[
        dict[str, Any],
        Meta(description="What differs from the plain case: tiers, free, minimum, when ..."),
    ]


class Payee(Struct):
    kind: Literal["provider", "publisher", "platform"]
    name: str


class GrantUse(Struct):
    grant: int
    kind: str
    label: str
    fund: str
    amount: Credits


class Repayment(Struct):
    """Paid later of what nothing had covered."""

    grant: int
    kind: str
    label: str
    fund: str
    amount: Credits
    transaction: int
    at: datetime


class ReceiptLine(Struct):
    """`reported` * `numerator` / `denominator` is q, exactly; `formula` of q, rounded once, is `amount`."""

    number: int
    metric: str
    process: str | None
    collection: str | None
    reported: str
    unit: str
    numerator: int
    denominator: int
    quantity: Annotated[str, Meta(description="q with at most 12 decimals, for reading.")]
    canonical_unit: str
    rule: Rule | None
    formula: str
    rounding: str
    amount: Credits
    payee: Payee
    platform_fee: Annotated[str, Meta(description="Taken from the payee, never on top.")]
    posting: int | None
    grants: list[GrantUse]
    uncovered: Annotated[str, Meta(description="Of the amount, what no grant covered when it was booked.")]
    repaid: list[Repayment]
    outstanding: Annotated[str, Meta(description="Of the uncovered part, what is still owed.")]


class Posting(Struct):
    number: int
    purpose: str
    source: Annotated[str, Meta(description="The account that the credits left.", examples=["wallet:7"])]
    destination: Annotated[str, Meta(examples=["provider_payable:2"])]
    amount: Credits


class Reversal(Struct):
    transaction: int
    reason: str
    at: datetime


class Receipt(Struct):
    """Why a report cost what it did; docs/receipts.md says how to compute it again."""

    id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    transaction: int
    source: str
    job_id: str
    execution_id: str | None
    reported_by: str
    endpoint: str
    service: str | None
    organisation: int
    requested_organisation: int | None
    organisation_refused: bool
    kind: Literal["batch", "sync"]
    state: State | None
    started_at: datetime | None
    finished_at: datetime | None
    rated_at: Annotated[datetime, Meta(description="The tariff of this instant applied.")]
    booked_at: datetime
    facts: Annotated[
        dict[str, str],
        Meta(
            description="What the rules could look at; there, `state` is ACCEPTED, RUNNING, KILLED, FINISHED or FAILED."
        ),
    ]
    tariff: Tariff | None
    lines: list[ReceiptLine]
    cost: Credits
    postings: list[Posting]
    reversal: Reversal | None


class JobDetail(Job):
    """A job with everything that was charged for it."""

    executions: list[Execution] = []
    receipts: Annotated[list[Receipt], Meta(description="One a report, oldest first; the newest 1,000.")] = []
    other_payers: Annotated[
        list[JobDetail], Meta(description="The same job where another organisation or person paid for some reports.")
    ] = []


class EntryPage(Struct):
    items: list[Entry]
    next: Annotated[str, Meta(description="Address of the next page.", extra_json_schema={"format": "uri"})] | None


class JobPage(Struct):
    items: list[Job]
    next: Annotated[str, Meta(description="Address of the next page.", extra_json_schema={"format": "uri"})] | None
