"""The charges behind a sum: every line that was booked or given back, and which grants paid it.

The same slice of spending as in `accounting.breakdowns`, read from spends and not from their sums: the amounts of the
charges of a slice add up to its total.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from accounting import breakdowns
from accounting.breakdowns import Slice, Value

DAYS_AT_ONCE = 7
"""Of a stream: what one statement reads of a busy organisation has to stay within the time that statements have."""
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Paid:
    """A grant's part of a charge; `grant` is None for what no grant has paid yet."""

    grant: int | None
    amount: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the list a charge stands: its instant, the transaction that booked it, and the line."""

    at: datetime
    booked: int
    line: int


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of a report, charged or given back. `amount` is the part of it that the slice asks for, negative when it
    was given back; `line_amount` what the whole line cost.

    `at` is when the work ended, which is also the day that what is given back counts on; `recorded_at` when it was
    booked or given back. `booked` is the transaction that did it, `report` the one of the report. `given_back` is why,
    empty for a charge; `reversed_at` and `reversed_because` when and why a charge was given back later.
    """

    at: datetime
    booked: int
    report: int
    number: int
    amount: int
    paid: Sequence[Paid]
    recorded_at: datetime
    given_back: str
    reversed_at: datetime | None
    reversed_because: str
    source: str
    job_id: str
    job_title: str
    job_kind: str
    backend: int
    person: int
    project: int | None
    process: str
    collection: str
    kind: str
    state: str
    metric: str
    reported: str
    unit: str
    quantity: Decimal
    canonical_unit: str
    rule: str
    formula: str
    line_amount: int

    @property
    def place(self) -> Place:
        return Place(self.at, self.booked, self.number)


# OFFSET 0 keeps the order of what is looked up: reports of the days, then their spends and lines by key. Left to itself
# the planner reads whole tables first when a filter looks selective.
_CHARGES = """
WITH reports AS MATERIALIZED (
    -- A report that names no end is dated by when it was read, a moment before it was received.
    SELECT r.transaction_id, t.occurred_at, o.backend_id, z.id AS reversal
      FROM unnest(%(days)s::date[]) AS day
     CROSS JOIN LATERAL (
           SELECT u.transaction_id, u.source_id FROM accounting_usagereport u
            WHERE u.organisation_id = %(organisation)s
              AND coalesce(u.finished_at, u.received_at) >= day::timestamp AT TIME ZONE 'UTC'
              AND coalesce(u.finished_at, u.received_at) < (day::timestamp + interval '25 hours') AT TIME ZONE 'UTC'
              AND (%(person)s::bigint[] IS NULL OR u.person_id = ANY (%(person)s::bigint[]))
              AND (%(project)s::bigint[] IS NULL OR coalesce(u.project_id, 0) = ANY (%(project)s::bigint[]))
              AND (%(kind)s::text[] IS NULL OR u.kind = ANY (%(kind)s::text[]))
              AND (%(state)s::text[] IS NULL OR u.state = ANY (%(state)s::text[]))
           OFFSET 0) r
     CROSS JOIN LATERAL (
           SELECT k.occurred_at FROM accounting_transaction k
            WHERE k.id = r.transaction_id AND (k.occurred_at AT TIME ZONE 'UTC')::date = day OFFSET 0) t
      JOIN accounting_source o ON o.id = r.source_id
      LEFT JOIN accounting_transaction z ON z.reverses_id = r.transaction_id
     WHERE %(backend)s::bigint[] IS NULL OR o.backend_id = ANY (%(backend)s::bigint[])
), spends AS (
    SELECT r.occurred_at AS at, CASE WHEN s.cause_id = r.reversal THEN r.reversal ELSE r.transaction_id END AS booked,
           r.transaction_id AS report, s.line, s.grant_id, s.amount
      FROM reports r
     CROSS JOIN LATERAL (
           SELECT x.line, x.grant_id, x.amount, x.cause_id FROM accounting_spend x
            WHERE x.transaction_id = r.transaction_id
              AND (%(grant)s::bigint[] IS NULL OR coalesce(x.grant_id, 0) = ANY (%(grant)s::bigint[]))
           OFFSET 0) s
     CROSS JOIN LATERAL (
           SELECT FROM accounting_usageline y
            WHERE y.report_id = r.transaction_id AND y.number = s.line
              AND (%(process)s::text[] IS NULL OR y.process = ANY (%(process)s::text[]))
              AND (%(collection)s::text[] IS NULL OR y.collection = ANY (%(collection)s::text[]))
           OFFSET 0) l
), paid AS (
    SELECT at, booked, report, line, grant_id, sum(amount)::bigint AS amount
      FROM spends
     WHERE %(at)s::timestamptz IS NULL OR (at, booked, line)
            < (%(at)s::timestamptz, %(booked)s::bigint, %(line)s::smallint)
     GROUP BY 1, 2, 3, 4, 5
), charges AS (
    SELECT at, booked, report, line, sum(amount)::bigint AS amount,
           jsonb_agg(jsonb_build_array(grant_id, amount) ORDER BY grant_id NULLS LAST)
               FILTER (WHERE amount <> 0) AS paid
      FROM paid GROUP BY 1, 2, 3, 4 HAVING sum(amount) <> 0
     ORDER BY at DESC, booked DESC, line DESC LIMIT %(limit)s
)
SELECT p.at, p.booked, p.report, p.line, p.amount, p.paid::text, c.recorded_at,
       CASE WHEN p.booked = z.id THEN z.reason ELSE '' END, CASE WHEN p.booked <> z.id THEN z.recorded_at END,
       CASE WHEN p.booked <> z.id THEN z.reason ELSE '' END, o.source_id, d.*, coalesce(u.name, ''), l.formula, l.amount
  FROM charges p
 CROSS JOIN LATERAL (
       SELECT y.* FROM accounting_usageline y WHERE y.report_id = p.report AND y.number = p.line OFFSET 0) l
 CROSS JOIN LATERAL (SELECT k.recorded_at FROM accounting_transaction k WHERE k.id = p.booked OFFSET 0) c
 CROSS JOIN LATERAL (SELECT k.* FROM accounting_usagereport k WHERE k.transaction_id = p.report OFFSET 0) r
 CROSS JOIN LATERAL (SELECT k.* FROM accounting_job k WHERE k.id = r.job_id OFFSET 0) j
  JOIN accounting_source o ON o.id = r.source_id
 CROSS JOIN LATERAL (
       SELECT j.job_id, j.title, j.kind AS job_kind, o.backend_id, r.person_id, r.project_id, l.process, l.collection,
              r.kind, r.state, l.metric, l.reported, l.unit, l.canonical_quantity, l.canonical_unit) d
  LEFT JOIN LATERAL (SELECT k.name FROM accounting_ratingrule k WHERE k.id = l.rule_id OFFSET 0) u ON true
  LEFT JOIN accounting_transaction z ON z.reverses_id = p.report
 ORDER BY p.at DESC, p.booked DESC, p.line DESC
"""
_OLDEST_FIRST = _CHARGES.replace(" DESC", " ASC").replace("            < (", "            > (")


