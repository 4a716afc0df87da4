"""GET /entries: every change of a wallet, newest first."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounting import queries
from accounting.api.permissions import OnlyPeople
from accounting.api.v1 import addresses, documents, openapi
from accounting.api.v1.filters import EntryFilter
from accounting.api.v1.lists import ListView
from accounting.api.v1.permissions import organisation_of
from accounting.credits import to_text


class EntriesView(ListView):
    script_scopes = {"GET": "entries:read"}
    permission_classes = [OnlyPeople]
    documented_faults = ("404",)
    filterset_class = EntryFilter
    #: Numbers of one wallet: no two rows share one, so pages neither repeat nor miss any.
    ordering = ("-seq",)

    @openapi.list_entries
    def get(self, request: Request) -> Response:
        return self.page(request)

    def get_queryset(self) -> QuerySet[Any]:
        return queries.entries([organisation_of(self.request)])

    def document(self, row: Any) -> documents.Entry:
        # A reversal has no report of its own: it belongs to the job whose charge it gives back.
        report = getattr(row.transaction, "report", None) or getattr(row.transaction.reverses, "report", None)
        return documents.Entry(
            organisation=row.account.organisation_id or 0,
            seq=row.seq,
            amount=to_text(row.amount),
            balance_after=to_text(row.balance_after or 0),
            recorded_at=row.recorded_at,
            occurred_at=row.transaction.occurred_at,
            transaction=row.transaction_id,
            kind=row.transaction.kind,
            purpose=row.purpose,
            source=report.job.source.source_id if report else None,
            job_id=report.job.job_id if report else None,
            job=addresses.job(report.job.source.source_id, report.job.job_id) if report else None,
        )
