"""The addresses of the pages for people."""

from __future__ import annotations

from django.urls import path

from portal.views import account, brand, compare, estimates, holds, jobs, pages, receipts, search, sign_in, styleguide
from portal.views import help as answers

urlpatterns = [
    path("", pages.landing, name="landing"),
    # Browsers ask for it beside documents that cannot name another, such as a receipt.
    path("favicon.ico", pages.favicon),
    path("oidc/authenticate/", sign_in.start, name="oidc_authentication_init"),
    path("oidc/callback/", sign_in.callback, name="oidc_authentication_callback"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("signed-out/", sign_in.signed_out, name="signed-out"),
    path("session-over/", sign_in.session_over, name="session-over"),
    path("theme/", account.choose_theme, name="theme"),
    path("language/", account.choose_language, name="language"),
    path("organisation/switch/", account.switch_organisation, name="switch-organisation"),
    path("notices/seen/", account.close_notices, name="notices-seen"),
    path("dashboard/", pages.dashboard, name="dashboard"),
    path("jobs/", jobs.job_list, name="jobs"),
    path("jobs/export.csv", jobs.as_csv, name="jobs-csv"),
    path("jobs/export.json", jobs.as_json, name="jobs-json"),
    # Sources contain slashes, so the last part is the job; a slash in a job id is written %2F.
    path("jobs/<path:source>/<str:job_id>", jobs.job, name="job"),
    path("receipts/<path:source>/<str:job_id>", receipts.receipt, name="receipt"),
    path("raw-reports/<path:source>/<str:job_id>", receipts.raw, name="raw-reports"),
    path("compare/", compare.compare, name="compare"),
    path("holds/", holds.hold_list, name="holds"),
    path("holds/<uuid:hold>/", holds.hold, name="hold"),
    path("estimates/", estimates.record, name="estimates"),
    path("profile/", account.profile, name="profile"),
    path("terms/", account.terms, name="terms"),
    path("search/", search.search, name="search"),
    path("help/", answers.topics, name="help"),
    path("help/<slug:slug>/", answers.topic, name="help-topic"),
    path("brand/<slug:version>/<str:name>", brand.part, name="brand"),
    path("styleguide/", styleguide.guide, name="styleguide"),
]
