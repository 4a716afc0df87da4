"""Every address of the service, from the pieces that the apps bring."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from portal import slashes

handler400 = "portal.api.errors.bad_request"
handler403 = "portal.api.errors.permission_denied"
handler404 = "portal.api.errors.page_not_found"
handler500 = "portal.api.errors.server_error"

urlpatterns = [
    path("", include("portal.health")),
    path("", include("portal.api.urls")),
    # There are no local passwords: whoever is not staff is sent to the pages, not to a form that nobody can fill in.
    path(f"{settings.ADMIN_PATH}/login/", RedirectView.as_view(url=settings.LOGIN_URL, query_string=True)),
    path(f"{settings.ADMIN_PATH}/", admin.site.urls),
    path("", include("portal.views.urls")),
    *slashes.urlpatterns,
]
