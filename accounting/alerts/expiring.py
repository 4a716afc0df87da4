"""What ends soon: grants with something left, and holds whose job gives no sign of life."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounting import notices

AHEAD, LAST = 14, 3
"""Days before its expiry at which a grant is spoken of. Free credits come again: of those only the last one counts."""
SMALLEST = 1_000_000
"""Of less than this many micro-credits nothing is said."""
MINUTES = 15
"""Before the expiry of a hold; of short ones a quarter of their lifetime."""

_GRANTS = """
WITH due AS MATERIALIZED (
    SELECT g.*, format('grant %%s %%s', g.id, CASE WHEN g.expires_at <= t.now + make_interval(days => %(last)s)
                                                   THEN %(last)s ELSE %(ahead)s END) AS cause
      FROM (SELECT accounting_now() AS now OFFSET 0) t, accounting_grant g
     WHERE g.remaining > g.held AND g.remaining - g.held >= %(smallest)s AND g.expires_at > t.now
       AND g.expires_at <= t.now + make_interval(days => CASE WHEN g.kind = 'free' THEN %(last)s ELSE %(ahead)s END)
       AND g.expires_at <= t.now + make_interval(days => %(ahead)s)
       AND NOT EXISTS (SELECT 1 FROM accounting_told x
                        WHERE x.kind = 'grant_expiring' AND x.cause = 'grant ' || g.id || ' %(last)s')
       AND (g.expires_at <= t.now + make_interval(days => %(last)s)
            OR NOT EXISTS (SELECT 1 FROM accounting_told x
                            WHERE x.kind = 'grant_expiring' AND x.cause = 'grant ' || g.id || ' %(ahead)s'))
     ORDER BY g.expires_at LIMIT %(limit)s)
SELECT g.id, g.label, g.kind, g.remaining - g.held, g.expires_at, a.organisation_id, o.name, g.cause
  FROM due g, LATERAL (SELECT organisation_id FROM accounting_account WHERE id = g.wallet_id OFFSET 0) a,
       LATERAL (SELECT name FROM accounting_organisation WHERE id = a.organisation_id OFFSET 0) o
"""
"""The few that are due first, by their index; what belongs to them afterwards, whatever the planner thinks of dates."""

_HOLDS = """
SELECT h.uuid, h.job_id, coalesce(h.metadata->>'title', ''), s.source_id, h.person_id, h.organisation_id,
       o.remaining, o.beat_at, o.expires_at, format('hold %%s', h.uuid) AS cause
  FROM (SELECT accounting_now() AS now OFFSET 0) t, accounting_openhold o
  JOIN accounting_hold h ON h.id = o.hold_id JOIN accounting_source s ON s.id = h.source_id
 WHERE o.expires_at > t.now AND o.expires_at <= t.now + make_interval(mins => %(minutes)s)
   AND o.expires_at <= t.now + h.lifetime / 4
   AND NOT EXISTS (SELECT 1 FROM accounting_told x
                    WHERE x.kind = 'hold_expiring' AND x.cause = format('hold %%s', h.uuid))
 ORDER BY o.expires_at LIMIT %(limit)s
"""


def warn_of_grants(limit: int = 200) -> int:
    """Tells who answers for an organisation that credits of it lapse, 14 and 3 days before; returns of how many grants.

    At 0 there are no more for now.
    """
    values = {"last": LAST, "ahead": AHEAD, "smallest": SMALLEST, "limit": limit}
    with transaction.atomic():
        found = {row[-1]: row for row in _read(_GRANTS, values)}
        for cause in sorted(notices.first_time("grant_expiring", found)):
            pk, label, kind, left, expires_at, organisation, name, _ = found[cause]
            facts = {"grant": pk, "label": label, "grant_kind": kind, "left": left, "name": name}
            facts |= {"organisation": organisation, "expires_at": _text(expires_at)}
            notices.tell(notices.answerable(organisation), organisation, "grant_expiring", cause, facts)
    return len(found)


def warn_of_holds(limit: int = 200) -> int:
    """Tells whoever runs the job that its hold is about to expire: once a hold; returns how many there were."""
    with transaction.atomic():
        found = {row[-1]: row for row in _read(_HOLDS, {"minutes": MINUTES, "limit": limit})}
        for cause in sorted(notices.first_time("hold_expiring", found)):
            uuid, job, title, source, person, organisation, kept, beat_at, expires_at, _ = found[cause]
            facts = {"hold": str(uuid), "job": job, "title": title[:200], "source": source, "kept": kept}
            facts |= {"organisation": organisation, "beat_at": _text(beat_at), "expires_at": _text(expires_at)}
            notices.tell([person], organisation, "hold_expiring", cause, facts)
    return len(found)


def _read(statement: str, values: dict[str, int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
