"""What was changed of an organisation, by whom and when: written with the change, never changed itself (M6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet

from accounting.models import AuditEntry


class Change(StrEnum):
    """Everything that can be done to an organisation."""

    CREATED = "organisation.created"
    RENAMED = "organisation.renamed"
    CLOSED = "organisation.closed"
    SUSPENDED = "organisation.suspended"
    RESUMED = "organisation.resumed"
    RULES_SET = "organisation.rules_set"
    MEMBER_ADDED = "member.added"
    MEMBER_JOINED = "member.joined"
    ROLE_CHANGED = "member.role_changed"
    MEMBER_REMOVED = "member.removed"
    MEMBER_LEFT = "member.left"
    HANDED_OVER = "member.handed_over"
    INVITED = "invitation.created"
    INVITED_AGAIN = "invitation.resent"
    INVITATION_REVOKED = "invitation.revoked"
    INVITATION_DECLINED = "invitation.declined"
    PROJECT_CREATED = "project.created"
    PROJECT_RENAMED = "project.renamed"
    PROJECT_ARCHIVED = "project.archived"
    PROJECT_RESTORED = "project.restored"
    LIMIT_SET = "limit.set"
    LIMIT_REMOVED = "limit.removed"
    BUDGET_SET = "budget.set"
    BUDGET_REMOVED = "budget.removed"
    BUDGET_MOVED = "budget.moved"


def record(organisation: int, change: Change, actor: int | None, facts: Mapping[str, Any] | None = None) -> None:
    """Call it in the transaction of the change. `actor` None: the operators.

    `facts` hold numbers, codes and names of things; of people only their number.
    """
    AuditEntry.objects.create(organisation_id=organisation, actor_id=actor, action=change, facts=dict(facts or {}))


def entries(
    organisation: int,
    *,
    change: str = "",
    actor: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEntry]:
    """Those of the organisation that fit, to be read newest first by (recorded_at, pk); `until` is exclusive."""
    rows = AuditEntry.objects.filter(organisation_id=organisation).order_by("-recorded_at", "-pk")
    if change:
        rows = rows.filter(action=change)
    if actor is not None:
        rows = rows.filter(actor_id=actor)
    if since:
        rows = rows.filter(recorded_at__gte=since)
    return rows.filter(recorded_at__lt=until) if until else rows


def actors(organisation: int) -> list[int]:
    """Everybody who ever changed something of it; at most as many as it had members."""
    found = AuditEntry.objects.filter(organisation_id=organisation, actor__isnull=False).order_by()
    return sorted(found.values_list("actor_id", flat=True).distinct())
