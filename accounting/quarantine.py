"""Reports that were answered but not booked as they came: kept with their reason until the cause is mended (U5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from accounting.errors import DomainError, NotFound
from accounting.models import QuarantinedReport
from accounting.principals import ServicePrincipal
from accounting.reports import UsageReport


@dataclass(frozen=True, slots=True)
class Kept:
    """A quarantined report with all that booking it needs."""

    pk: int
    client: ServicePrincipal
    report: UsageReport
    status: str
    mismatch: bool


def keep(client: int, report: UsageReport, error: DomainError) -> None:
    """Keeps a report that cannot be booked. The same key and content again only counts another attempt."""
    _keep(client, report, QuarantinedReport.Category.UNBOOKABLE, error.code, error.field or "", error.detail)


def keep_mismatch(client: int, report: UsageReport, first: int) -> None:
    """Keeps a report whose key was used with other content; the client got the first answer (contract 1.6)."""
    detail = f"the key belongs to transaction {first}, which was booked with other content"
    _keep(client, report, QuarantinedReport.Category.MISMATCH, "key_mismatch", "key", detail)


def _keep(client: int, report: UsageReport, category: str, code: str, field: str, detail: str) -> None:
    body = msgspec.to_builtins(replace(report, raw=""), builtin_types=())
    values = (
        *(category, client, report.endpoint, report.source, report.service, report.key),
        *(msgspec.json.encode(body).decode(), report.raw, report.fingerprint, code, field[:200], detail),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO accounting_quarantinedreport AS q (category, client_id, endpoint, source, service, key, body,
                   raw, fingerprint, code, field, detail, status, attempts)
            VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, 'open', 1)
            ON CONFLICT (client_id, endpoint, source, service, key, fingerprint, category)
                  WHERE key IS NOT NULL AND status = 'open'
            DO UPDATE SET attempts = q.attempts + 1, code = excluded.code, field = excluded.field,
                          detail = excluded.detail
            """,
            values,
        )


def lock(pk: int) -> Kept:
    """The quarantined report, locked until the end of the surrounding database transaction.

    :raises NotFound: no such report.
    """
    row = QuarantinedReport.objects.select_for_update(of=("self",)).select_related("client").filter(pk=pk).first()
    if row is None:
        raise NotFound(f"there is no quarantined report {pk}", field="id")
    client = ServicePrincipal(
        row.client_id, row.client.issuer, row.client.client_id, row.client.subject, row.client.name
    )
    report = msgspec.convert(row.body, UsageReport, strict=False)
    mismatch = row.category == QuarantinedReport.Category.MISMATCH
    return Kept(row.pk, client, replace(report, raw=row.raw), row.status, mismatch)


def resolve(pk: int, report: int | None) -> None:
    """Closes it: booked as that report, or dismissed when there is none."""
    status = QuarantinedReport.Status.DISMISSED if report is None else QuarantinedReport.Status.REPLAYED
    QuarantinedReport.objects.filter(pk=pk).update(status=status, report=report, resolved_at=Now())


def count_attempt(pk: int, error: DomainError) -> None:
    """Records why a replay failed."""
    QuarantinedReport.objects.filter(pk=pk).update(
        attempts=F("attempts") + 1, code=error.code, field=error.field or "", detail=error.detail
    )


def open_reports(*, category: str = "unbookable", code: str | None = None) -> Sequence[int]:
    """Primary keys of what waits, oldest first."""
    rows = QuarantinedReport.objects.filter(status=QuarantinedReport.Status.OPEN, category=category)
    if code:
        rows = rows.filter(code=code)
    return list(rows.order_by("pk").values_list("pk", flat=True))
