"""Whether back ends report: counted every minute from the reports, so that looking costs the same however many came.

Says nothing about users: only that a source reported, how often, and when last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from django.db import connection, transaction

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONTH = 30 * DAY
KEPT = 32 * DAY
"""Hours older than that are forgotten, except the last one of a source."""
QUIET_AFTER = timedelta(hours=6)
SILENT_AFTER = 3 * DAY
Health = Literal["healthy", "quiet", "silent", "never"]


@dataclass(frozen=True, slots=True)
class Activity:
    """Reports booked from a source in the last 24 hours (by whole hours), on the last 30 UTC days with today, and on
    each UTC day that had some, the oldest first."""

    last_at: datetime
    day: int
    month: int
    by_day: tuple[tuple[date, int], ...]


def health(last_at: datetime | None, now: datetime) -> Health:
    """`healthy` until six hours after the last report, `quiet` until three days after it, then `silent`."""
    if last_at is None:
        return "never"
    if now - last_at < QUIET_AFTER:
        return "healthy"
    return "quiet" if now - last_at < SILENT_AFTER else "silent"


# Numbers are given a little out of the order of the instants, for a report waits for its wallet in between; never by an
# hour. So reports from `since` on are found behind the newest number of the hours that ended an hour before it.
_COUNT = """
INSERT INTO accounting_reportinghour AS h (source_id, hour, reports, last_at, newest)
SELECT source_id, date_trunc('hour', received_at, 'UTC'), count(*), max(received_at), max(transaction_id)
  FROM accounting_usagereport
 WHERE transaction_id > %(behind)s AND received_at >= %(since)s
 GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (source_id, hour) DO UPDATE
   SET reports = excluded.reports, last_at = excluded.last_at, newest = excluded.newest
"""
_FORGET = """
DELETE FROM accounting_reportinghour h
 WHERE hour < %(before)s AND EXISTS (SELECT 1 FROM accounting_reportinghour n
                                      WHERE n.source_id = h.source_id AND n.hour > h.hour)
"""


def count(now: datetime) -> int:
    """Counts again what came since the hour before this one, or since the last count; the first time, of 32 days.

    Idempotent. Returns how many (source, hour) were written.
    """
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT max(hour) FROM accounting_reportinghour")
        (last,) = cursor.fetchone()
        since = hour - KEPT if last is None else min(hour - HOUR, last)
        # Told as a number, so that the planner knows how few reports are left.
        cursor.execute("SELECT coalesce(max(newest), 0) FROM accounting_reportinghour WHERE hour < %s", [since - HOUR])
        cursor.execute(_COUNT, {"since": since, "behind": cursor.fetchone()[0]})
        written = int(cursor.rowcount)
        cursor.execute(_FORGET, {"before": hour - KEPT})
    return written


_OF_SOURCES = """
SELECT source_id, date_trunc('day', hour, 'UTC'), max(last_at), sum(reports),
       coalesce(sum(reports) FILTER (WHERE hour > %(day)s), 0),
       coalesce(sum(reports) FILTER (WHERE hour >= %(month)s), 0)
  FROM accounting_reportinghour WHERE last_at <= %(now)s GROUP BY 1, 2 ORDER BY 1, 2
"""


def of_sources(now: datetime) -> Mapping[int, Activity]:
    """By the primary key of the source, as last counted; those that never reported are left out. One query."""
    days: dict[int, list[tuple[date, datetime, int, int, int]]] = defaultdict(list)
    with connection.cursor() as cursor:
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        cursor.execute(_OF_SOURCES, {"day": now - DAY, "month": today - MONTH + DAY, "now": now})
        for source, day, *figures in cursor.fetchall():
            days[source].append((day.astimezone(UTC).date(), *figures))
    return {
        source: Activity(
            last_at=max(last_at for _, last_at, *_ in rows),
            day=int(sum(row[3] for row in rows)),
            month=int(sum(row[4] for row in rows)),
            by_day=tuple((row[0], int(row[2])) for row in rows),
        )
        for source, rows in days.items()
    }
