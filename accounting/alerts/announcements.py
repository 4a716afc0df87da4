"""Announced tariffs: who used the source lately hears of them before they are in force (N5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import CharField, Exists, OuterRef, Value
from django.db.models.functions import Cast, Concat

from accounting import notices
from accounting.fields import DatabaseNow
from accounting.models import Tariff, Told

KIND = "tariff_announced"
USED_DAYS = 90
AT_ONCE = 200
"""Organisations that one database transaction tells."""

_USERS = """
SELECT o.id FROM accounting_organisation o
 WHERE o.id > %s AND EXISTS (SELECT 1 FROM accounting_job j
                              WHERE j.organisation_id = o.id AND j.source_id = %s
                                AND j.reported_at > accounting_now() - make_interval(days => %s))
 ORDER BY o.id LIMIT %s
"""


def announce_tariffs() -> int:
    """Tells who answers for an organisation that used a source within 90 days of each tariff published for later.

    A run that is broken off is taken up by the next one: nobody hears twice. Returns of how many tariffs it told.
    """
    told = Told.objects.filter(kind=KIND, cause=Concat(Value("tariff "), Cast(OuterRef("pk"), CharField())))
    rows = Tariff.objects.filter(~Exists(told), starts_at__gt=DatabaseNow()).select_related("source__backend")
    upcoming = list(rows.order_by("pk"))
    for tariff in upcoming:
        _announce(tariff)
        notices.first_time(KIND, [_cause(tariff)])
    return len(upcoming)


def _cause(tariff: Tariff) -> str:
    return f"tariff {tariff.pk}"


def _announce(tariff: Tariff) -> None:
    facts = _facts(tariff)
    last = 0
    while users := _users(last, tariff.source_id):
        with transaction.atomic():
            for organisation in users:
                people = notices.answerable(organisation)
                notices.tell(people, organisation, KIND, _cause(tariff), facts | {"organisation": organisation})
        last = users[-1]


def _users(after: int, source: int) -> Sequence[int]:
    with connection.cursor() as cursor:
        cursor.execute(_USERS, [after, source, USED_DAYS, AT_ONCE])
        return [pk for (pk,) in cursor.fetchall()]


def _facts(tariff: Tariff) -> dict[str, Any]:
    source = tariff.source
    facts: dict[str, Any] = {"tariff": tariff.pk, "tariff_name": tariff.name, "note": tariff.note[:500]}
    facts |= {"source": source.source_id, "backend": source.backend.slug, "backend_name": source.backend.name}
    return facts | {"starts_at": tariff.starts_at.isoformat()}
