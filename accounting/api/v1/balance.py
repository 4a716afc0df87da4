"""GET /balance: what a person's organisation has, now or at any instant."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.conf import settings
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import history, queries
from accounting.api.permissions import OnlyPeople
from accounting.api.v1 import documents, openapi, parameters
from accounting.api.v1.permissions import organisation_of
from accounting.credits import to_decimal, to_text
from accounting.queries import Balance, GrantView

PRIVATE = {"Cache-Control": "no-store"}


class BalanceView(APIView):
    script_scopes = {"GET": "balance:read"}
    permission_classes = [OnlyPeople]
    documented_faults = ("404",)

    @openapi.read_balance
    def get(self, request: Request) -> Response:
        parameters.refuse_unknown(request, frozenset({"organisation", "at"}))
        organisation = organisation_of(request)
        balance = queries.balance(organisation)
        grants = queries.open_grants(organisation)
        if (text := request.query_params.get("at")) is not None:
            try:
                at = parameters.read_instant(text)
            except ValueError as error:
                raise ValidationError({"at": str(error)}) from None
            if at > balance.as_of:
                raise ValidationError({"at": "That instant has not come yet."})
            balance, grants = history.balance(organisation, at)
        return Response(_document(balance, grants), headers=PRIVATE)


def _document(balance: Balance, grants: Sequence[GrantView]) -> documents.Balance:
    slugs = {one.id: one.slug for one in queries.backends()} if any(grant.backends for grant in grants) else {}
    return documents.Balance(
        organisation=balance.organisation,
        posted=to_text(balance.posted),
        held=to_text(balance.held),
        spendable=to_text(balance.spendable),
        debt=to_text(balance.debt),
        currency="credits",
        euro=documents.Euro(_plain(settings.CREDIT_EURO), _euro(balance.posted), _euro(balance.spendable)),
        as_of=balance.as_of,
        grants=[_grant(grant, slugs) for grant in grants],
    )


def _grant(grant: GrantView, slugs: dict[int, str]) -> documents.Grant:
    return documents.Grant(
        id=grant.id,
        kind=grant.kind,  # type: ignore[arg-type]  # the database holds nothing else
        label=grant.label,
        fund=grant.fund,
        amount=to_text(grant.amount),
        remaining=to_text(grant.remaining),
        held=to_text(grant.held),
        priority=grant.priority,
        issued_at=grant.issued_at,
        expires_at=grant.expires_at,
        scope=documents.Scope([slugs[pk] for pk in grant.backends if pk in slugs], list(grant.processes)),
    )


def _euro(micros: int) -> str:
    return _plain(to_decimal(micros) * settings.CREDIT_EURO)


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}" if amount else "0"
