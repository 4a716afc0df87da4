"""How much an organisation, its members, projects and back ends may spend, and how far its holds may go (H12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.core import validators
from django.db import connection, transaction
from django.db.models.functions import Now

from accounting import ledger
from accounting.credits import LARGEST
from accounting.errors import LimitInvalid
from accounting.models import Account, Limit, Member, Organisation, OutboxEvent, Project


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


def create_project(organisation: int, slug: str, name: str) -> int:
    """Idempotent by slug; jobs name the slug. :raises NotFound: no such organisation."""
    ledger.wallet(organisation)
    project, _ = Project.objects.update_or_create(organisation_id=organisation, slug=slug, defaults={"name": name})
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
) -> int | None:
    """At most `amount` micro-credits a period for whatever is named; None takes the limit away. Returns its id.

    What was booked since the period began counts. `block` refuses holds that would go beyond and stops running jobs;
    reports are booked all the same. `notify` only tells.

    :raises LimitInvalid: no such period or action, a negative amount, or something of another organisation.
    :raises NotFound: no such organisation.
    """
    if period not in Limit.Period.values or action not in Limit.Action.values:
        raise LimitInvalid("the period is month, year or total; the action notify or block", field="period")
    if amount is not None and not 0 <= amount <= LARGEST:
        raise LimitInvalid("a limit is not negative and at most what one booking may move", field="amount")
    wallet = ledger.wallet(organisation)
    if project and not Project.objects.filter(pk=project, organisation_id=organisation).exists():
        raise LimitInvalid("the project belongs to another organisation", field="project")
    if person and not Member.objects.filter(person_id=person, organisation_id=organisation).exists():
        raise LimitInvalid("the person is not a member", field="person")
    document = {
        "wallet": wallet,
        "person": person,
        "project": project,
        "backend": backend,
        "period": period,
        "action": action,
        "amount": amount,
    }
    with transaction.atomic():
        made = _call("limit_set", document)
        _guard(wallet)
    return made


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
        _guard(wallet)


def suspend(organisation: int, because: str) -> None:
    """No job of its members starts any more, and running ones are told to stop; what is reported is booked.

    :raises NotFound: no such organisation.
    """
    wallet = ledger.wallet(organisation)
    with transaction.atomic():
        Organisation.objects.filter(pk=organisation).update(suspended_at=Now(), suspended_because=because[:200])
        _guard(wallet)


def resume(organisation: int) -> None:
    """Takes a suspension back, so that a later one is told anew. :raises NotFound: no such organisation."""
    wallet = ledger.wallet(organisation)
    with transaction.atomic():
        Organisation.objects.filter(pk=organisation).update(suspended_at=None, suspended_because="")
        _guard(wallet)


def _guard(wallet: int) -> None:
    """Running jobs are judged anew, and their back ends told."""
    OutboxEvent.objects.create(topic="guard", payload={"wallet": wallet})


def _call(function: str, document: object) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s::jsonb)", [msgspec.json.encode(document).decode()])
        made: int | None = cursor.fetchone()[0]
    return made
