"""What a job's page shows: its facts, each run, and for each line of each report why it cost what it cost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from accounting import receipts
from accounting.answers import trim
from accounting.credits import to_text
from portal.contexts import job_holds, people
from portal.contexts.job_holds import JobHold
from portal.contexts.jobs import NO_ORGANISATION, job_path, organisation_named, receipt_path, title_of
from portal.models import User

if TYPE_CHECKING:
    from accounting.models import Execution, Job

METRICS = {
    "cpu": "CPU time",
    "gpu": "GPU time",
    "memory": "Memory",
    "time": "Duration",
    "processing": "Processing",
    "area": "Area",
    "storage": "Storage",
    "surcharge": "Surcharge",
}
UNITS = {
    "cpu-hour": ("CPU-hour", "CPU-hours"),
    "gpu-hour": ("GPU-hour", "GPU-hours"),
    "gb-hour": ("GB-hour", "GB-hours"),
    "gb-day": ("GB-day", "GB-days"),
    "hour": ("hour", "hours"),
    "shpu": ("processing unit", "processing units"),
    "credit": ("credit", "credits"),
    "km2": ("km²", "km²"),
    "gb": ("GB", "GB"),
    "mega-pixel": ("megapixel", "megapixels"),
    "count": ("item", "items"),
}


@dataclass(frozen=True, slots=True)
class Paid:
    """A part of the cost and the grant that paid it; `kind` is empty for what nothing covers yet."""

    label: str
    kind: str
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """`conversion` and `calculation` are the arithmetic in numbers; `price` the rule in words; `said` as reported."""

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
    calculation: str
    amount: int
    payee: str
    fee: int
    paid: tuple[Paid, ...]


@dataclass(frozen=True, slots=True)
class Charge:
    """One booked report. `given_back` is the reason of its reversal, when there was one; `replaced` says what took its
    place. `anchor` names it in addresses.
    """

    anchor: str
    title: str
    reported_by: str
    tariff: str
    booked_at: datetime
    lines: tuple[Line, ...]
    cost: int
    given_back: str
    replaced: str


@dataclass(frozen=True, slots=True)
class Run:
    """`replaced` are charges of a running job in whose place others of the run stand."""

    execution_id: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    cost: int
    charges: tuple[Charge, ...]
    replaced: tuple[Charge, ...]


@dataclass(frozen=True, slots=True)
class Payer:
    """Somebody else who paid for the same job id, as far as the person may know."""

    name: str
    href: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """`refused` says which organisation was named in vain, `refused_why` the reason; `outstanding` is what no grant
    covers yet.
    """

    title: str
    job_id: str
    source: str
    backend: str
    state: str
    kind: str
    organisation: str
    who: str
    holds: tuple[JobHold, ...]
    started_at: datetime | None
    finished_at: datetime | None
    duration: str
    cost: int
    compute: int
    added_value: int
    runs: tuple[Run, ...]
    paid: tuple[Paid, ...]
    outstanding: int
    refused: str
    refused_why: str
    receipt_href: str
    other_payers: tuple[Payer, ...]


def page_of(job: Job, others: Sequence[Job], viewer: User) -> JobPage:
    """:param others: the same job as other organisations of the viewer paid for it."""
    booked = receipts.of_job(job.pk)
    standing = [receipt for receipt in booked if not receipt.reversal]
    named = next((one.requested_organisation for one in booked if one.organisation_refused), None)
    return JobPage(
        title=title_of(job),
        job_id=job.job_id,
        source=job.source.source_id,
        backend=job.source.backend.name,
        state=job.state,
        kind="Synchronous" if job.kind == "sync" else "Batch job",
        organisation=job.organisation.name,
        who=people.names([job.person_id], viewer)[job.person_id],
        holds=job_holds.holds_of(job),
        started_at=job.started_at,
        finished_at=job.finished_at,
        duration=_duration(job.started_at, job.finished_at),
        cost=job.cost_compute + job.cost_added_value,
        compute=job.cost_compute,
        added_value=job.cost_added_value,
        runs=_runs(job.executions.all(), booked),
        paid=_paid(line for receipt in standing for line in receipt.lines),
        outstanding=sum(line.outstanding for receipt in standing for line in receipt.lines),
        refused=_refused(named) if named is not None else "",
        refused_why=_refused_why(named),
        receipt_href=f"{receipt_path(job.source.source_id, job.job_id)}?{urlencode({'payer': job.organisation_id})}",
        other_payers=tuple(Payer(other.organisation.name, _payer_path(other)) for other in others),
    )


def choose(rows: Sequence[Job], payer: int | None) -> tuple[Job, list[Job]]:
    """The row of the payer asked for, else the newest; and the others. :raises LookupError: there is none."""
    chosen = next((row for row in rows if row.organisation_id == payer), None) or next(iter(rows), None)
    if chosen is None:
        raise LookupError
    return chosen, [row for row in rows if row is not chosen]


def _payer_path(job: Job) -> str:
    return f"{job_path(job.source.source_id, job.job_id)}?{urlencode({'payer': job.organisation_id})}"


def _refused(named: object) -> str:
    words = organisation_named(named)
    return f"{words[0].upper()}{words[1:]} was named to pay, but did not"


def _refused_why(named: object) -> str:
    if organisation_named(named) == NO_ORGANISATION:
        return "So the organisation that the person who ran the job had chosen paid instead."
    return "The person who ran the job is not a member of it, so the organisation they had chosen paid instead."


def _runs(executions: Iterable[Execution], booked: Sequence[receipts.Receipt]) -> tuple[Run, ...]:
    """The executions in the order in which they were first reported, each with its charges. A charge that was replaced
    belongs to the run of the one that took its place, whose name it may not have known.
    """
    known = {execution.execution_id: execution for execution in executions}
    instead = job_holds.replacements(booked)
    runs = {one.transaction: instead.get(one.transaction, one).execution_id or "" for one in booked}
    order = dict.fromkeys(runs[receipt.transaction] for receipt in booked)
    return tuple(
        Run(
            execution_id=name,
            state=known[name].state if name in known else "",
            started_at=known[name].started_at if name in known else None,
            finished_at=known[name].finished_at if name in known else None,
            cost=sum(one.cost for one in booked if runs[one.transaction] == name and not one.reversal),
            charges=tuple(
                _charge(one) for one in booked if runs[one.transaction] == name and one.transaction not in instead
            ),
            replaced=tuple(
                _charge(one, instead[one.transaction])
                for one in booked
                if runs[one.transaction] == name and one.transaction in instead
            ),
        )
        for name in order
    )


def _charge(receipt: receipts.Receipt, instead: receipts.Receipt | None = None) -> Charge:
    tariff = receipt.tariff
    return Charge(
        anchor=f"charge-{receipt.transaction}",
        title=_title(receipt),
        reported_by=receipt.reported_by,
        tariff=f"{tariff.name}, version {tariff.version}" if tariff else "",
        booked_at=receipt.booked_at,
        lines=tuple(_line(line) for line in receipt.lines),
        cost=receipt.cost,
        given_back=receipt.reversal.reason.replace("_", " ") if receipt.reversal and instead is None else "",
        replaced=_replaced(instead) if instead else "",
    )


def _replaced(instead: receipts.Receipt) -> str:
    return "a later charge" if job_holds.is_capture(instead) else "the job’s report"


def _title(receipt: receipts.Receipt) -> str:
    if job_holds.is_capture(receipt):
        return "Used so far, charged under the hold"
    if receipt.service:
        return f"Added value of {receipt.service}"
    fees = bool(receipt.lines) and all(line.canonical_unit == "credit" for line in receipt.lines)
    return "Fees" if fees else "Compute and data"


def _line(line: receipts.LineView) -> Line:
    return Line(
        title=METRICS.get(line.metric, line.metric.replace("_", " ").capitalize()),
        about=" · ".join(filter(None, [line.process, line.collection])),
        reported=_number(line.reported),
        said=line.reported,
        unit=line.unit,
        quantity=line.quantity,
        canonical_unit=unit_name(line.canonical_unit, line.quantity),
        conversion=_conversion(line),
        price=_price(line),
        rule=line.rule.name if line.rule else "",
        calculation=_calculation(line),
        amount=line.amount,
        payee=line.payee.name,
        fee=line.platform_fee,
        paid=_paid([line]),
    )


def unit_name(unit: str, quantity: Decimal = Decimal(0)) -> str:
    """A canonical unit as people write it, singular for exactly one."""
    one, many = UNITS.get(unit, (unit, unit))
    return one if quantity == 1 else many


def _number(text: str) -> Decimal | None:
    """A reported quantity as a number, when it looks like a plain one."""
    return Decimal(text) if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,20})?", text) else None


def _conversion(line: receipts.LineView) -> str:
    up = f" × {line.numerator:,}" if line.numerator != 1 else ""
    down = f" ÷ {line.denominator:,}" if line.denominator != 1 else ""
    reported = _number(line.reported)
    said = f"{reported:,f}" if reported is not None else line.reported
    return f"{said}{up}{down} = {_grouped(trim(line.quantity))}" if up or down else ""


def _grouped(text: str) -> str:
    """Commas between the thousands of every number in it; decimals stay as they are."""
    return re.sub(r"(?<![\w.,])[0-9]{4,}(?!\w)", lambda number: f"{int(number[0]):,}", text)


def _price(line: receipts.LineView) -> str:
    rule = line.rule
    if rule is None:
        return "Free: no rule prices this"
    price, unit = trim(rule.price), unit_name(line.canonical_unit, Decimal(1))
    shown = {
        "per_unit": f"{price} per {unit}",
        "flat": f"{price} per job",
        "package": f"{price} for each {rule.terms.get('package', 1)} {unit} begun",
        "percentage": f"{price} % of the other lines",
        "graduated": "Step by step",
        "volume": "By volume",
    }.get(rule.model, rule.model)
    return _grouped(shown)


def _calculation(line: receipts.LineView) -> str:
    """The stored formula with the numbers put in; see docs/receipts.md for its grammar."""
    if line.rule is None:
        return ""
    variable = "quantity" if " with q = " in line.formula else "q"
    filled = re.sub(rf"\b{variable}\b", trim(line.quantity), line.formula)
    written = filled.replace(" * ", " × ").replace(" / ", " ÷ ").replace(" - ", " − ")
    return _grouped(f"{written} = {to_text(line.amount)}")


def _paid(lines: Iterable[receipts.LineView]) -> tuple[Paid, ...]:
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


def _duration(started: datetime | None, finished: datetime | None) -> str:
    if started is None or finished is None:
        return ""
    lengths: Mapping[str, timedelta] = {"d": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1)}
    rest, parts = finished - started, []
    for unit, length in lengths.items():
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count} {unit}")
    if len(parts) < 2 and rest:
        parts.append(f"{rest.total_seconds():.0f} s")
    return " ".join(parts[:2]) or "0 s"
