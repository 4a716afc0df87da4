"""The addresses that back ends call. A report takes two statements: one that reads, one that writes everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import organisations, queries, registry, usage
from accounting.api.etl import faults, reading, schema
from accounting.api.permissions import OnlyPeople, OnlyServices, PeopleAndServices, service_of
from accounting.credits import to_number
from accounting.principals import PersonPrincipal, Principal, ServicePrincipal
from accounting.reports import UsageReport

_PRIVATE = {"Cache-Control": "no-store"}


class ETLView(APIView):
    """Errors in the shape of the existing service; see `portal.api.errors`."""

    error_style: ClassVar[str] = "etl"


class ReportView(ETLView):
    """Books one report. The stored answer goes out byte for byte, with 201 the first time and every other time."""

    permission_classes = [OnlyServices]
    http_method_names = ["post"]
    max_body_bytes: ClassVar[int] = 8 * 1024 * 1024
    """As long as a job's title may make it."""
    free_texts: ClassVar[frozenset[str]] = frozenset({"jobName"})
    """What the user wrote: nothing in it may cost the provider his money."""

    def book(self, request: Request, read: Callable[[Any, str], UsageReport]) -> HttpResponse:
        """:raises DomainError: the report is malformed, or cannot be booked and is kept."""
        client = service_of(request)
        report = read(request.data, request.body.decode())
        outcome = usage.ingest(client, [report], on_reuse="replay")[0]
        if outcome.error is not None:
            kept = outcome.status == "quarantined"
            raise faults.in_words_of_the_body(outcome.error, report, kept=kept) from outcome.error
        response = HttpResponse(outcome.answer, status=201, content_type="application/json")
        if outcome.status == "replayed":
            response["Idempotency-Replayed"] = "true"
        return response


class ResourcesView(ReportView):
    @schema.resources
    def post(self, request: Request) -> HttpResponse:
        return self.book(request, reading.read_resources)


class AddedValueView(ReportView):
    free_texts = ReportView.free_texts | {"service", "idempotencyKey"}

    @schema.added_value
    def post(self, request: Request) -> HttpResponse:
        return self.book(request, reading.read_added_value)


class UserView(ETLView):
    """The pre-check of a back end: what its user can spend, in the organisation that would pay."""

    permission_classes = [OnlyPeople]
    http_method_names = ["get", "head"]

    @schema.user
    def get(self, request: Request) -> Response:
        principal = cast(PersonPrincipal, request.user)
        # Somebody new gets an account here, with whatever a new account is given, and not at the first charge.
        person = organisations.ensure_person(principal.issuer, principal.sub)
        spendable = queries.balance(person.payer).spendable
        return Response({"credits": to_number(spendable)}, headers=_PRIVATE)


class PermissionsView(ETLView):
    permission_classes = [PeopleAndServices]
    http_method_names = ["get", "head"]

    @schema.permissions
    def get(self, request: Request) -> Response:
        return Response({"execution": may_execute(cast(Principal, request.user))}, headers=_PRIVATE)


def may_execute(principal: Principal) -> bool:
    """False only for a person whose paying organisation is below zero.

    That is when the federation's back ends may block processing; a client reports for others, and somebody we have not
    seen yet owes nothing.
    """
    if isinstance(principal, ServicePrincipal):
        return True
    person = organisations.find_person(principal.issuer, principal.sub)
    return person is None or queries.balance(person.payer).spendable >= 0


class ValidateAuthView(ETLView):
    """Any 2xx means "this client may report usage"; the body helps whoever sets a back end up."""

    permission_classes = [OnlyServices]
    http_method_names = ["get", "head"]

    @schema.validate_auth
    def get(self, request: Request) -> Response:
        client = service_of(request)
        body = {"status": "ok", "clientId": client.client_id, "sources": registry.sources_of(client.client)}
        return Response(body, headers=_PRIVATE)