def page(of: Slice, limit: int, *, after: Place | None = None, before: Place | None = None) -> Sequence[Charge]:
    """At most so many charges, the newest first: those older than `after`, or the nearest that are newer than `before`.

    Days on which nothing of the slice happened are never read; of the others only as many as it takes.
    """
    newest, place = before is None, after or before
    rows = breakdowns.days(of)
    if place:
        day = {"day__lte" if newest else "day__gte": _day_of(place)}
        rows = rows.filter(**day)
    found: list[Charge] = []
    ordered = list(rows.order_by("-day" if newest else "day"))
    start, count = 0, 1
    while start < len(ordered) and len(found) < limit:
        chosen = ordered[start : start + count]
        with connection.cursor() as cursor:
            cursor.execute(_CHARGES if newest else _OLDEST_FIRST, _parameters(of, chosen, limit - len(found), place))
            found += [_charge(row) for row in cursor.fetchall()]
        start, count = start + count, min(count * 2, DAYS_AT_ONCE)
    return found if newest else found[::-1]


def stream(of: Slice) -> Iterator[Charge]:
    """All charges of the slice, the newest first, through cursors of the server: memory does not grow with them.

    Each statement sees what is booked when it begins; charges of days that were read already are not read again.
    """
    days = list(breakdowns.days(of).order_by("-day"))
    for start in range(0, len(days), DAYS_AT_ONCE):
        chosen = days[start : start + DAYS_AT_ONCE]
        with connection.chunked_cursor() as cursor:
            cursor.execute(_CHARGES, _parameters(of, chosen, None, None))
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                yield from map(_charge, rows)


def _parameters(of: Slice, days: Sequence[date], limit: int | None, place: Place | None) -> Mapping[str, Any]:
    chosen = {name: _listed(name, of.values) for name in breakdowns.DIMENSIONS}
    where = (place.at, place.booked, place.line) if place else (None, None, None)
    return {
        **chosen,
        **dict(zip(("at", "booked", "line"), where, strict=True)),
        "organisation": of.organisation,
        "days": list(days),
        "limit": limit,
    }


def _listed(name: str, values: Mapping[str, Any]) -> list[Value] | None:
    """None when everything of the dimension is wanted. No row has the number 0, so it stands for none."""
    return [0 if value is None else value for value in values[name]] if name in values else None


def _day_of(place: Place) -> date:
    return place.at.astimezone(UTC).date()


def _charge(row: Sequence[Any]) -> Charge:
    at, booked, report, number, amount, paid, *rest = row
    shares = tuple(Paid(grant, part) for grant, part in json.loads(paid))
    return Charge(at, booked, report, number, amount, shares, *rest)
