"""Credits reserved for jobs: reserve, extend, hear from, release, expire (H1 to H12 in accounting/README.md).

Each call is one statement: `hold_open` and its kin (migrations/sql) check and reserve under the wallet's lock, by the
database's clock. What a hold pays for is booked by `accounting.usage`, like any report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.conf import settings
from django.db import connection

from accounting import organisations, refusals
from accounting.credits import to_text
from accounting.errors import HoldNotOpen, IdempotencyKeyReused, NotFound
from accounting.principals import ServicePrincipal, normalise_issuer

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=60)
"""How long a hold may live without a heartbeat."""
USUAL = timedelta(hours=24)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
"""Numbers in a hold's metadata stay numbers."""


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose job it is and who shall pay. `user` is a sub at `issuer` (None: the issuer registered for the source).

    `organisation` None is the person's current one; `plans` are the kinds of credits that the user listed, the first of
    them first, empty for any.
    """

    source: str
    user: str
    issuer: str | None = None
    organisation: int | None = None
    project: str | None = None
    plans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A hold to be opened. `amount` and `budget` are micro-credits.

    `parent` is a hold of the same person and payer, of whose amount this one takes a part. `failed_open`: the job was
    started while we could not be asked, which some organisations are trusted with (`fail_open`). `processes` are those
    that the workload names, for limits of them; no part of the fingerprint.
    """

    payer: Payer
    job_id: str
    amount: int
    key: str
    execution_id: str | None = None
    budget: int | None = None
    parent: UUID | None = None
    lifetime: timedelta = USUAL
    failed_open: bool = False
    metadata: Mapping[str, Any] | None = None
    processes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Equal for requests that mean the same reservation."""
        parts = (
            *(self.payer.issuer, self.payer.user, self.payer.organisation, self.payer.project, *self.payer.plans),
            *(self.job_id, self.execution_id, self.amount, self.budget, self.parent, self.failed_open),
        )
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reserved:
    """A hold as it was opened, from what never changes; amounts in micro-credits. `replayed`: the key was known."""

    pk: int
    id: UUID
    source: str
    user: str
    issuer: str
    organisation: int
    project: str | None
    parent: UUID | None
    job_id: str
    execution_id: str | None
    amount: int
    budget: int | None
    plan: str
    plans: Sequence[str]
    metadata: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    replayed: bool


def question(payer: Payer, **more: Any) -> dict[str, Any]:
    """What the SQL functions want to know of a payer."""
    accepted = {normalise_issuer(one["issuer"]) for one in settings.TOKEN_ISSUERS}
    issuer = normalise_issuer(payer.issuer) if payer.issuer else None
    return {
        "source": payer.source,
        "user": payer.user,
        "issuer": issuer,
        "accepted": issuer in accepted,
        "organisation": payer.organisation,
        "project": payer.project,
        "plans": payer.plans,
        "terms": settings.TERMS_VERSION,
        "most_holds": settings.HOLD_MAX_OPEN,
        "failed_open": False,
        "processes": (),
        **more,
    }


def reserve(client: ServicePrincipal, request: Request) -> Reserved:
    """Keeps `amount` for the job: check and reserve in one statement, or nothing. Idempotent by key and source.

    :raises PaymentRequired: the credits, the budget or a limit do not allow it.
    :raises PermissionsInsufficient, BillingPlanInvalid, ProjectUnknown, TooManyHolds, ParentInvalid: see `refusals`.
    :raises SourceUnknown, SourceNotAllowed, IssuerUnknown: this client cannot ask for that.
    :raises IdempotencyKeyReused: the key belongs to another reservation.
    """
    document = question(
        request.payer,
        uuid=uuid4(),
        job_id=request.job_id,
        execution_id=request.execution_id,
        amount=request.amount,
        budget=request.budget,
        parent=request.parent,
        lifetime=request.lifetime.total_seconds(),
        failed_open=request.failed_open,
        metadata=request.metadata or {},
        processes=request.processes,
        key=request.key,
        fingerprint=request.fingerprint,
    )
    answer = _call("hold_open", client, document)
    if answer.get("reason") == "person_unknown":
        organisations.ensure_person(answer["issuer"], request.payer.user)
        answer = _call("hold_open", client, document)
    within = request.budget is None or request.amount <= request.budget
    if request.parent and within and answer.get("reason") == "over_budget":
        answer["reason"] = "parent_short"
    made = _reserved(answer, request.amount)
    if answer["outcome"] == "replayed" and answer["hold"]["fingerprint"] != request.fingerprint:
        raise IdempotencyKeyReused(
            "the first request with this key asked for another hold; use a new key",
            field="Idempotency-Key",
            original={"id": str(made.id)},
        )
    return made


def extend(client: ServicePrincipal, hold: UUID, amount: int, key: str) -> Reserved:
    """Keeps `amount` micro-credits more, from the parent if there is one. The same key again adds nothing.

    :raises NotFound, HoldNotOpen, PaymentRequired, PermissionsInsufficient: nothing was added.
    :raises IdempotencyKeyReused: the key added another amount.
    """
    document = {"uuid": hold, "amount": amount, "key": key, "most_holds": settings.HOLD_MAX_OPEN}
    return _reserved(_call("hold_extend", client, document), amount)


def release(client: ServicePrincipal, hold: UUID, reason: str = "") -> Reserved:
    """Gives back what is left, to the same grants. A hold that is released already stays so.

    :raises NotFound, HoldNotOpen: it was captured to the end, or has expired.
    """
    return _reserved(_call("hold_release", client, {"uuid": hold, "reason": reason}), 0)


def beat(
    client: ServicePrincipal,
    hold: UUID,
    *,
    used: int | None = None,
    usage: Any = None,
    lifetime: timedelta | None = None,
) -> Reserved:
    """The job lives: its hold expires that much later from now. `used` micro-credits are what it has cost so far.

    Neither an expiry nor a figure ever goes back, so beats may arrive in any order.

    :raises NotFound, HoldNotOpen: the job should be stopped, or hold credits anew.
    """
    seconds = None if lifetime is None else lifetime.total_seconds()
    return _reserved(_call("hold_beat", client, {"uuid": hold, "used": used, "usage": usage, "lifetime": seconds}), 0)


def expire_due(limit: int = 500) -> int:
    """Ends holds past their expiry by the database's clock, at most `limit`; owners and back ends are told (H7).

    Idempotent; wallets in use are left for the next run. Returns how many it ended.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT holds_expire(%s)", [limit])
        row = cursor.fetchone()
    return int(row[0])


