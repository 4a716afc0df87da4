"""Who may do what in an organisation, said once (M1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

ROLES = ("owner", "manager", "developer", "viewer")
"""From the one who may do everything to the one who may only look."""


class Action(StrEnum):
    SEE = "see"
    RUN_JOBS = "run_jobs"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_PROJECTS = "manage_projects"
    MANAGE_LIMITS = "manage_limits"
    TRANSFER = "transfer"
    RENAME = "rename"
    HAND_OVER = "hand_over"
    CLOSE = "close"


_ALL = frozenset(ROLES)
_LEADS = frozenset({"owner", "manager"})
PERMISSIONS: Mapping[Action, frozenset[str]] = {
    Action.SEE: _ALL,
    Action.RUN_JOBS: _ALL - {"viewer"},
    Action.MANAGE_MEMBERS: _LEADS,
    Action.MANAGE_PROJECTS: _LEADS,
    Action.MANAGE_LIMITS: _LEADS,
    Action.TRANSFER: _LEADS,
    Action.RENAME: _LEADS,
    Action.HAND_OVER: frozenset({"owner"}),
    Action.CLOSE: frozenset({"owner"}),
}


def allows(role: str, action: Action) -> bool:
    return role in PERMISSIONS[action]


def assignable(role: str) -> tuple[str, ...]:
    """The roles that somebody of this role may give, and whose holders they may change or remove: none above it."""
    if not allows(role, Action.MANAGE_MEMBERS):
        return ()
    return ROLES[ROLES.index(role) :]
