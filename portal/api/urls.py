"""The addresses of both APIs, their descriptions and the meaning of their problems."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from portal.api import problems, schema

_ETL = f"{settings.ETL_MOUNT}/" if settings.ETL_MOUNT else ""

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{_ETL}docs/", schema.documentation_view, {"which": "etl"}, name="etl_documentation"),
    path(f"{_ETL}docs/openapi.json", schema.schema_view, {"which": "etl"}, name="etl_schema"),
    path("api/v1/docs/", schema.documentation_view, {"which": "v1"}, name="v1_documentation"),
    path("api/v1/openapi.json", schema.schema_view, {"which": "v1"}, name="v1_schema"),
    path("api/v1/", include("accounting.api.v1.urls")),
    path("problems/", problems.index, name="problems"),
    path("problems/<slug:code>", problems.show, name="problem"),
    path(_ETL, include("accounting.api.etl.urls")),
]
