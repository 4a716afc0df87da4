"""Which algorithms many people use: the only thing about use that strangers are told (decision 0019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from accounting.estimates.disclosure import FEWEST, LARGEST_SHARE
from accounting.models import PopularProcess


@dataclass(frozen=True, slots=True)
class Popular:
    """A process, how many organisations paid for it, and the names of back ends on which many did."""

    process: str
    organisations: int
    backends: tuple[str, ...]


# A cell is a day of one person, so cells are days on which somebody used it.
_MOST_USED = """
WITH used AS (
    SELECT process, backend_id, organisation_id, person_id, count(DISTINCT day) AS days
      FROM accounting_spendcell
     WHERE day >= %(since)s AND process <> ''
     GROUP BY 1, 2, 3, 4
), by_payer AS (
    SELECT process, organisation_id, sum(days) AS days FROM used GROUP BY 1, 2
), by_person AS (
    SELECT process, person_id, sum(days) AS days FROM used GROUP BY 1, 2
), many AS (
    SELECT p.process, count(*) AS organisations, sum(p.days) AS days
      FROM by_payer p
     GROUP BY 1
    HAVING count(*) >= %(fewest)s AND max(p.days) <= %(share)s * sum(p.days)
), known AS (
    SELECT m.* FROM many m JOIN by_person b USING (process)
     GROUP BY m.process, m.organisations, m.days
    HAVING count(*) >= %(fewest)s AND max(b.days) <= %(share)s * sum(b.days)
), places AS (
    SELECT u.process, b.name
      FROM used u JOIN accounting_backend b ON b.id = u.backend_id
     GROUP BY 1, 2
    HAVING count(DISTINCT u.organisation_id) >= %(fewest)s AND count(DISTINCT u.person_id) >= %(fewest)s
)
INSERT INTO accounting_popularprocess AS known (process, organisations, days, backends, counted_at)
SELECT k.process, k.organisations, k.days,
       coalesce(array_agg(p.name ORDER BY p.name) FILTER (WHERE p.name IS NOT NULL), '{}'), %(now)s
  FROM known k LEFT JOIN places p USING (process)
 GROUP BY k.process, k.organisations, k.days
 ORDER BY k.process
ON CONFLICT (process) DO UPDATE
   SET organisations = excluded.organisations, days = excluded.days, backends = excluded.backends,
       counted_at = excluded.counted_at
"""
PERIOD = timedelta(days=90)


def count(now: datetime) -> int:
    """Counts the last 90 days anew: processes that at least three organisations and three persons paid for, none of
    which stands out. Returns how many there are. For a worker: it reads all sums of that time."""
    since = (now - PERIOD).astimezone(UTC).date()
    terms: dict[str, Any] = {"since": since, "fewest": FEWEST, "share": float(LARGEST_SHARE), "now": now}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '120s'")
        cursor.execute(_MOST_USED, terms)
        PopularProcess.objects.exclude(counted_at=now).delete()
        return int(cursor.rowcount)


def most_used(most: int) -> Sequence[Popular]:
    """As last counted, those with most organisations first."""
    rows = PopularProcess.objects.order_by("-organisations", "-days", "process")[:most]
    return [Popular(row.process, row.organisations, tuple(row.backends)) for row in rows]
