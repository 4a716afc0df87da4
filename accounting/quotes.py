"""What work would cost, said before it is done, by the code that bills (Q1) and as explained as a receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounting import booking, units, usage
from accounting.errors import DomainError
from accounting.models import RatingRule, Source, Tariff
from accounting.principals import ServicePrincipal
from accounting.rating import RatedLine
from accounting.receipts import (
    ROUNDING,
    ChargeView,
    Micros,
    TariffView,
    payee_of,
    plain,
    rule_of,
    tariff_of,
)
from accounting.reports import Booking, UsageReport


@dataclass(frozen=True, slots=True)
class Quote:
    """`rated_at` chose the tariff; `facts` is what its rules could look at.

    `valid_until` is when a published change of the tariff comes into force: work that finishes later costs something
    else. None: no change is published. `organisation` is None for somebody who has none yet.
    """

    source: str
    user: str | None
    organisation: int | None
    requested_organisation: int | None
    organisation_refused: bool
    kind: str
    state: str
    rated_at: datetime
    quoted_at: datetime
    facts: Mapping[str, str]
    tariff: TariffView | None
    lines: Sequence[ChargeView]
    cost: Micros
    valid_until: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: credits, prices and quantities as decimal texts."""
        document: dict[str, Any] = plain(self)
        return document


def quote(client: ServicePrincipal | None, report: UsageReport) -> Quote:
    """The price of `report` for its user, at `finished_at`, which may lie in the future.

    :param client: the back end that asks, about its sources only; None: a person, about any.
    :raises DomainError: the same that a report would be refused or kept in quarantine for.
    """
    (found,) = quote_each(client, [report])
    if isinstance(found, DomainError):
        raise found
    return found


def quote_each(client: ServicePrincipal | None, reports: Sequence[UsageReport]) -> list[Quote | DomainError]:
    """`quote` for several, in order, with the error of each that has no price. Four reads, however many they are."""
    outcomes = usage.quote(client, reports, ahead=True)
    booked = [outcome.booking for outcome in outcomes if outcome.booking]
    known = _Known(
        {row.source_id: row for row in _sources().filter(source_id__in={one.report.source for one in booked})},
        Tariff.objects.in_bulk({one.tariff for one in booked if one.tariff}),
        RatingRule.objects.in_bulk({line.rule for one in booked for line in one.lines if line.rule}),
    )
    found: list[Quote | DomainError] = []
    for outcome in outcomes:
        if outcome.booking:
            found.append(_explain(outcome.booking, outcome.facts, known))
        else:
            assert outcome.error is not None
            found.append(outcome.error)
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What quotes refer to, by source id and primary key."""

    sources: Mapping[str, Source]
    tariffs: Mapping[int, Tariff]
    rules: Mapping[int, RatingRule]


def _sources() -> QuerySet[Source]:
    return Source.objects.select_related("backend__provider")


def _explain(booked: Booking, facts: Mapping[str, str], known: _Known) -> Quote:
    report = booked.report
    source = known.sources[report.source]
    tariff = known.tariffs[booked.tariff] if booked.tariff else None
    return Quote(
        source=report.source,
        user=report.user or None,
        organisation=booked.organisation,
        requested_organisation=report.organisation,
        organisation_refused=booked.organisation_refused,
        kind=report.kind,
        state=report.state,
        rated_at=report.finished_at or booked.booked_at,
        quoted_at=booked.booked_at,
        facts=facts,
        tariff=tariff_of(tariff),
        lines=tuple(
            _line(number, line, known.rules.get(line.rule or 0), source)
            for number, line in enumerate(booked.lines, start=1)
        ),
        cost=booked.amount,
        valid_until=tariff.ends_at if tariff else None,
    )


def _line(number: int, line: RatedLine, rule: RatingRule | None, source: Source) -> ChargeView:
    unit = units.UNITS[line.unit]
    payee = payee_of(line.beneficiary, source)
    return ChargeView(
        number=number,
        metric=line.metric,
        process=line.process or None,
        collection=line.collection or None,
        reported=line.reported,
        unit=line.unit,
        numerator=unit.numerator,
        denominator=unit.denominator,
        quantity=line.canonical_quantity,
        canonical_unit=line.canonical_unit,
        rule=rule_of(rule),
        formula=line.formula,
        rounding=ROUNDING,
        amount=line.amount,
        payee=payee,
        platform_fee=booking.fee_of(line) if payee.kind != "platform" else 0,
    )
