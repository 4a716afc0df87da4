"""The shipped addresses and two more, for comparison: they authenticate, parse the body, answer. Never shipped."""

from __future__ import annotations

import json

from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting.api.etl.views import ETLView
from accounting.api.permissions import OnlyServices
from portal.urls import handler400, handler403, handler404, handler500
from portal.urls import urlpatterns as shipped

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

ANSWER = json.dumps(
    [
        {
            "jobId": "j-1",
            "executionId": "application_1",
            "userId": "u1",
            "sourceId": "Rig/One",
            "orchestrator": "openeo",
            "state": "FINISHED",
            "status": "billed",
            "type": metric,
            "value": 53,
            "unit": "cpu-seconds",
            "cost": 0.022083,
            "date": "2026-01-11T08:30:05.000Z",
        }
        for metric in ("cpu", "memory", "time")
    ]
)


class EchoView(ETLView):
    permission_classes = [OnlyServices]
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        assert "jobId" in request.data
        return HttpResponse(ANSWER, status=201, content_type="application/json")


class EmptyView(APIView):
    permission_classes = [OnlyServices]

    def post(self, request: Request) -> Response:
        assert request.data
        return Response({})


urlpatterns = [*shipped, path("bench/echo", EchoView.as_view()), path("bench/empty", EmptyView.as_view())]
