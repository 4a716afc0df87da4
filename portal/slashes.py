"""Addresses that people type without their last slash: read there, and only there, they lead to the slashed one.

APPEND_SLASH would do so for every address, and turn the POST of a back end into a GET.
"""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, path
from django.views.generic import RedirectView

_ETL = f"{settings.ETL_MOUNT}/" if settings.ETL_MOUNT else ""

_SHORT = {
    f"{_ETL}docs": "etl_documentation",
    "api/v1/docs": "v1_documentation",
    "dashboard": "dashboard",
    "help": "help",
    "jobs": "jobs",
    "usage": "usage",
    "profile": "profile",
    "search": "search",
    "terms": "terms",
}

urlpatterns: list[URLPattern] = [
    path(
        short,
        RedirectView.as_view(
            pattern_name=name, permanent=True, query_string=True, http_method_names=["get", "head", "options"]
        ),
    )
    for short, name in _SHORT.items()
]
