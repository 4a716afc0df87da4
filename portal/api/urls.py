"""The addresses of both APIs, their descriptions and the meaning of their problems."""

from __future__ import annotations

from importlib.util import find_spec

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from portal.api import problems, schema

_ETL = f"{settings.ETL_MOUNT}/" if settings.ETL_MOUNT else ""

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{_ETL}docs/", schema.documentation_view, {"which": "etl"}, name="etl_documentation"),
    path(f"{_ETL}docs/openapi.json", schema.schema_view, {"which": "etl"}, name="etl_schema"),
    path("api/v1/docs/", schema.documentation_view, {"which": "v1"}, name="v1_documentation"),
    path("api/v1/openapi.json", schema.schema_view, {"which": "v1"}, name="v1_schema"),
    path("problems/", problems.index, name="problems"),
    path("problems/<slug:code>", problems.show, name="problem"),
]
for _prefix, _name in (("api/v1/", "v1"), (_ETL, "etl")):
    if find_spec("accounting.api") and find_spec(f"accounting.api.{_name}") and find_spec(f"accounting.api.{_name}.urls"):
        urlpatterns.append(path(_prefix, include(f"accounting.api.{_name}.urls")))
