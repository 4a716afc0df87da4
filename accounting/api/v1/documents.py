"""What readers are answered. Views fill these structs, and the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from accounting.api.v1.shapes import Credits

State = Annotated[
    Literal["queued", "running", "canceled", "finished", "error"],
    Meta(description="The openEO status of the job; null when it was reported as something else."),
]


Facts = Annotated[
    dict[str, str],
    Meta(description="What the rules could look at; there, `state` is ACCEPTED, RUNNING, KILLED, FINISHED or FAILED."),
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


class PublishedRule(Rule):
    """A price as published, and what it is the price of; the narrowest rule that fits a metric prices it."""

    metric: Annotated[str, Meta(examples=["cpu"])]
    unit: Annotated[str, Meta(description="That the price is for.", examples=["cpu-hour"])]
    beneficiary: Annotated[str, Meta(description="`provider`, `platform` or `publisher:<name>`.")]


class PublishedTariff(Tariff):
    """A version of a source's rate card: in force now, before, or from an announced instant on."""

    source: str
    backend: str
    provider: str
    note: str
    published_at: datetime
    rules: list[PublishedRule]
    href: Annotated[str, Meta(description="Its page, with what it changed.", extra_json_schema={"format": "uri"})]


class PublishedTariffPage(Struct):
    items: list[PublishedTariff]
    next: Annotated[str, Meta(description="Address of the next page.", extra_json_schema={"format": "uri"})] | None


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


class ChargeLine(Struct):
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


class ReceiptLine(ChargeLine):
    """A line that was booked, and who paid it."""

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
    facts: Facts
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


class Quote(Struct):
    """What work would cost; computed by the code that bills, explained like a receipt. Nothing is reserved by it."""

    quote: Annotated[bool, Meta(extra_json_schema={"const": True})]
    source: str
    user: Annotated[str | None, Meta(description="Null: somebody new.")]
    organisation: Annotated[
        int | None, Meta(description="Who would pay; null: somebody new, who gets one of their own.")
    ]
    requested_organisation: int | None
    organisation_refused: Annotated[bool, Meta(description="The user is no member of the requested organisation.")]
    kind: Literal["batch", "sync"]
    state: State
    rated_at: Annotated[datetime, Meta(description="The tariff of this instant applied.")]
    quoted_at: datetime
    facts: Facts
    tariff: Tariff | None
    lines: list[ChargeLine]
    cost: Credits
    currency: Literal["credits"]
    valid_until: Annotated[
        datetime | None,
        Meta(description="Work that finishes from then on has another price, published already; null: none is."),
    ]


class OpenEOPlan(Struct):
    """A billing plan as openEO describes one: a kind of credits."""

    name: Annotated[str, Meta(examples=["free"])]
    description: Annotated[str, Meta(description="CommonMark.")]
    paid: Annotated[bool, Meta(description="Whether its credits were bought.")]
    url: Annotated[str, Meta(extra_json_schema={"format": "uri"})]


class OpenEOBilling(Struct):
    """The member `billing` of openEO's `GET /`."""

    currency: Literal["credits"]
    default_plan: str
    plans: list[OpenEOPlan]


class OpenEOLink(Struct):
    rel: Annotated[str, Meta(examples=["payment"])]
    href: Annotated[str, Meta(extra_json_schema={"format": "uri"})]
    title: str


class OpenEOUser(Struct):
    """What openEO's `GET /me` says about money, and who it is."""

    user_id: Annotated[str, Meta(description="The `sub` of the token.")]
    default_plan: Annotated[str, Meta(description="The plan whose credits burn first now.")]
    budget: Annotated[float, Meta(ge=0, description="Credits that can be spent, a number as openEO wants it.")]
    plans: Annotated[list[OpenEOPlan], Meta(description="The plans with credits, in the order in which they burn.")]
    links: list[OpenEOLink]
    name: Annotated[str, Meta(description="Known when the person has signed in to the portal.")] | UnsetType = UNSET


class EntryPage(Struct):
    items: list[Entry]
    next: Annotated[str, Meta(description="Address of the next page.", extra_json_schema={"format": "uri"})] | None


class JobPage(Struct):
    items: list[Job]
    next: Annotated[str, Meta(description="Address of the next page.", extra_json_schema={"format": "uri"})] | None


class Callback(Struct):
    """Where the calling back end is told what it did not ask for."""

    url: str
    active: Annotated[bool, Meta(description="Messages are sent; false after a 410 or by the operators.")]
    created_at: datetime
    rotated_at: Annotated[datetime, Meta(description="When its secret was last renewed.")] | None
    failures: Annotated[int, Meta(description="Attempts in a row that failed.")]


class CallbackDelivery(Struct):
    """One message to the back end."""

    id: Annotated[str, Meta(description="Its `webhook-id`.", extra_json_schema={"format": "uuid"})]
    kind: Annotated[str, Meta(description="Its `type`.", examples=["callback.test"])]
    created_at: datetime
    attempts: int
    delivered_at: datetime | None
    abandoned_at: Annotated[datetime, Meta(description="When it was given up.")] | None
    last_status: Annotated[int, Meta(description="Of the newest answer; null without one.")] | None
    next_at: Annotated[datetime, Meta(description="Not tried before; null when it is not tried any more.")] | None


class CallbackDeliveryPage(Struct):
    items: list[CallbackDelivery]
    next: Annotated[str, Meta(description="Address of the next page.", extra_json_schema={"format": "uri"})] | None
