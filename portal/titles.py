"""What roles, what they may do, and periods are called on pages and in mails."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from accounting.roles import Action

ROLE_TITLES = {
    "owner": gettext_lazy("Owner"),
    "manager": gettext_lazy("Manager"),
    "developer": gettext_lazy("Developer"),
    "viewer": gettext_lazy("Viewer"),
}
ACTION_TITLES = {
    Action.SEE: gettext_lazy("See credits, jobs and settings"),
    Action.RUN_JOBS: gettext_lazy("Run jobs on its credits"),
    Action.MANAGE_MEMBERS: gettext_lazy("Invite, change and remove members"),
    Action.MANAGE_PROJECTS: gettext_lazy("Manage projects and their budgets"),
    Action.MANAGE_LIMITS: gettext_lazy("Set limits"),
    Action.TRANSFER: gettext_lazy("Move budget between projects"),
    Action.RENAME: gettext_lazy("Rename the organisation"),
    Action.HAND_OVER: gettext_lazy("Hand the organisation over"),
    Action.CLOSE: gettext_lazy("Close the organisation"),
}
PERIOD_TITLES = {
    "month": gettext_lazy("A month"),
    "year": gettext_lazy("A year"),
    "total": gettext_lazy("In all"),
    "job": gettext_lazy("Each job"),
}
COUNTED = ("month", "year", "total")
"""Periods of which sums are kept."""
