"""Who may call what on the ETL API. Without a valid token the answer is 401, with the wrong kind of token 403."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

from accounting.principals import PersonPrincipal, ServicePrincipal

if TYPE_CHECKING:  # DRF's views load permissions through the settings
    from rest_framework.request import Request
    from rest_framework.views import APIView


class IsService(BasePermission):
    message = (
        "Only a back end's own client may call this: get a token with the client credentials of a registered client."
    )

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, ServicePrincipal)


class IsPerson(BasePermission):
    message = "This is about the person of the token: call it with the end user's access token, not with a client's."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, PersonPrincipal)


class HasToken(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, ServicePrincipal | PersonPrincipal)
