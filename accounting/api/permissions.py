"""Which kind of token an address takes. Without a valid one the answer is 401, with another kind 403."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rest_framework.permissions import BasePermission

from accounting.errors import PersonTokenNeeded, ServiceTokenNeeded
from accounting.principals import PersonPrincipal, ServicePrincipal

if TYPE_CHECKING:  # DRF's views load permissions through the settings
    from rest_framework.request import Request
    from rest_framework.views import APIView


class _Kind(BasePermission):
    """No token is 401 (DRF's), a token of another kind is 403 with its own code."""

    kind: ClassVar[type]
    refusal: ClassVar[type[ServiceTokenNeeded | PersonTokenNeeded]]
    detail: ClassVar[str]

    def has_permission(self, request: Request, view: APIView) -> bool:
        caller: object = request.user
        if caller is not None and not isinstance(caller, self.kind):
            raise self.refusal(self.detail)
        return caller is not None


class OnlyServices(_Kind):
    kind = ServicePrincipal
    refusal = ServiceTokenNeeded
    detail = "send the client-credentials token of a registered back end; this one belongs to a person"


class OnlyPeople(_Kind):
    kind = PersonPrincipal
    refusal = PersonTokenNeeded
    detail = "send a person's access token; this one belongs to a back end, which has no credits of its own"


class PeopleAndServices(BasePermission):
    """Whoever has a valid token; what it shows is narrowed by the view."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user is not None


def service_of(request: Request) -> ServicePrincipal:
    """The caller of a view that is for services only."""
    caller: object = request.user
    assert isinstance(caller, ServicePrincipal)
    return caller
