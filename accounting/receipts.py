"""Why a report cost what it did: enough to compute the charge again by hand (docs/receipts.md).

Everything is read from what was stored when it was booked; nothing is rated again here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Annotated, Any, get_type_hints
from uuid import UUID

from django.db.models import Prefetch, Q

from accounting import units
from accounting.answers import trim
from accounting.credits import to_text
from accounting.models import Posting, RatingRule, Source, Spend, Tariff, UsageLine, UsageReport

ROUNDING = "half-even to 0.000001 credit, once a line"
LIMIT = 1_000
"""Receipts of one job, at most; the newest are given."""

Micros = Annotated[int, "credits"]
"""Micro-credits; `as_dict` writes them as a decimal text of credits."""


@dataclass(frozen=True, slots=True)
class TariffView:
    """In force during `[starts_at, ends_at)`."""

    id: int
    name: str
    version: int
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class RuleView:
    """The price as published. `terms` holds what differs from the plain case: tiers, free, minimum, when ..."""

    id: int
    name: str
    model: str
    price: Decimal
    terms: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Payee:
    """`kind` is provider, publisher or platform."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class GrantUse:
    """What a grant paid of a line."""

    grant: int
    kind: str
    label: str
    fund: str
    amount: Micros


@dataclass(frozen=True, slots=True)
class Repayment:
    """What a later grant paid of the part of a line that nothing had covered. `transaction` brought the credits."""

    grant: int
    kind: str
    label: str
    fund: str
    amount: Micros
    transaction: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ChargeView:
    """One metric. `reported` * `numerator` / `denominator` = the exact `quantity`, here with at most 12 decimals."""

    number: int
    metric: str
    process: str | None
    collection: str | None
    reported: str
    unit: str
    numerator: int
    denominator: int
    quantity: Decimal
    canonical_unit: str
    rule: RuleView | None
    formula: str
    rounding: str
    amount: Micros
    payee: Payee
    platform_fee: Micros


@dataclass(frozen=True, slots=True)
class LineView(ChargeView):
    """A line that was booked, and who paid it."""

    posting: int | None
    grants: Sequence[GrantUse]
    uncovered: Micros
    repaid: Sequence[Repayment]
    outstanding: Micros


@dataclass(frozen=True, slots=True)
class PostingView:
    """`amount` moved from one account to the other, for instance from `wallet:7` to `provider_payable:2`."""

    number: int
    purpose: str
    source: str
    destination: str
    amount: Micros


