"""What a running job has used so far: rated, charged under its hold if asked, and judged (H8, H13)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from accounting import holds, usage
from accounting.errors import HoldNotOpen, NotFound
from accounting.guard import Bound, Figures, Verdict, bounds, judge
from accounting.models import Hold, HoldEvent
from accounting.principals import ServicePrincipal
from accounting.rating import UsageLine
from accounting.reports import CAPTURES, UsageReport
from accounting.usage import Outcome

MOST_TITLE = 200


@dataclass(frozen=True, slots=True)
class Running:
    """An open hold with what was said of its job; amounts in micro-credits."""

    hold: int
    id: UUID
    wallet: int
    client: int
    person: int
    organisation: int
    source: str
    job_id: str
    remaining: int
    captured: int
    used: int
    budget: int | None
    beat_at: datetime | None
    expires_at: datetime
    told: str
    verdict: Verdict
    bounds: tuple[Bound, ...]
    """What it is held to; the verdict is about the worst of them."""


_FIGURES = """
SELECT hold, uuid, client, person, organisation, source, job_id, remaining, captured, used, budget, free, limits,
       family_budget, family_used, suspended, beat_at, expires_at, verdict
  FROM unnest(%s::bigint[]) AS wanted(hold_id), LATERAL hold_figures(%s, wanted.hold_id)
"""


def running(wallet: int, hold: int | None = None) -> Sequence[Running]:
    """The open holds of a wallet, or the one; each judged by what is known now."""
    return _read(wallet, [hold])


def running_of(wallet: int, holds: Collection[int]) -> Mapping[int, Running]:
    """Those of the holds of a wallet (primary keys) that are open, by primary key; one query for all of them."""
    return {job.hold: job for job in _read(wallet, holds)} if holds else {}


def _read(wallet: int, holds: Collection[int | None]) -> Sequence[Running]:
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, [list(holds), wallet])
        names = [column.name for column in cursor.description]
        return [_running(wallet, dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _running(wallet: int, row: dict[str, Any]) -> Running:
    family = None if row["family_budget"] is None else (row["family_budget"], row["family_used"])
    figures = Figures(
        used=row["used"],
        captured=row["captured"],
        remaining=row["remaining"],
        free=row["free"],
        budget=row["budget"],
        limits=[(one["amount"], one["used"]) for one in msgspec.json.decode(row["limits"] or "[]")],
        family=family,
        suspended=row["suspended"],
    )
    return Running(
        hold=row["hold"],
        id=row["uuid"],
        wallet=wallet,
        client=row["client"],
        person=row["person"],
        organisation=row["organisation"],
        source=row["source"],
        job_id=row["job_id"],
        remaining=row["remaining"],
        captured=row["captured"],
        used=row["used"],
        budget=row["budget"],
        beat_at=row["beat_at"],
        expires_at=row["expires_at"],
        told=row["verdict"],
        verdict=judge(figures),
        bounds=tuple(bounds(figures)),
    )


def note_verdict(hold: int, decision: str) -> bool:
    """Remembers what the back end has been told of an open hold; whether it is news."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT hold_note_verdict(%s, %s)", [hold, decision])
        return bool(cursor.fetchone()[0])


def find(client: ServicePrincipal, hold: UUID) -> Hold:
    """:raises NotFound: no such hold of a source that the client may act for."""
    row = (
        Hold.objects.select_related("source", "person", "project", "parent")
        .filter(uuid=hold, source__clients=client.client)
        .first()
    )
    if row is None:
        raise NotFound("there is no such hold of your sources", field="id")
    return row


def heartbeat(
    client: ServicePrincipal, hold: UUID, lines: Sequence[UsageLine], *, lifetime: timedelta | None = None
) -> Running:
    """The job lives and has used that much since it began; its hold's expiry moves ahead. Says whether it may go on.

    `lines` are rated with the tariff in force now, as the job's report will be.

    :raises NotFound, HoldNotOpen, Unbookable: as `holds.beat` and a report.
    """
    row = find(client, hold)
    used = _price(client, _report(row, lines, raw="")) if lines else None
    said = [{"metric": line.metric, "quantity": line.reported, "unit": line.unit} for line in lines] or None
    holds.beat(client, hold, used=used, usage=said, lifetime=lifetime)
    found = running(row.wallet_id, row.pk)
    if not found:  # it ended between the two statements
        state = HoldEvent.objects.filter(hold=row, ends=True).values_list("kind", flat=True).first() or "expired"
        raise HoldNotOpen(f"the hold is {state}; nothing was changed", state=state)
    return found[0]


def _price(client: ServicePrincipal, report: UsageReport) -> int:
    """Micro-credits that the report would cost now. :raises Unbookable: it could not be booked."""
    (outcome,) = usage.quote(client, [report])
    if outcome.error:
        raise outcome.error
    assert outcome.booking is not None  # without a key nothing is a repetition
    return outcome.booking.amount


def capture(  # noqa: PLR0913  what a report says of itself
    client: ServicePrincipal,
    hold: UUID,
    lines: Sequence[UsageLine],
    *,
    key: str,
    raw: str,
    final: bool,
    state: str = "RUNNING",
    kind: str = "batch",
    execution_id: str | None = None,
    finished_at: datetime | None = None,
) -> Outcome:
    """Charges what the job has used since it began, in place of what an earlier capture charged (H8).

    The payer is that of the hold. A final capture ends the hold and gives the rest back; the job's own report, should
    one come, replaces it all the same. Idempotent by key and hold; other content under the same key is refused.

    :raises NotFound: no such hold. :raises HoldNotOpen: it has ended, nothing was charged.
    """
    row = find(client, hold)
    execution = execution_id or ""
    report = _report(
        row, lines, raw, key=key, final=final, state=state, kind=kind, execution=execution, finished_at=finished_at
    )
    return usage.ingest(client, [report], on_reuse="refuse", keep=False)[0]


def _report(  # noqa: PLR0913
    hold: Hold,
    lines: Sequence[UsageLine],
    raw: str,
    *,
    key: str | None = None,
    final: bool = False,
    state: str = "RUNNING",
    kind: str = "batch",
    execution: str = "",
    finished_at: datetime | None = None,
) -> UsageReport:
    return UsageReport(
        endpoint=CAPTURES,
        source=hold.source.source_id,
        user=hold.person.sub,
        user_issuer=hold.person.issuer,
        job_id=hold.job_id,
        job_title=_title(hold.metadata),
        lines=tuple(lines),
        raw=raw,
        key=key,
        service=str(hold.uuid),
        execution_id=hold.execution_id or execution or None,
        kind=kind,
        state=state,
        finished_at=finished_at,
        hold=hold.pk,
        final=final,
    )


def _title(metadata: Any) -> str | None:
    """What the back end called the job when it reserved for it; a report of the job may say it better."""
    title = metadata.get("title")
    return title[:MOST_TITLE] if isinstance(title, str) else None
