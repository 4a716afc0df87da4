"""POST /quotes: what a job would cost, before it runs."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import quotes
from accounting.api.permissions import PeopleAndServices
from accounting.api.v1 import intake, openapi, parameters
from accounting.api.v1.balance import PRIVATE
from accounting.api.v1.intake import STATES_SHOWN
from accounting.api.v1.shapes import QuoteRequest
from accounting.api.v1.usage_reports import UsageReportView
from accounting.errors import DomainError
from accounting.principals import PersonPrincipal, ServicePrincipal


class QuoteView(APIView):
    """A back end asks for any user about its sources; a person for themself, about any source."""

    script_scopes = {"POST": "quotes:read"}
    permission_classes = [PeopleAndServices]
    free_ids = UsageReportView.free_ids
    #: It has no key, and another report of the same execution is no matter of a quote.
    impossible_faults = ("409",)

    @openapi.quote_usage
    def post(self, request: Request) -> Response:
        parameters.refuse_unknown(request)
        caller: object = request.user
        assert isinstance(caller, ServicePrincipal | PersonPrincipal)
        sent = intake.convert(request.data, QuoteRequest)
        report = intake.to_quote(sent, caller, request.body.decode())
        try:
            found = quotes.quote(caller if isinstance(caller, ServicePrincipal) else None, report)
        except DomainError as error:
            error.field = "at" if error.field == "finished_at" else error.field
            raise intake.to_client(error, kept=False) from None
        document = {"quote": True, **found.as_dict(), "state": STATES_SHOWN[found.state], "currency": "credits"}
        return Response(document, headers=PRIVATE)
