"""Addresses for tests of the shell alone: a view that says who called, and one that fails as it is told."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from django.urls import path
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting.principals import ServicePrincipal
from portal.urls import handler400, handler403, handler404, handler500
from portal.urls import urlpatterns as portal_urls

__all__ = ["handler400", "handler403", "handler404", "handler500"]


class WhoAmI(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        user: Any = request.user
        kind = "service" if isinstance(user, ServicePrincipal) else "person"
        subject = user.subject if isinstance(user, ServicePrincipal) else user.sub
        return Response({"kind": kind, "issuer": user.issuer, "subject": subject})


class EtlWhoAmI(WhoAmI):
    error_style = "etl"


class Echo(APIView):
    permission_classes = [AllowAny]
    max_body_bytes = 2000

    def post(self, request: Request) -> Response:
        return Response({"data": request.data, "bytes": len(request.body)})


class Failing(APIView):
    """Raises what the test puts here."""

    permission_classes = [AllowAny]
    error: ClassVar[BaseException] = RuntimeError("unset")

    def get(self, request: Request) -> Response:
        raise self.error


class FailingEtl(Failing):
    error_style = "etl"


class FailingOpenEO(Failing):
    error_style = "openeo"


class Silent(APIView):
    """Says nothing about who may call it."""

    def get(self, request: Request) -> Response:
        return Response({})


def failing_page(request: object) -> HttpResponse:
    raise Failing.error


urlpatterns = [
    path("probe/who", WhoAmI.as_view()),
    path("probe/etl-who", EtlWhoAmI.as_view()),
    path("probe/echo", Echo.as_view()),
    path("probe/fail", Failing.as_view()),
    path("probe/fail-etl", FailingEtl.as_view()),
    path("probe/fail-openeo", FailingOpenEO.as_view()),
    path("probe/silent", Silent.as_view()),
    path("api/v1/probe/echo", Echo.as_view()),
    path("api/v1/probe/page", failing_page),
    path("api/v1/openeo/probe/page", failing_page),
    path("probe/page", failing_page),
    *portal_urls,
]
