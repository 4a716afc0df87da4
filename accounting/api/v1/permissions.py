"""Who may call what. An answer 403 says which kind of token is needed; whose data it is, views decide with 404."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounting import organisations
from accounting.errors import PersonTokenNeeded, ServiceTokenNeeded
from accounting.organisations import PersonView
from accounting.principals import PersonPrincipal, ServicePrincipal


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


def person_of(request: Request) -> PersonView:
    """The caller of a view for people; an account is made at first sight, as by the first usage report."""
    caller: object = request.user
    assert isinstance(caller, PersonPrincipal)
    return organisations.ensure_person(caller.issuer, caller.sub)
