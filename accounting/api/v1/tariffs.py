"""GET /tariffs and /tariffs/{tariff}: what back ends ask, for everybody to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import tariff_queries
from accounting.answers import trim
from accounting.api.v1 import addresses, caching, documents, openapi, parameters
from accounting.api.v1.filters import TariffFilter
from accounting.api.v1.lists import ListView
from accounting.errors import NotFound

if TYPE_CHECKING:
    from accounting.models import RatingRule, Tariff

CACHED_SECONDS = 60


class TariffsView(ListView):
    """The same for everybody."""

    authentication_classes = []
    permission_classes = [AllowAny]
    filterset_class = TariffFilter
    impossible_faults = ("401", "403")
    documented_faults = ("404",)

    @openapi.list_tariffs
    def get(self, request: Request) -> Response:
        return caching.public(request, self.page(request).data, CACHED_SECONDS)

    def get_queryset(self) -> QuerySet[Any]:
        return tariff_queries.versions()

    def document(self, row: Tariff) -> documents.PublishedTariff:
        return _document(row)


class TariffView(APIView):
    """The same for everybody."""

    authentication_classes = []
    permission_classes = [AllowAny]
    impossible_faults = ("401", "403")

    @openapi.read_tariff
    def get(self, request: Request, tariff: str) -> Response:
        parameters.refuse_unknown(request)
        try:
            row = tariff_queries.versions().filter(pk=parameters.read_whole(tariff)).first()
        except ValueError as error:
            raise ValidationError({"tariff": str(error)}) from None
        if row is None:
            raise NotFound("there is no such tariff", field="tariff")
        return caching.public(request, _document(row), CACHED_SECONDS)


def _document(row: Tariff) -> documents.PublishedTariff:
    backend = row.source.backend
    return documents.PublishedTariff(
        id=row.pk,
        name=row.name,
        version=row.version,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        source=row.source.source_id,
        backend=backend.slug,
        provider=backend.provider.name,
        note=row.note,
        published_at=row.published_at,
        rules=[_rule(rule) for rule in row.rules.all()],
        href=addresses.rate_card(backend.slug, row.source.source_id, row.version),
    )


def _rule(rule: RatingRule) -> documents.PublishedRule:
    return documents.PublishedRule(
        id=rule.pk,
        name=rule.name,
        model=rule.model,  # type: ignore[arg-type]  # the database holds nothing else
        price=trim(rule.price),
        terms=rule.terms,
        metric=rule.metric,
        unit=rule.canonical_unit,
        beneficiary=rule.beneficiary,
    )
