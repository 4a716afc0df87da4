"""GET /callbacks and /callbacks/deliveries: where a back end is called, and what it was or will be told."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import callbacks
from accounting.api.permissions import OnlyServices, service_of
from accounting.api.v1 import documents, openapi, parameters
from accounting.api.v1.balance import PRIVATE
from accounting.api.v1.lists import ListView
from accounting.errors import NotFound


class CallbackView(APIView):
    permission_classes = [OnlyServices]
    documented_faults = ("404",)

    @openapi.read_callback
    def get(self, request: Request) -> Response:
        parameters.refuse_unknown(request)
        found = callbacks.find(service_of(request).client)
        if found is None:
            raise NotFound("no callback is registered for you; ask the operators of the federation")
        document = documents.Callback(
            url=found.url,
            active=found.active,
            created_at=found.created_at,
            rotated_at=found.rotated_at,
            failures=found.failures,
        )
        return Response(document, headers=PRIVATE)


class CallbackDeliveriesView(ListView):
    permission_classes = [OnlyServices]
    ordering = ("-id",)

    @openapi.list_callback_deliveries
    def get(self, request: Request) -> Response:
        return self.page(request)

    def get_queryset(self) -> QuerySet[Any]:
        return callbacks.deliveries(service_of(self.request).client)

    def document(self, row: Any) -> documents.CallbackDelivery:
        is_pending = row.delivered_at is None and row.abandoned_at is None
        return documents.CallbackDelivery(
            id=str(row.uuid),
            kind=row.kind,
            created_at=row.created_at,
            attempts=row.attempts,
            delivered_at=row.delivered_at,
            abandoned_at=row.abandoned_at,
            last_status=row.last_status,
            next_at=row.due_at if is_pending else None,
        )
