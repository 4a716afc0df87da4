"""The addresses of the pages for people."""

from __future__ import annotations

from django.urls import path

from portal.views import account, estimates, holds, jobs, pages, personal_data, profile, sign_in

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
    path("estimates/", estimates.record, name="estimates"),
    path("profile/", profile.profile, name="profile"),
    path("profile/tokens/", profile.token_list, name="profile-tokens"),
    path("profile/tokens/new/", profile.token_new, name="profile-token-new"),
    path("profile/tokens/<int:token>/revoke/", profile.token_revoke, name="profile-token-revoke"),
    path("profile/data/", personal_data.data, name="profile-data"),
    path("profile/data/export/", personal_data.export, name="profile-export"),
    path("profile/data/export/<uuid:export>/", personal_data.download, name="profile-export-download"),
    path("profile/data/erase/", personal_data.erase, name="profile-erase"),
    path("profile/erased/", personal_data.erased, name="erased"),
    path("terms/", account.terms, name="terms"),
]
