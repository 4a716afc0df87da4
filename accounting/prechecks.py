"""May this job start? Advice for many jobs at once; only a hold reserves, so only a hold is certain (H11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from django.db import connection

from accounting import holds, organisations, refusals
from accounting.holds import Payer
from accounting.principals import ServicePrincipal

Decision = Literal["allow", "restricted", "deny"]


@dataclass(frozen=True, slots=True)
class Need:
    """What a job is expected to cost, in micro-credits: `likely`, and at `most` (equal for a fixed amount)."""

    likely: int
    most: int


@dataclass(frozen=True, slots=True)
class Question:
    """A job that may start. `need` None: nobody knows what it costs. `budget` is the openEO budget of the job.

    `malformed` says what is wrong with the user's list of plans: no reason to leave other users' jobs unanswered.
    `processes` are those that the workload names; limits may count them.
    """

    payer: Payer
    need: Need | None = None
    budget: int | None = None
    malformed: str = ""
    processes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """`may_spend` micro-credits would be reserved at the most; `per_plan` is spendable by plan, `plan` would pay first.

    `reason` is empty for a plain yes. `restricted`: it may start, but may not be able to finish (`may_not_finish`), or
    only on credit that the organisation has not paid yet (`overdraft`). `fail_open` micro-credits: how much a job may
    cost that is started while we cannot be asked.
    """

    decision: Decision
    reason: str
    organisation: int | None
    may_spend: int
    plan: str | None
    per_plan: Mapping[str, int]
    unknown_plan: str | None
    fail_open: int
    as_of: datetime


def check(client: ServicePrincipal, questions: Sequence[Question]) -> list[Advice]:
    """The answer that a hold of the amount would get now, for each, in order. Reserves nothing.

    Somebody new gets an account here, with whatever a new account is given.
    """
    documents = [_document(one) for one in questions]
    rows = _ask(client, documents)
    newcomers = {
        (row["issuer"], one.payer.user)
        for one, row in zip(questions, rows, strict=True)
        if row["refusal"] == "person_unknown"
    }
    if newcomers:
        organisations.ensure_people(newcomers)
    overdue = {row["organisation"] for row in rows if row["overdue"]}
    if newcomers or (overdue and holds.expire_of(overdue)):
        rows = _ask(client, documents)
    return [_advise(one, row) for one, row in zip(questions, rows, strict=True)]


def _document(one: Question) -> dict[str, Any]:
    likely = one.need.likely if one.need else None
    return holds.question(one.payer, amount=likely, budget=one.budget, processes=one.processes)


def _ask(client: ServicePrincipal, documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        document = msgspec.json.encode(documents).decode()
        cursor.execute("SELECT * FROM hold_check(%s, %s::jsonb) ORDER BY i", [client.client, document])
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _advise(one: Question, row: Mapping[str, Any]) -> Advice:
    decision, reason = _decide(one, row)
    barred = decision == "deny" and reason not in refusals.OF_AMOUNTS
    return Advice(
        decision=decision,
        reason=reason,
        organisation=row["organisation"],
        may_spend=0 if barred else row["may_spend"] or 0,
        plan=None if barred else row["plan"],
        per_plan={name: int(free) for name, free in msgspec.json.decode(row["per_plan"] or "{}").items()},
        unknown_plan=row["unknown_plan"],
        fail_open=0 if barred else row["fail_open"] or 0,
        as_of=row["instant"],
    )


def _decide(one: Question, row: Mapping[str, Any]) -> tuple[Decision, str]:
    if one.malformed and (not row["refusal"] or row["refusal"] in refusals.OF_AMOUNTS):
        return "deny", "plan_unknown"
    if row["refusal"]:
        assert row["refusal"] in refusals.REFUSALS
        return "deny", row["refusal"]
    if one.need and one.need.most > row["may_spend"]:
        return "restricted", "may_not_finish"
    if (one.need.most if one.need else 1) > row["credit"]:
        return "restricted", "overdraft"
    return "allow", ""
