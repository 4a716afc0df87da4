"""The addresses of the pages for people."""

from __future__ import annotations

from django.urls import path

from portal.views import account, estimates, holds, jobs, pages, public, sign_in

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
    path("jobs/", jobs.job_list, name="jobs"),
    # Sources contain slashes, so the last part is the job; a slash in a job id is written %2F.
    path("jobs/<path:source>/<str:job_id>", jobs.job, name="job"),
    path("receipts/<path:source>/<str:job_id>", jobs.receipt, name="receipt"),
    path("holds/", holds.hold_list, name="holds"),
    path("holds/<uuid:hold>/", holds.hold, name="hold"),
    path("rates/", public.rates, name="rates"),
    path("rates/<slug:slug>/", public.rate_card, name="rate-card"),
    path("rates/<slug:slug>/<int:version>/", public.rate_version, name="rate-version"),
    path("backends/", public.backends, name="backends"),
    path("backends/<slug:slug>/", public.backend, name="backend"),
    path("estimate/", public.estimate, name="estimate-form"),
    path("estimates/", estimates.record, name="estimates"),
    path("profile/", account.profile, name="profile"),
    path("terms/", account.terms, name="terms"),
]
