"""What the lists share: known parameters only, a page by cursor, nothing cached on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from django.db.models import QuerySet
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounting.api.v1 import parameters
from accounting.api.v1.balance import PRIVATE


class ListView(ABC, GenericAPIView[Any]):
    """`get_queryset` gives what the caller may see; filters and pages come from the settings."""

    metadata_class = None  # OPTIONS is no operation of ours; DRF's would look for a serializer

    def page(self, request: Request) -> Response:
        parameters.refuse_unclear(request)
        rows: QuerySet[Any] = self.filter_queryset(self.get_queryset())
        found = self.paginate_queryset(rows)
        response = self.get_paginated_response([self.document(row) for row in found or []])
        for name, value in PRIVATE.items():
            response[name] = value
        return response

    @abstractmethod
    def document(self, row: Any) -> Any:
        """A row as the API shows it."""
