"""Charges as people read them: each line of a report with the arithmetic of its cost, and which grants paid it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounting import receipts
from accounting.answers import trim
from accounting.credits import to_decimal, to_text
from portal.contexts import job_holds
from portal.numerals import localised

METRICS = {
    "cpu": gettext_lazy("CPU time"),
    "gpu": gettext_lazy("GPU time"),
    "memory": gettext_lazy("Memory"),
    "time": gettext_lazy("Duration"),
    "processing": gettext_lazy("Processing"),
    "area": gettext_lazy("Area"),
    "storage": gettext_lazy("Storage"),
    "surcharge": gettext_lazy("Surcharge"),
}
REASONS = {
    "failed_job": gettext_lazy("Failed job"),
    "provider_outage": gettext_lazy("Outage of the back end"),
    "duplicate_report": gettext_lazy("Reported twice"),
    "wrong_payer": gettext_lazy("Wrong payer"),
    "wrong_tariff": gettext_lazy("Wrong tariff"),
    "wrong_usage": gettext_lazy("Wrong usage"),
    "goodwill": gettext_lazy("Goodwill"),
    "superseded": gettext_lazy("Replaced by a later charge"),
}
"""Why a charge was given back (`Transaction.Reason`)."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A part of the cost and the grant that paid it; `kind` is empty for what nothing covers yet."""

    label: str
    kind: str
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """`conversion` and `calculation` are the arithmetic in numbers; `price` the rule in words, `terms` what it says
    beside the price; `said` as reported; `paid_by` the grants in words, each with its part where there are several.
    """

    title: str
    about: str
    reported: Decimal | None
    said: str
    unit: str
    quantity: Decimal
    canonical_unit: str
    conversion: str
    price: str
    rule: str
    terms: str
    calculation: str
    amount: int
    payee: str
    fee: int
    paid_by: str


@dataclass(frozen=True, slots=True)
class Charge:
    """One booked report. `given_back` is the reason of its reversal, when there was one; `replaced` says what took its
    place. `anchor` names it in addresses.
    """

    anchor: str
    title: str
    reported_by: str
    tariff: str
    tariff_note: str
    booked_at: datetime
    lines: tuple[Line, ...]
    cost: int
    given_back: str
    given_back_at: datetime | None
    replaced: str


def charge_of(receipt: receipts.Receipt, instead: receipts.Receipt | None = None) -> Charge:
    """:param instead: what took its place, when a later charge did."""
    tariff, reversal = receipt.tariff, receipt.reversal if instead is None else None
    named = _("%(name)s, version %(version)s")
    return Charge(
        anchor=f"charge-{receipt.transaction}",
        title=title_of(receipt),
        reported_by=receipt.reported_by,
        tariff=named % {"name": tariff.name, "version": tariff.version} if tariff else "",
        tariff_note=_rated(receipt) if tariff else "",
        booked_at=receipt.booked_at,
        lines=tuple(_line(line) for line in receipt.lines),
        cost=receipt.cost,
        given_back=str(REASONS.get(reversal.reason, reversal.reason)) if reversal else "",
        given_back_at=reversal.at if reversal else None,
        replaced=_replaced(instead) if instead else "",
    )


def paid_of(lines: Iterable[receipts.LineView]) -> tuple[Paid, ...]:
    """Who paid the lines, summed over each grant, in the order in which they paid."""
    sums: dict[int, int] = {}
    names: dict[int, tuple[str, str]] = {}
    uses: list[receipts.GrantUse | receipts.Repayment] = []
    for line in lines:
        uses += [*line.grants, *line.repaid]
    for use in uses:
        sums[use.grant] = sums.get(use.grant, 0) + use.amount
        names[use.grant] = (use.label, use.kind)
    return tuple(Paid(*names[grant], amount) for grant, amount in sums.items() if amount)


def unit_name(unit: str, quantity: Decimal = Decimal(0)) -> str:
    """A canonical unit as people write it, singular for exactly one."""
    count = 1 if quantity == 1 else 2
    names = {
        "cpu-hour": ngettext("CPU-hour", "CPU-hours", count),
        "gpu-hour": ngettext("GPU-hour", "GPU-hours", count),
        "gb-hour": ngettext("GB-hour", "GB-hours", count),
        "gb-day": ngettext("GB-day", "GB-days", count),
        "hour": ngettext("hour", "hours", count),
        "shpu": ngettext("processing unit", "processing units", count),
        "credit": ngettext("credit", "credits", count),
        "km2": "km²",
        "gb": "GB",
        "mega-pixel": ngettext("megapixel", "megapixels", count),
        "count": ngettext("item", "items", count),
    }
    return names.get(unit, unit)


