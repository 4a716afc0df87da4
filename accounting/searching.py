"""What a word typed into a search field may mean. Each read is bounded, whatever the history."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import connection
from django.db.models import Q

from accounting.models import BackEnd, Job
from accounting.queries import BackEndView

WINDOW = 2000
"""The newest jobs of an organisation whose titles are looked at; ids are found however old."""
TITLES = 10_000
"""The most titles that one search looks at: many organisations have a narrower window each."""
SHORTEST_ID = 2
"""An id begins with at least this much: one letter would fit every job."""

_SPECIAL = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})

# Two ways to the same rows: ids from an index range of each organisation, titles from the newest rows of each.
_JOBS = """
WITH ids AS (
    SELECT j.id, j.reported_at
      FROM unnest(%(organisations)s::bigint[]) AS o(id)
     CROSS JOIN LATERAL (SELECT id, reported_at FROM accounting_job
                          WHERE organisation_id = o.id AND job_id LIKE %(prefix)s AND %(by_id)s LIMIT %(limit)s) j
), titles AS (
    SELECT j.id, j.reported_at
      FROM unnest(%(organisations)s::bigint[]) AS o(id)
     CROSS JOIN LATERAL (SELECT id, reported_at, title, job_id FROM accounting_job
                          WHERE organisation_id = o.id ORDER BY reported_at DESC, id DESC LIMIT %(window)s) j
     WHERE j.title || ' ' || j.job_id ILIKE ALL (%(words)s::text[])
     ORDER BY j.reported_at DESC, j.id DESC LIMIT %(limit)s
)
SELECT id FROM (SELECT * FROM ids UNION SELECT * FROM titles) found
 ORDER BY reported_at DESC, id DESC LIMIT %(limit)s
"""


def jobs(organisations: Collection[int], text: str, limit: int) -> Sequence[Job]:
    """Jobs that any of the organisations paid for and whose id begins with the text, or whose title or id holds each
    of its words, the last reported first.

    Two queries: the rows, and what is shown of them. `text` may be anything a person types; NUL finds nothing.
    """
    text = text.strip()
    if not text or "\x00" in text or not organisations:
        return []
    parameters: dict[str, str | bool | int | list[int] | list[str]] = {
        "organisations": list(organisations),
        "prefix": f"{_plain(text)}%",
        "by_id": len(text) >= SHORTEST_ID,
        "words": [f"%{_plain(word)}%" for word in text.split()],
        "window": max(1, min(WINDOW, TITLES // len(organisations))),
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_JOBS, parameters)
        found = [pk for (pk,) in cursor.fetchall()]
    if not found:
        return []
    rows = Job.objects.select_related("source__backend", "organisation").in_bulk(found)
    return [rows[pk] for pk in found]


def backends(text: str, limit: int) -> Sequence[BackEndView]:
    """Back ends with each word of the text in their name, address part, provider or one of their sources, by name."""
    words = text.split()
    if not words or "\x00" in text:
        return []
    rows = BackEnd.objects.all()
    for word in words:
        rows = rows.filter(
            Q(name__icontains=word)
            | Q(slug__icontains=word)
            | Q(provider__name__icontains=word)
            | Q(sources__source_id__icontains=word)
        )
    found = rows.distinct().order_by("name", "pk").values_list("pk", "slug", "name")
    return [BackEndView(*row) for row in found[:limit]]


def _plain(text: str) -> str:
    """The text as a pattern that stands for itself."""
    return text.translate(_SPECIAL)
