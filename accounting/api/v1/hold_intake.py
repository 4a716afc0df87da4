"""From what a back end asks to the questions of the domain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from accounting import estimates, workloads
from accounting.api import user_input
from accounting.api.v1 import hold_shapes, intake
from accounting.api.v1.shapes import UsageMetric
from accounting.credits import parse
from accounting.errors import BillingPlanInvalid, InvalidInput
from accounting.estimates import Estimate
from accounting.holds import USUAL, Payer, Request
from accounting.prechecks import Need, Question
from accounting.rating import UsageLine
from accounting.workloads import Workload

_PLAN = re.compile(r"[ -~]{1,255}")
_AMOUNT = re.compile(hold_shapes.AMOUNT[1:-1])
_SLUG = re.compile(hold_shapes.SLUG[1:-1])
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def amount(text: str, field: str) -> int:
    """Micro-credits. :raises InvalidInput: no plain decimal number, nothing, or more than one booking may move."""
    if not _AMOUNT.fullmatch(text):
        detail = "write credits as a plain decimal number above 0 with at most six decimals, such as 25"
        raise InvalidInput(detail, field=field)
    return parse(text)


def payer(
    sent: hold_shapes.Check | hold_shapes.HoldRequest, at: str = "", plans: tuple[str, ...] | None = None
) -> Payer:
    """:param plans: what is sent, if it was read already.
    :raises InvalidInput, BillingPlanInvalid: naming the field, `at` in front of its name.
    """
    for name in ("source", "user", "user_issuer"):
        value = getattr(sent, name)
        if value is not None and not intake.is_identifier(value):
            raise InvalidInput("only printable ASCII characters identify something", field=f"{at}{name}")
    if sent.project is not None and not _SLUG.fullmatch(sent.project):
        raise InvalidInput("write the slug of a project", field=f"{at}project")
    return Payer(
        source=sent.source,
        user=sent.user,
        issuer=sent.user_issuer,
        organisation=None if sent.organisation is None else user_input.organisation(sent.organisation),
        project=sent.project,
        plans=_plans(sent.plans, f"{at}plans") if plans is None else plans,
    )


def _plans(value: Any, field: str) -> tuple[str, ...]:
    """The user's own list, so whatever is wrong with it is said in openEO's words."""
    if value is None:
        return ()
    names = value if isinstance(value, list) and len(value) <= hold_shapes.MAX_PLANS else [None]
    if all(isinstance(name, str) and _PLAN.fullmatch(name) for name in names):
        return tuple(names)
    raise BillingPlanInvalid(
        f"The billing plan is invalid: send a list of at most {hold_shapes.MAX_PLANS} names of plans.",
        field=field,
        reason="plan_unknown",
    )


def questions(checks: Sequence[hold_shapes.Check], foreseen: Sequence[Estimate | None]) -> list[Question]:
    """:raises InvalidInput: naming the check and its field."""
    both = zip(checks, foreseen, strict=True)
    return [_question(check, estimate, f"checks.{index}.") for index, (check, estimate) in enumerate(both)]


def _question(check: hold_shapes.Check, estimate: Estimate | None, at: str) -> Question:
    need = None
    if check.amount is not None:
        need = Need(*[amount(check.amount, f"{at}amount")] * 2)
    elif estimate is not None:
        need = Need(estimate.median, estimate.p90)
    budget = None if check.budget is None else amount(check.budget, f"{at}budget")
    try:
        plans, malformed = _plans(check.plans, f"{at}plans"), ""
    except BillingPlanInvalid as error:  # the user's, and others in the same request have nothing to do with it
        plans, malformed = (), error.detail
    return Question(payer(check, at, plans), need, budget, malformed, _processes(check.workload))


def _processes(sent: Any) -> tuple[str, ...]:
    told = workload(sent)
    return told.named_processes if told else ()


def workload(sent: Any) -> Workload | None:
    """What can be read of it: whatever the user got wrong in it is no reason to start or refuse a job."""
    try:
        return None if sent is None else workloads.read(sent)
    except InvalidInput:
        return None


def foresee(checks: Sequence[hold_shapes.Check]) -> list[Estimate | None]:
    """What each check's workload will cost where it is to run; the same workload on several back ends is looked up
    once."""
    told = [workload(check.workload) for check in checks]
    asked: dict[bytes, tuple[Workload, set[str]]] = {}
    names = [msgspec.json.encode(check.workload) if work else b"" for check, work in zip(checks, told, strict=True)]
    for check, work, name in zip(checks, told, names, strict=True):
        if work is not None:
            asked.setdefault(name, (work, set()))[1].add(check.source)
    found = {
        (name, one.source): one
        for name, (work, sources) in asked.items()
        for one in estimates.estimate(work, sorted(sources))
    }
    return [found.get((name, check.source)) for name, check in zip(names, checks, strict=True)]


def request(sent: hold_shapes.HoldRequest, key: str) -> Request:
    """:raises InvalidInput, BillingPlanInvalid: naming the field."""
    for name in ("job_id", "execution_id"):
        value = getattr(sent, name)
        if value is not None and not intake.is_identifier(value):
            raise InvalidInput("only printable ASCII characters identify something", field=name)
    if sent.metadata and len(msgspec.json.encode(sent.metadata)) > hold_shapes.MAX_METADATA_BYTES:
        raise InvalidInput(f"at most {hold_shapes.MAX_METADATA_BYTES} bytes", field="metadata")
    return Request(
        payer=payer(sent),
        job_id=sent.job_id,
        amount=amount(sent.amount, "amount"),
        key=key,
        execution_id=sent.execution_id,
        budget=None if sent.budget is None else amount(sent.budget, "budget"),
        parent=None if sent.parent is None else uuid(sent.parent, "parent"),
        lifetime=lifetime(sent.expires_in) or USUAL,
        failed_open=sent.failed_open,
        metadata=sent.metadata,
        processes=_processes(sent.workload),
    )


def uuid(text: str, field: str) -> UUID:
    """:raises InvalidInput: it is none."""
    if not _UUID.fullmatch(text):
        raise InvalidInput("write the id of a hold, as it was answered", field=field)
    return UUID(text)


def lifetime(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def lines(metrics: Sequence[UsageMetric]) -> tuple[UsageLine, ...]:
    """:raises InvalidInput: naming the metric at fault."""
    return tuple(intake.line(index, metric) for index, metric in enumerate(metrics))