def metric_name(metric: str) -> str:
    """What is measured, as people say it."""
    return str(METRICS.get(metric, metric.replace("_", " ").capitalize()))


def _rated(receipt: receipts.Receipt) -> str:
    """Why this version applied."""
    if receipt.finished_at:
        return _("in force when the job finished")
    return _("in force when it was booked")


def _replaced(instead: receipts.Receipt) -> str:
    return _("Replaced by a later charge") if job_holds.is_capture(instead) else _("Replaced by the job’s report")


def title_of(receipt: receipts.Receipt) -> str:
    """What was charged, in a few words."""
    if job_holds.is_capture(receipt):
        return _("Used so far, charged under the hold")
    if receipt.service:
        return _("Added value of %(process)s") % {"process": receipt.service}
    fees = bool(receipt.lines) and all(line.canonical_unit == "credit" for line in receipt.lines)
    return _("Fees") if fees else _("Compute and data")


def _line(line: receipts.LineView) -> Line:
    return Line(
        title=metric_name(line.metric),
        about=" · ".join(filter(None, [line.process, line.collection])),
        reported=_number(line.reported),
        said=line.reported,
        unit=line.unit,
        quantity=line.quantity,
        canonical_unit=unit_name(line.canonical_unit, line.quantity),
        conversion=_conversion(line),
        price=_price(line),
        rule=line.rule.name if line.rule else "",
        terms=_terms(line.rule) if line.rule else "",
        calculation=_calculation(line),
        amount=line.amount,
        payee=line.payee.name,
        fee=line.platform_fee,
        paid_by=_paid_by(paid_of([line])),
    )


def _paid_by(paid: Sequence[Paid]) -> str:
    if len(paid) < 2:
        return "".join(part.label for part in paid)
    return ", ".join(f"{part.label} ({localised(f'{to_decimal(part.amount):,.6f}')})" for part in paid)


def _number(text: str) -> Decimal | None:
    """A reported quantity as a number, when it looks like a plain one."""
    return Decimal(text) if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,20})?", text) else None


def _conversion(line: receipts.LineView) -> str:
    up = f" × {line.numerator}" if line.numerator != 1 else ""
    down = f" ÷ {line.denominator}" if line.denominator != 1 else ""
    return _grouped(f"{line.reported}{up}{down} = {trim(line.quantity)}") if up or down else ""


def _grouped(text: str) -> str:
    """Every number in it as the page's language writes it."""
    return re.sub(r"(?<![\w.,])[0-9]+(\.[0-9]+)?(?!\w)", lambda number: localised(f"{Decimal(number[0]):,f}"), text)


def _price(line: receipts.LineView) -> str:
    rule = line.rule
    if rule is None:
        return _("Free: no rule prices this")
    one = unit_name(line.canonical_unit, Decimal(1))
    said = {"price": trim(rule.price), "unit": one, "package": rule.terms.get("package", 1)}
    shown = {
        "per_unit": _("%(price)s per %(unit)s"),
        "flat": _("%(price)s per job"),
        "package": _("%(price)s for each %(package)s %(unit)s begun"),
        "percentage": _("%(price)s %% of the other lines"),
        "graduated": _("Step by step"),
        "volume": _("By volume"),
    }.get(rule.model, rule.model)
    return _grouped(shown % said)


def _terms(rule: receipts.RuleView) -> str:
    """What the rule says beside its price, in a few words; numbers as published."""
    said = {
        "free": _("the first %(number)s free"),
        "minimum": _("at least %(number)s"),
        "maximum": _("at most %(number)s"),
        "factor": _("times %(number)s"),
    }
    terms = [text % {"number": _grouped(str(rule.terms[name]))} for name, text in said.items() if name in rule.terms]
    only = _("only for %(values)s")
    terms += [only % {"values": ", ".join(values)} for values in rule.terms.get("when", {}).values()]
    return " · ".join(terms)


def _calculation(line: receipts.LineView) -> str:
    """The stored formula with the numbers put in; see docs/receipts.md for its grammar."""
    if line.rule is None:
        return ""
    variable = "quantity" if " with q = " in line.formula else "q"
    filled = re.sub(rf"\b{variable}\b", trim(line.quantity), line.formula)
    written = filled.replace(" * ", " × ").replace(" / ", " ÷ ").replace(" - ", " − ")
    return _grouped(f"{written} = {to_text(line.amount)}")
