"""The addresses of the pages for people."""

from __future__ import annotations

from django.urls import path

from portal.views import (
    account,
    estimates,
    holds,
    invitations,
    jobs,
    organisation,
    organisation_audit,
    organisation_limits,
    organisation_members,
    organisation_projects,
    pages,
    sign_in,
)

TEAM = "organisation/"

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
    path("profile/", account.profile, name="profile"),
    path("terms/", account.terms, name="terms"),
    path(TEAM, organisation.overview, name="organisation"),
    path(f"{TEAM}new/", organisation.create, name="organisation-new"),
    path(f"{TEAM}rename/", organisation.rename, name="organisation-rename"),
    path(f"{TEAM}hand-over/", organisation.hand_over, name="organisation-hand-over"),
    path(f"{TEAM}leave/", organisation.leave, name="organisation-leave"),
    path(f"{TEAM}close/", organisation.close, name="organisation-close"),
    path(f"{TEAM}members/", organisation_members.member_list, name="organisation-members"),
    path(f"{TEAM}members/invite/", organisation_members.invite, name="organisation-invite"),
    path(f"{TEAM}members/<int:person>/role/", organisation_members.change_role, name="organisation-role"),
    path(f"{TEAM}members/<int:person>/remove/", organisation_members.remove, name="organisation-remove"),
    path(f"{TEAM}invitations/<int:invitation>/resend/", organisation_members.resend, name="organisation-resend"),
    path(f"{TEAM}invitations/<int:invitation>/revoke/", organisation_members.revoke, name="organisation-revoke"),
    path(f"{TEAM}projects/", organisation_projects.project_list, name="organisation-projects"),
    path(f"{TEAM}projects/new/", organisation_projects.create, name="organisation-project-new"),
    path(f"{TEAM}project/<slug:slug>/", organisation_projects.project, name="organisation-project"),
    path(f"{TEAM}project/<slug:slug>/rename/", organisation_projects.rename, name="organisation-project-rename"),
    path(f"{TEAM}project/<slug:slug>/archive/", organisation_projects.archive, name="organisation-project-archive"),
    path(f"{TEAM}project/<slug:slug>/restore/", organisation_projects.restore, name="organisation-project-restore"),
    path(f"{TEAM}project/<slug:slug>/budget/", organisation_projects.set_budget, name="organisation-budget"),
    path(
        f"{TEAM}project/<slug:slug>/budget/<str:period>/remove/",
        organisation_projects.remove_budget,
        name="organisation-budget-remove",
    ),
    path(f"{TEAM}limits/", organisation_limits.limit_list, name="organisation-limits"),
    path(f"{TEAM}limits/set/", organisation_limits.set_limit, name="organisation-limit-set"),
    path(f"{TEAM}limits/<int:limit>/remove/", organisation_limits.remove_limit, name="organisation-limit-remove"),
    path(f"{TEAM}transfers/", organisation_projects.transfers, name="organisation-transfers"),
    path(f"{TEAM}transfers/move/", organisation_projects.transfer, name="organisation-transfer"),
    path(f"{TEAM}audit/", organisation_audit.audit_log, name="organisation-audit"),
    path(f"{TEAM}audit.csv", organisation_audit.audit_csv, name="organisation-audit-csv"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
]
