"""/holds: credits kept for a job, from the reservation to the last capture."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import captures, estimates, holds, queries, receipts, workloads
from accounting.api.permissions import OnlyServices, PeopleAndServices, service_of
from accounting.api.v1 import hold_documents, hold_intake, hold_openapi, intake, parameters
from accounting.api.v1.balance import PRIVATE
from accounting.api.v1.filters import HoldFilter
from accounting.api.v1.hold_details import as_opened, detail, seen_by
from accounting.api.v1.hold_shapes import Capture, Extension, Heartbeat, HoldRequest, Release
from accounting.api.v1.jobs import as_document
from accounting.api.v1.lists import ListView
from accounting.api.v1.usage_reports import JSON, KEY_HEADER
from accounting.captures import Running
from accounting.credits import to_text
from accounting.errors import InvalidInput, NotFound, Unbookable
from accounting.holds import Reserved
from accounting.models import Hold
from accounting.usage import Outcome
from accounting.workloads import Workload

FREE_IDS = frozenset({"metrics.*.process", "metrics.*.collection"})
REPLAYED = {"Idempotency-Replayed": "true"}


class HoldsView(ListView):
    script_scopes = {"GET": "holds:read"}
    permission_classes = [PeopleAndServices]
    filterset_class = HoldFilter
    documented_faults = ("404",)
    documented_post_faults = ("402",)
    ordering = ("-id",)

    def get_permissions(self) -> Any:
        return [OnlyServices()] if self.request.method == "POST" else super().get_permissions()

    @hold_openapi.list_holds
    def get(self, request: Request) -> Response:
        return self.page(request)

    def get_queryset(self) -> QuerySet[Any]:
        organisations, client = seen_by(self.request)
        return queries.holds(organisations=organisations, client=client)

    def document(self, row: Hold) -> hold_documents.HoldDetail:
        return detail(row)

    @hold_openapi.open_hold
    def post(self, request: Request) -> Response:
        parameters.refuse_unknown(request)
        key = intake.read_key(request.headers.get(KEY_HEADER), KEY_HEADER)
        sent = intake.convert(request.data, HoldRequest)
        made = holds.reserve(service_of(request), hold_intake.request(sent, key))
        _remember(made, hold_intake.workload(sent.workload))
        document = as_opened(made)
        headers = {**PRIVATE, "Location": document.href} | (REPLAYED if made.replayed else {})
        return Response(document, status=201, headers=headers)


def _remember(made: Reserved, workload: Workload | None) -> None:
    """What the job is to do and will probably cost, to be compared with what it did cost (E3)."""
    if workload is None:
        return
    source, person = Hold.objects.values_list("source_id", "person_id").get(pk=made.pk)
    workloads.record(source, made.job_id, made.execution_id, person, workload)
    for one in estimates.estimate(workload, [made.source]):
        estimates.remember(source, made.job_id, made.execution_id, person, one)


class HoldView(APIView):
    script_scopes = {"GET": "holds:read"}
    permission_classes = [PeopleAndServices]

    @hold_openapi.read_hold
    def get(self, request: Request, hold: str) -> Response:
        parameters.refuse_unknown(request)
        return Response(detail(_find(request, hold)), headers=PRIVATE)


class HoldReceiptView(APIView):
    script_scopes = {"GET": "holds:read"}
    permission_classes = [PeopleAndServices]

    @hold_openapi.read_hold_receipt
    def get(self, request: Request, hold: str) -> Response:
        parameters.refuse_unknown(request)
        row = _find(request, hold)
        family = {row.pk: row.uuid} | dict(row.children.values_list("pk", "uuid"))
        explained = receipts.of_holds(family)
        parts = {str(uuid): sum(one.cost for one in explained[pk] if not one.reversal) for pk, uuid in family.items()}
        document = hold_documents.HoldReceipt(
            id=str(row.uuid),
            cost=to_text(sum(parts.values())),
            currency="credits",
            parts={uuid: to_text(cost) for uuid, cost in parts.items()},
            receipts=[as_document(one) for pk in family for one in explained[pk]],  # type: ignore[misc]
        )
        return Response(document, headers=PRIVATE)


def _find(request: Request, hold: str) -> Hold:
    """:raises NotFound: there is none that the caller may see."""
    organisations, client = seen_by(request)
    row = queries.holds(organisations=organisations, client=client).filter(uuid=_uuid(hold)).first()
    if row is None:
        raise NotFound("there is no such hold that you may see", field="id")
    return row


def _uuid(text: str) -> Any:
    try:
        return hold_intake.uuid(text, "id")
    except InvalidInput:
        raise NotFound("there is no such hold that you may see", field="id") from None


class _Deed(APIView):
    """Something that a back end does with a hold of its sources."""

    permission_classes = [OnlyServices]

    def detail(self, request: Request, hold: Any) -> hold_documents.HoldDetail:
        return detail(queries.holds(client=service_of(request).client).get(uuid=hold))


class HeartbeatView(_Deed):
    free_ids = FREE_IDS
    optional_body = True

    @hold_openapi.beat
    def post(self, request: Request, hold: str) -> Response:
        parameters.refuse_unknown(request)
        client, uuid = service_of(request), _uuid(hold)
        sent = intake.convert(request.data, Heartbeat)
        lines = hold_intake.lines(sent.metrics)
        key = request.headers.get(KEY_HEADER)
        if sent.capture or key is not None:
            key = intake.read_key(key, KEY_HEADER)
        report = None
        if sent.capture and key:
            raw = request.body.decode()
            outcome = captures.capture(client, uuid, lines, key=key, raw=raw, final=False)
            report = msgspec.json.decode(_booked(outcome).answer)
        try:
            running = captures.heartbeat(client, uuid, lines, lifetime=hold_intake.lifetime(sent.expires_in))
        except Unbookable as error:
            raise intake.to_client(error, kept=False) from error
        return Response(_pulse(running, report), headers=PRIVATE)


def _booked(outcome: Outcome) -> Outcome:
    """:raises DomainError: it was not."""
    if outcome.error:
        raise intake.to_client(outcome.error, kept=False)
    return outcome


def _pulse(running: Running, report: Any) -> hold_documents.Pulse:
    verdict = running.verdict
    return hold_documents.Pulse(
        id=str(running.id),
        decision=verdict.decision,
        reason=verdict.reason,
        detail=verdict.detail,
        used=to_text(running.used),
        captured=to_text(running.captured),
        kept=to_text(running.remaining),
        left=to_text(verdict.left),
        budget=None if running.budget is None else to_text(running.budget),
        expires_at=running.expires_at,
        report=report,
    )


class CaptureView(_Deed):
    free_ids = FREE_IDS

    @hold_openapi.capture
    def post(self, request: Request, hold: str) -> HttpResponse:
        parameters.refuse_unknown(request)
        key = intake.read_key(request.headers.get(KEY_HEADER), KEY_HEADER)
        sent = intake.convert(request.data, Capture)
        outcome = captures.capture(
            service_of(request),
            _uuid(hold),
            hold_intake.lines(sent.metrics),
            key=key,
            raw=request.body.decode(),
            final=sent.final,
            state=intake.STATES[sent.state or ("finished" if sent.final else "running")],
            kind=sent.kind,
            execution_id=intake.identifier(sent.execution_id, "execution_id"),
            finished_at=intake.instant(sent.finished_at, "finished_at"),
        )
        headers = REPLAYED if _booked(outcome).status == "replayed" else {}
        return HttpResponse(outcome.answer, status=201, content_type=JSON, headers={**PRIVATE, **headers})


class ExtendView(_Deed):
    documented_post_faults = ("402",)

    @hold_openapi.extend
    def post(self, request: Request, hold: str) -> Response:
        parameters.refuse_unknown(request)
        key = intake.read_key(request.headers.get(KEY_HEADER), KEY_HEADER)
        amount = hold_intake.amount(intake.convert(request.data, Extension).amount, "amount")
        made = holds.extend(service_of(request), _uuid(hold), amount, key)
        headers = {**PRIVATE} | (REPLAYED if made.replayed else {})
        return Response(self.detail(request, made.id), headers=headers)


class ReleaseView(_Deed):
    optional_body = True

    @hold_openapi.release
    def post(self, request: Request, hold: str) -> Response:
        parameters.refuse_unknown(request)
        reason = intake.convert(request.data, Release).reason
        made = holds.release(service_of(request), _uuid(hold), reason)
        return Response(self.detail(request, made.id), headers=PRIVATE)