def expire_of(organisations: Collection[int]) -> int:
    """As `expire_due`, all that is due of these organisations, whose wallets it waits for."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT holds_expire_of(%s)", [sorted(organisations)])
        row = cursor.fetchone()
    return int(row[0])


def _call(function: str, client: ServicePrincipal, document: Mapping[str, Any]) -> dict[str, Any]:
    with connection.cursor() as cursor:  # a statement of its own, so the wallet's lock ends with it
        cursor.execute(
            f"SELECT {function}(%s, %s::jsonb)::text",
            [client.client, _ENCODER.encode(document).decode()],
        )
        answer: dict[str, Any] = msgspec.json.decode(cursor.fetchone()[0])
    return answer


def _reserved(answer: Mapping[str, Any], wanted: int) -> Reserved:
    if answer["outcome"] == "refused":
        reason = answer["reason"]
        if reason == "hold_unknown":
            raise NotFound("there is no such hold of your sources", field="id")
        if reason == "key_reused":
            added = to_text(answer["added"])
            raise IdempotencyKeyReused(
                f"the first request with this key added {added} credits; use a new key for more",
                field="Idempotency-Key",
                original={"amount": added},
            )
        if reason == "hold_not_open":
            way_out = "nothing was changed; if the job still runs, stop it or open another hold for it"
            raise HoldNotOpen(f"the hold is {answer['state']}: {way_out}", state=answer["state"])
        raise refusals.error(reason, wanted=wanted, **{name: answer.get(name) for name in refusals.FACTS})
    hold = answer["hold"]
    return Reserved(
        pk=hold["id"],
        id=UUID(hold["uuid"]),
        source=hold["source"],
        user=hold["user"],
        issuer=hold["issuer"],
        organisation=hold["organisation"],
        project=hold["project"],
        parent=UUID(hold["parent"]) if hold["parent"] else None,
        job_id=hold["job_id"],
        execution_id=hold["execution_id"] or None,
        amount=hold["amount"],
        budget=hold["budget"],
        plan=hold["plan"],
        plans=hold["plans"],
        metadata=hold["metadata"],
        created_at=datetime.fromisoformat(hold["created_at"]),
        expires_at=datetime.fromisoformat(hold["expires_at"]),
        replayed=answer["outcome"] == "replayed",
    )
