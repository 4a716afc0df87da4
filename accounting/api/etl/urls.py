"""The addresses of the ETL API below its mount: no trailing slash, never a redirect, which would turn POST into GET.

A back end whose base address ends in a slash calls `//resources`; that is served too, and documented once.
"""

from __future__ import annotations

from django.urls import URLPattern, path, re_path
from rest_framework.views import APIView

from accounting.api.etl import views

_VIEWS: dict[str, type[APIView]] = {
    "user": views.UserView,
    "user/permissions": views.PermissionsView,
    "validate/auth": views.ValidateAuthView,
    "resources": views.ResourcesView,
    "addedvalue": views.AddedValueView,
}


def _patterns(name: str, view: type[APIView]) -> list[URLPattern]:
    label = f"etl-{name.replace('/', '-')}"
    return [
        path(name, view.as_view(), name=label),
        re_path(f"^/+{name}$", view.as_view(schema=None), name=f"{label}-slashes"),
    ]


urlpatterns = [pattern for name, view in _VIEWS.items() for pattern in _patterns(name, view)]
