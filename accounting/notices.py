"""Telling people what they should know: a row each, at most one per cause, whoever finds the cause and however often.

Who hears of it by mail is not accounting's business: `route` hands new notices on, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from accounting.fields import DatabaseNow
from accounting.models import Member, Notice
from accounting.notice_queries import NoticeView, view

ANSWERABLE = (Member.Role.OWNER, Member.Role.MANAGER)
"""Who is told what concerns an organisation as a whole."""


def answerable(organisation: int) -> Sequence[int]:
    """The persons who answer for the organisation: its owners and managers."""
    rows = Member.objects.filter(organisation_id=organisation, role__in=ANSWERABLE)
    return list(rows.order_by("person_id").values_list("person_id", flat=True))


def tell(people: Iterable[int], organisation: int | None, kind: str, cause: str, facts: Mapping[str, Any]) -> None:
    """Everybody of `people` hears it once: who was told of that kind and cause before is not told again (N1)."""
    rows = [
        Notice(person_id=person, organisation_id=organisation, kind=kind, cause=cause, facts=dict(facts))
        for person in sorted(set(people))
    ]
    Notice.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)


def first_time(kind: str, causes: Collection[str]) -> Collection[str]:
    """Those of the causes that nobody was told of yet; from now on somebody was.

    Call it in the transaction that tells: whoever asks at the same moment waits for its end (N2).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounting_told (kind, cause) SELECT %s, c FROM unnest(%s::text[]) AS c ORDER BY c"
            " ON CONFLICT DO NOTHING RETURNING cause",
            [kind, sorted(set(causes))],
        )
        return frozenset(cause for (cause,) in cursor.fetchall())


def mark_read(person: int, *, kind: str = "", notices: Collection[int] | None = None, until: int | None = None) -> int:
    """The person has seen what they were told: all of it, or of that kind, those notices, until that one.

    What others were told is left alone. Returns how many had not been read.
    """
    rows = Notice.objects.filter(person_id=person, read_at__isnull=True)
    if kind:
        rows = rows.filter(kind=kind)
    if notices is not None:
        rows = rows.filter(pk__in=notices)
    if until is not None:
        rows = rows.filter(pk__lte=until)
    return rows.update(read_at=DatabaseNow())


def mark_unread(person: int, notice: int) -> int:
    """The person wants to come back to it. How many there were: 1, or 0 when it is not theirs."""
    return Notice.objects.filter(person_id=person, pk=notice).update(read_at=None)


def route(take: Callable[[Sequence[NoticeView]], None], limit: int = 200) -> int:
    """Hands the oldest notices that nobody has handed on yet to `take`, in the transaction that marks them (N3).

    Several workers share them; when `take` fails, or the process dies, they are handed on again. Returns how many.
    """
    with transaction.atomic():
        rows = list(
            Notice.objects.select_for_update(skip_locked=True).filter(routed_at__isnull=True).order_by("pk")[:limit]
        )
        if rows:
            take([view(row) for row in rows])
            Notice.objects.filter(pk__in=[row.pk for row in rows]).update(routed_at=DatabaseNow())
    return len(rows)
