"""What a view that says nothing about its callers gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

if TYPE_CHECKING:  # DRF's views load this module through the settings
    from rest_framework.request import Request
    from rest_framework.views import APIView


class DenyAll(BasePermission):
    """The default: a view has to say who may call it, forgetting it opens nothing."""

    message = "Nobody may call this address."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False
