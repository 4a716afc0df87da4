"""How much an organisation, its members, projects and back ends may spend, and how far its holds may go (H12)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.core import validators
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from accounting import audit, ledger, members
from accounting.audit import Change
from accounting.credits import LARGEST, to_text
from accounting.errors import LimitInvalid, TransferInvalid
from accounting.models import Account, BackEnd, Limit, Organisation, OutboxEvent, Project
from accounting.roles import Action

REASON_LENGTH = 200
_PROCESS = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class LimitView:
    """`spent` micro-credits are booked in the period; `kept` by open holds come on top. Nobody named: all."""

    id: int
    person: int | None
    project: int | None
    backend: int | None
    amount: int
    period: str
    action: str
    spent: int
    period_starts_at: datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """What a limit counts, how long, and what comes of it. Nobody named: everybody, every project, and so on.

    `process` is the id that usage lines name, such as that of a UDP. With the period `job` the limit bounds each single
    job. `fallback`, of a project's budget only: beyond it the organisation's unassigned part pays (M4).
    """

    period: str
    action: str = "block"
    person: int | None = None
    project: int | None = None
    backend: int | None = None
    process: str = ""
    fallback: bool = False

    @property
    def is_budget(self) -> bool:
        """Of a project (M3)."""
        alone = self.project is not None and self.person is None and self.backend is None and not self.process
        return alone and self.action == "block" and self.period != Limit.Period.JOB


def create_project(organisation: int, slug: str, name: str, *, actor: int | None = None) -> int:
    """Idempotent by slug; jobs name the slug.

    :raises NotFound: no such organisation. :raises NotPermitted: the actor's role does not allow it.
    """
    ledger.wallet(organisation)
    with transaction.atomic():
        members.require(organisation, actor, Action.MANAGE_PROJECTS)
        project, made = Project.objects.get_or_create(organisation_id=organisation, slug=slug, defaults={"name": name})
        facts = {"project": project.pk, "slug": slug, "name": name}
        if made:
            audit.record(organisation, Change.PROJECT_CREATED, actor, facts)
        elif project.name != name:
            Project.objects.filter(pk=project.pk).update(name=name)
            audit.record(organisation, Change.PROJECT_RENAMED, actor, facts | {"was": project.name})
    return project.pk


def ensure_project(organisation: int, slug: str) -> int:
    """The project with that slug, made under the same name if there is none.

    :raises LimitInvalid: no slug. :raises NotFound: no such organisation.
    """
    found = Project.objects.filter(organisation_id=organisation, slug=slug).values_list("pk", flat=True).first()
    if found is not None:
        return found
    if not validators.slug_re.fullmatch(slug) or len(slug) > 50:
        raise LimitInvalid("a slug is made of letters, digits, hyphens and underscores, at most 50", field="project")
    return create_project(organisation, slug, slug)


def set_limit(
    organisation: int,
    amount: int | None,
    *,
    period: str,
    action: str = "block",
    person: int | None = None,
    project: int | None = None,
    backend: int | None = None,
    process: str = "",
) -> int | None:
    """`change` by the operators."""
    terms = Terms(period, action, person=person, project=project, backend=backend, process=process)
    return change(organisation, amount, terms)


def change(organisation: int, amount: int | None, terms: Terms, *, actor: int | None = None) -> int | None:
    """At most `amount` micro-credits a period for whatever is named; None takes the limit away. Returns its id.

    What was booked since the period began counts. `block` refuses holds that would go beyond and stops running jobs;
    reports are booked all the same. `notify` only tells.

    :raises LimitInvalid: no such period or action, a negative amount, something of another organisation, or budgets
        that would exceed what the organisation may spend (M3): `field` is then `amount`, and `assigned` and `most` say
        by how much.
    :raises NotFound: no such organisation, or the actor is no member of it.
    :raises NotPermitted: the actor's role does not allow it.
    """
    wallet = ledger.wallet(organisation)
    _check(organisation, amount, terms)
    with transaction.atomic():
        members.require(organisation, actor, Action.MANAGE_PROJECTS if terms.is_budget else Action.MANAGE_LIMITS)
        answer = _set(wallet, amount, terms)
        if answer["id"] is not None or answer["was"] is not None:
            audit.record(organisation, _name_change(amount, terms), actor, _facts(amount, terms, answer["was"]))
        _guard(wallet)
    made: int | None = answer["id"]
    return made


def _check(organisation: int, amount: int | None, terms: Terms) -> None:
    if terms.period not in Limit.Period.values or terms.action not in Limit.Action.values:
        raise LimitInvalid("the period is month, year, total or job; the action notify or block", field="period")
    if amount is not None and not 0 <= amount <= LARGEST:
        raise LimitInvalid("a limit is not negative and at most what one booking may move", field="amount")
    if terms.process and not _PROCESS.fullmatch(terms.process):
        raise LimitInvalid("a process id has 1 to 255 visible ASCII characters", field="process")
    if terms.process and terms.period == Limit.Period.JOB:
        raise LimitInvalid("a limit of single jobs cannot name a process", field="process")
    if terms.fallback and not terms.is_budget:
        raise LimitInvalid("only a project's budget can fall back to the organisation", field="fallback")
    if terms.project and not Project.objects.filter(pk=terms.project, organisation_id=organisation).exists():
        raise LimitInvalid("the project belongs to another organisation", field="project")
    if terms.backend and not BackEnd.objects.filter(pk=terms.backend).exists():
        raise LimitInvalid("there is no such back end", field="backend")
    # Whoever has left may still have a limit, which can be taken away.
    if terms.person and amount is not None and members.role_of(organisation, terms.person) is None:
        raise LimitInvalid("the person is not a member", field="person")


def _set(wallet: int, amount: int | None, terms: Terms) -> dict[str, int | None]:
    document = {"wallet": wallet, "amount": amount} | dataclasses.asdict(terms)
    try:
        with transaction.atomic():
            answer: dict[str, int | None] = msgspec.json.decode(_call("limit_set", document))
    except DatabaseError as error:
        raise _beyond(error) from error
    return answer


def _beyond(error: DatabaseError) -> Exception:
    """What broke the sum rule, or the error itself."""
    if getattr(error.__cause__, "pgcode", None) != "LR004":
        return error
    facts = msgspec.json.decode(error.__cause__.diag.message_detail)  # type: ignore[union-attr]
    most, assigned = to_text(facts["amount"]), to_text(facts["assigned"])
    detail = f"the projects' budgets would be {assigned} credits together, of {most} that the organisation may spend"
    return LimitInvalid(detail, field="amount", most=facts["amount"], assigned=facts["assigned"])


def _name_change(amount: int | None, terms: Terms) -> Change:
    if terms.is_budget:
        return Change.BUDGET_REMOVED if amount is None else Change.BUDGET_SET
    return Change.LIMIT_REMOVED if amount is None else Change.LIMIT_SET


def _facts(amount: int | None, terms: Terms, was: int | None) -> dict[str, object]:
    told = {name: value for name, value in dataclasses.asdict(terms).items() if value not in (None, "", False)}
    amounts = {"amount": amount, "was": was}
    return told | {name: to_text(value) for name, value in amounts.items() if value is not None}


def limits(organisation: int) -> Sequence[LimitView]:
    """Those of the organisation; `spent` as of its own period, which may be over."""
    rows = Limit.objects.filter(wallet__organisation_id=organisation).order_by("pk")
    return [
        LimitView(
            row.pk,
            row.person_id,
            row.project_id,
            row.backend_id,
            row.amount,
            row.period,
            row.action,
            row.spent,
            row.period_starts_at,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Move:
    """Budget of a period for another project; None is the part that no project has. `amount` is micro-credits."""

    period: str
    source: int | None
    target: int | None
    amount: int
    reason: str


def move(organisation: int, terms: Move, *, actor: int | None = None) -> None:
    """Moves what is neither spent nor kept; only what each may spend changes, no credits do (decision 0016).

    :raises TransferInvalid: it would move nothing, one side has no budget of the period or not so much left (`left`),
        or no reason is given.
    :raises NotFound, NotPermitted: see `members.require`.
    """
    wallet = ledger.wallet(organisation)
    if terms.source == terms.target:
        raise TransferInvalid("choose two different sides", field="target")
    if not 0 < terms.amount <= LARGEST:
        raise TransferInvalid("move more than nothing, and at most what one booking may", field="amount")
    if not terms.reason.strip() or len(terms.reason) > REASON_LENGTH:
        raise TransferInvalid(f"say why, in at most {REASON_LENGTH} characters", field="reason")
    with transaction.atomic():
        members.require(organisation, actor, Action.TRANSFER)
        archived = Project.objects.filter(organisation_id=organisation).exclude(archived_at=None)
        if terms.target is not None and archived.filter(pk=terms.target).exists():
            raise TransferInvalid("nothing is given to an archived project", field="target")
        try:
            with transaction.atomic():
                answer = msgspec.json.decode(_call("limit_move", {"wallet": wallet} | dataclasses.asdict(terms)))
        except DatabaseError as error:
            raise _beyond(error) from error
        if answer.get("refused") == "no_budget":
            side = "source" if answer["project"] == terms.source else "target"
            raise TransferInvalid("the project has no budget of that period; set one first", field=side)
        if answer.get("refused"):
            detail = f"only {to_text(answer['left'])} credits are neither spent nor kept there"
            raise TransferInvalid(detail, field="amount", left=answer["left"])
        facts = dataclasses.asdict(terms) | {"amount": to_text(terms.amount), "reason": terms.reason.strip()}
        audit.record(organisation, Change.BUDGET_MOVED, actor, facts)
        _guard(wallet)


@dataclass(frozen=True, slots=True)
class Rules:
    """How far holds of an organisation may go; amounts in micro-credits, see `set_rules`."""

    overdraft: int
    fail_open: int
    most_held: int | None
    most_holds: int | None


def rules(organisation: int) -> Rules:
    """:raises NotFound: no such organisation."""
    account = Account.objects.get(pk=ledger.wallet(organisation))
    return Rules(-account.floor, account.fail_open, account.most_held, account.most_holds)


def set_rules(
    organisation: int,
    *,
    overdraft: int = 0,
    fail_open: int = 0,
    most_held: int | None = None,
    most_holds: int | None = None,
) -> None:
    """How far holds of the organisation may go, in micro-credits; what is not said is back at its default.

    `overdraft`: below zero, beyond what grants cover. `fail_open`: below that, for jobs that a back end started while
    it could not ask. `most_held` and `most_holds` bound what open holds keep together, and how many there are.

    :raises LimitInvalid: a negative number. :raises NotFound: no such organisation.
    """
    numbers = [overdraft, fail_open, most_held or 0, most_holds or 0]
    if min(numbers) < 0 or max(overdraft, fail_open, most_held or 0) > LARGEST or (most_holds or 0) >= 2**31:
        raise LimitInvalid("rules are not negative and at most what one booking may move", field="rules")
    wallet = ledger.wallet(organisation)
    document = {
        "wallet": wallet,
        "floor": -overdraft,
        "fail_open": fail_open,
        "most_held": most_held,
        "most_holds": most_holds,
    }
    with transaction.atomic():
        _call("wallet_set_rules", document)
        audit.record(organisation, Change.RULES_SET, None, {k: v for k, v in document.items() if k != "wallet"})
        _guard(wallet)


def suspend(organisation: int, because: str) -> None:
    """No job of its members starts any more, and running ones are told to stop; what is reported is booked.

    :raises NotFound: no such organisation.
    """
    wallet = ledger.wallet(organisation)
    with transaction.atomic():
        Organisation.objects.filter(pk=organisation).update(suspended_at=Now(), suspended_because=because[:200])
        audit.record(organisation, Change.SUSPENDED, None, {"because": because[:200]})
        _guard(wallet)


def resume(organisation: int) -> None:
    """Takes a suspension back, so that a later one is told anew. :raises NotFound: no such organisation."""
    wallet = ledger.wallet(organisation)
    with transaction.atomic():
        Organisation.objects.filter(pk=organisation).update(suspended_at=None, suspended_because="")
        audit.record(organisation, Change.RESUMED, None)
        _guard(wallet)


def _guard(wallet: int) -> None:
    """Running jobs are judged anew, and their back ends told."""
    OutboxEvent.objects.create(topic="guard", payload={"wallet": wallet})


def _call(function: str, document: object) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s::jsonb)::text", [msgspec.json.encode(document).decode()])
        answer: str = cursor.fetchone()[0]
    return answer