@dataclass(frozen=True, slots=True)
class Reversal:
    """The whole charge given back, to the same grants."""

    transaction: int
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """One booked report. `rated_at` chose the tariff, `facts` is what its rules could look at."""

    id: UUID
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
    kind: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    rated_at: datetime
    booked_at: datetime
    facts: Mapping[str, str]
    tariff: TariffView | None
    lines: Sequence[LineView]
    cost: Micros
    postings: Sequence[PostingView]
    reversal: Reversal | None

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: credits, prices and quantities as decimal texts."""
        document: dict[str, Any] = plain(self)
        return document


def of_job(job: int) -> Sequence[Receipt]:
    """The receipts of a job (primary key), oldest first; the newest `LIMIT` of them."""
    return of_jobs([job])[job]


def of_jobs(jobs: Collection[int], limit: int = LIMIT) -> Mapping[int, Sequence[Receipt]]:
    """The receipts of each job, in a number of queries that does not depend on how many there are."""
    return _of("job_id", jobs, limit)


def of_holds(holds: Collection[int]) -> Mapping[int, Sequence[Receipt]]:
    """The receipts of what was charged under each hold (primary key), oldest first."""
    return _of("hold_id", holds)


def _of(name: str, keys: Collection[int], limit: int = LIMIT) -> Mapping[int, Sequence[Receipt]]:
    reports = list(_reports(Q(**{f"{name}__in": list(keys)}), limit))
    reports.reverse()
    spends = _spends([report.pk for report in reports])
    found: dict[int, list[Receipt]] = {key: [] for key in keys}
    for report in reports:
        found[getattr(report, name)].append(_receipt(report, spends[report.pk]))
    return found


def _reports(which: Q, limit: int) -> Iterable[UsageReport]:
    postings = Posting.objects.select_related("source_account", "destination_account").order_by("number")
    return (
        UsageReport.objects.filter(which)
        .select_related("transaction__reversed_by", "source__backend__provider", "client", "tariff", "job")
        .prefetch_related(
            Prefetch("lines", UsageLine.objects.select_related("rule").order_by("number")),
            Prefetch("transaction__postings", postings),
        )
        .order_by("-pk")[:limit]
    )


def _spends(transactions: Collection[int]) -> Mapping[int, Sequence[Spend]]:
    found: dict[int, list[Spend]] = defaultdict(list)
    for spend in Spend.objects.filter(transaction_id__in=transactions).select_related("grant", "cause").order_by("pk"):
        found[spend.transaction_id].append(spend)
    return found


def _receipt(report: UsageReport, spends: Sequence[Spend]) -> Receipt:
    booked = report.transaction
    reversal = getattr(booked, "reversed_by", None)
    by_line: dict[int | None, list[Spend]] = defaultdict(list)
    for spend in spends:
        by_line[spend.line].append(spend)
    return Receipt(
        id=report.uuid,
        transaction=report.pk,
        source=report.source.source_id,
        job_id=report.job.job_id,
        execution_id=report.execution_id or None,
        reported_by=report.client.name,
        endpoint=report.endpoint,
        service=report.service or None,
        organisation=report.organisation_id,
        requested_organisation=report.requested_organisation,
        organisation_refused=report.organisation_refused,
        kind=report.kind,
        state=report.state,
        started_at=report.started_at,
        finished_at=report.finished_at,
        rated_at=report.finished_at or booked.occurred_at,
        booked_at=booked.recorded_at,
        facts={name: value for name, value in report.facts.items() if name != "metrics"},
        tariff=tariff_of(report.tariff),
        lines=tuple(
            _line(line, report, by_line[line.number], reversal.pk if reversal else None) for line in report.lines.all()
        ),
        cost=report.amount,
        postings=tuple(_posting(posting) for posting in booked.postings.all()),
        reversal=Reversal(reversal.pk, reversal.reason, reversal.recorded_at) if reversal else None,
    )


def tariff_of(tariff: Tariff | None) -> TariffView | None:
    return TariffView(tariff.pk, tariff.name, tariff.version, tariff.starts_at, tariff.ends_at) if tariff else None


def _line(line: UsageLine, report: UsageReport, spends: Sequence[Spend], given_back: int | None) -> LineView:
    """:param given_back: the reversal of the report; its spends take back those of the booking."""
    unit = units.UNITS[line.unit]
    payee = payee_of(line.rule.beneficiary if line.rule else "provider", report.source)
    booked = [spend for spend in spends if spend.cause_id == report.pk]
    later = [spend for spend in spends if spend.cause_id not in (report.pk, given_back)]
    return LineView(
        number=line.number,
        metric=line.metric,
        process=line.process or None,
        collection=line.collection or None,
        reported=line.reported,
        unit=line.unit,
        numerator=unit.numerator,
        denominator=unit.denominator,
        quantity=line.canonical_quantity,
        canonical_unit=line.canonical_unit,
        rule=rule_of(line.rule),
        formula=line.formula,
        rounding=ROUNDING,
        amount=line.amount,
        payee=payee,
        platform_fee=_fee(line) if payee.kind != "platform" else 0,
        posting=line.posting,
        grants=tuple(GrantUse(*_grant(spend), spend.amount) for spend in booked if spend.grant),
        uncovered=sum(spend.amount for spend in booked if spend.grant is None),
        repaid=tuple(
            Repayment(*_grant(spend), spend.amount, spend.cause_id, spend.cause.recorded_at)
            for spend in later
            if spend.grant
        ),
        outstanding=sum(spend.amount for spend in spends if spend.grant is None),
    )


def _grant(spend: Spend) -> tuple[int, str, str, str]:
    grant = spend.grant
    assert grant is not None
    return grant.pk, grant.kind, grant.label, grant.fund


def rule_of(rule: RatingRule | None) -> RuleView | None:
    return RuleView(rule.pk, rule.name, rule.model, rule.price, rule.terms) if rule else None


def payee_of(beneficiary: str, source: Source) -> Payee:
    kind, _, name = beneficiary.partition(":")
    if kind == "provider":
        return Payee(kind, source.backend.provider.name)
    return Payee(kind, name or "openEO credits")


def _fee(line: UsageLine) -> int:
    """The platform's part of the amount, taken from the payee; rounded like the line (accounting.booking)."""
    fee = Decimal(line.rule.terms.get("fee", 0)) if line.rule else Decimal(0)
    return int((fee * line.amount).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def _posting(posting: Posting) -> PostingView:
    return PostingView(
        number=posting.number,
        purpose=posting.purpose,
        source=str(posting.source_account),
        destination=str(posting.destination_account),
        amount=posting.amount,
    )


@cache
def _fields(view: type[Any]) -> Sequence[tuple[str, bool]]:
    """The fields of a view, and which of them are micro-credits. Asking the types takes longer than all the rest."""
    hints = get_type_hints(view, include_extras=True)
    return [(field.name, hints[field.name] == Micros) for field in fields(view)]


def plain(value: Any) -> Any:
    """A view as JSON has it: credits, prices and quantities as decimal texts, times in UTC."""
    if is_dataclass(value) and not isinstance(value, type):
        named = [(name, getattr(value, name), micros) for name, micros in _fields(type(value))]
        return {name: to_text(inner) if micros else plain(inner) for name, inner, micros in named}
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return trim(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
