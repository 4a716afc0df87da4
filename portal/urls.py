"""Every address of the service, from the pieces that the apps bring."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import include, path

from portal import health

handler400 = "portal.api.errors.bad_request"
handler403 = "portal.api.errors.permission_denied"
handler404 = "portal.api.errors.page_not_found"
handler500 = "portal.api.errors.server_error"

urlpatterns = [
    path("health", health.alive),
]
for prefix, module in (("", "accounting.api.etl.urls"), ("api/v1/", "accounting.api.v1.urls"), ("", "portal.views.urls")):
    package = module.rpartition(".")[0]
    if find_spec(package.rpartition(".")[0]) and find_spec(package) and find_spec(module):
        urlpatterns.append(path(prefix, include(module)))
