"""The addresses of the pages for people."""

from __future__ import annotations

from django.urls import path

from portal.views import account, estimates, holds, jobs, pages, sign_in, usage, usage_views

urlpatterns = [
    path("", pages.landing, name="landing"),
    # Browsers ask for it beside documents that cannot name another, such as a receipt.
    path("favicon.ico", pages.favicon),
    path("oidc/authenticate/", sign_in.start, name="oidc_authentication_init"),
    path("oidc/callback/", sign_in.callback, name="oidc_authentication_callback"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("signed-out/", sign_in.signed_out, name="signed-out"),
    path("theme/", account.choose_theme, name="theme"),
    path("language/", account.choose_language, name="language"),
    path("organisation/switch/", account.switch_organisation, name="switch-organisation"),
    path("notices/seen/", account.close_notices, name="notices-seen"),
    path("dashboard/", pages.dashboard, name="dashboard"),
    path("usage/", usage.usage, name="usage"),
    path("usage/values/<slug:dimension>/", usage.values, name="usage-values"),
    path("usage/export.<slug:form>", usage.export, name="usage-export"),
    path("usage/entries/", usage.entries, name="usage-entries"),
    path("usage/entries/export.<slug:form>", usage.entries_export, name="usage-entries-export"),
    path("usage/views/", usage_views.view_list, name="usage-views"),
    path("usage/views/default/", usage_views.choose_default, name="usage-views-default"),
    path("usage/views/<uuid:view>/", usage_views.view, name="usage-view"),
    path("usage/views/<uuid:view>/change/", usage_views.change, name="usage-view-change"),
    path("usage/views/<uuid:view>/delete/", usage_views.delete, name="usage-view-delete"),
    path("jobs/", jobs.job_list, name="jobs"),
    # Sources contain slashes, so the last part is the job; a slash in a job id is written %2F.
    path("jobs/<path:source>/<str:job_id>", jobs.job, name="job"),
    path("receipts/<path:source>/<str:job_id>", jobs.receipt, name="receipt"),
    path("holds/", holds.hold_list, name="holds"),
    path("holds/<uuid:hold>/", holds.hold, name="hold"),
    path("estimates/", estimates.record, name="estimates"),
    path("profile/", account.profile, name="profile"),
    path("terms/", account.terms, name="terms"),
]
