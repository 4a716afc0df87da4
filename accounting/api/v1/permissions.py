"""Who may call what: 403 says which kind of token is needed, 404 hides what belongs to somebody else."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounting import organisations
from accounting.api.v1 import parameters
from accounting.errors import NotFound, PersonTokenNeeded, ServiceTokenNeeded
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


def organisations_of(request: Request) -> Collection[int]:
    """Those of which the caller is a member; with `?organisation=` only that one.

    :raises NotFound: the caller is no member of it, or it does not exist: nobody can tell which.
    """
    person = person_of(request)
    mine = {membership.organisation for membership in organisations.memberships(person.pk)}
    asked = _asked(request)
    if asked is None:
        return mine
    if asked not in mine:
        raise NotFound(f"there is no organisation {asked} of which you are a member", field="organisation")
    return {asked}


def organisation_of(request: Request) -> int:
    """The one named by `?organisation=`, else the caller's current one.

    :raises NotFound: as above.
    """
    if _asked(request) is None:
        return person_of(request).current_organisation
    return next(iter(organisations_of(request)))


def _asked(request: Request) -> int | None:
    text = request.query_params.get("organisation")
    if text is None:
        return None
    try:
        return parameters.read_whole(text)
    except ValueError as error:
        raise ValidationError({"organisation": str(error)}) from None
