"""POST /usage-reports and /usage-reports/batch: what was used, once."""

from __future__ import annotations

from urllib.parse import quote

from django.db import OperationalError
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from accounting import booking, usage
from accounting.api.permissions import OnlyServices, service_of
from accounting.api.v1 import batches, intake, openapi, parameters
from accounting.api.v1.shapes import UsageReport
from accounting.errors import IdempotencyInProgress
from accounting.principals import ServicePrincipal
from accounting.reports import UsageReport as Report
from accounting.usage import Outcome

JSON = "application/json"
KEY_HEADER = "Idempotency-Key"
DRY_RUN = "dry_run"
LOCK_TIMEOUT = "55P03"


class UsageReportView(APIView):
    """One report."""

    permission_classes = [OnlyServices]
    max_body_bytes = 8 * 1024 * 1024
    """As long as a job's title may make it."""
    free_texts = frozenset({"job_title", "workload"})
    free_ids = frozenset({"project", "metrics.*.process", "metrics.*.collection"})

    @openapi.report_usage
    def post(self, request: Request) -> HttpResponse:
        parameters.refuse_unknown(request, frozenset({DRY_RUN}))
        dry = parameters.read_switch(request, DRY_RUN)
        key = request.headers.get(KEY_HEADER)
        if key is not None or not dry:
            key = intake.read_key(key, KEY_HEADER)
        sent = intake.convert(request.data, UsageReport)
        report = intake.to_report(sent, key, request.body.decode())
        client = service_of(request)
        outcome = usage.quote(client, [report])[0] if dry else _book(client, report)
        if outcome.error:
            intake.link_originals([outcome.error])
            raise intake.to_client(outcome.error, kept=outcome.status == "quarantined" and not dry)
        headers = {} if dry else {"Location": f"/api/v1/jobs/{quote(report.source)}/{quote(report.job_id)}"}
        if outcome.status == "replayed":
            headers["Idempotency-Replayed"] = "true"
        return HttpResponse(outcome.answer, status=200 if dry else 201, content_type=JSON, headers=headers)


def _book(client: ServicePrincipal, report: Report) -> Outcome:
    try:
        return usage.ingest(client, [report], on_reuse="refuse")[0]
    except OperationalError as error:
        if _sqlstate(error) == LOCK_TIMEOUT and booking.is_running(client, report):
            raise IdempotencyInProgress(
                "the first request with this key is not finished; send the same again", retry_after=1
            ) from error
        raise


def _sqlstate(error: Exception) -> str | None:
    return getattr(error.__cause__, "pgcode", None)


def _inside(names: frozenset[str]) -> frozenset[str]:
    """The same members of each report of a batch, and of each event's."""
    return frozenset(f"{report}.{name}" for report in ("reports.*", "*.data") for name in names)


class UsageReportBatchView(APIView):
    """Up to 1,000 reports, each with an outcome of its own."""

    permission_classes = [OnlyServices]
    max_body_bytes = 8 * 1024 * 1024
    extra_media_types = (batches.CLOUD_EVENTS,)
    free_texts = _inside(UsageReportView.free_texts)
    free_ids = _inside(UsageReportView.free_ids)

    @openapi.report_usage_batch
    def post(self, request: Request) -> HttpResponse:
        parameters.refuse_unknown(request, frozenset({DRY_RUN}))
        dry = parameters.read_switch(request, DRY_RUN)
        header = request.headers.get(KEY_HEADER)
        if header is not None:
            intake.read_key(header, KEY_HEADER)
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        events = media_type == batches.CLOUD_EVENTS
        items = batches.read(request.data, request.body, header, events=events, keyless=dry)
        answer, status, replayed = batches.ingest(service_of(request), items, dry=dry)
        headers = {"Idempotency-Replayed": "true"} if replayed else {}
        return HttpResponse(answer, status=status, content_type=JSON, headers=headers)
