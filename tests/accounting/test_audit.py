"""Every change of an organisation leaves one entry, which nobody changes (M6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from accounting import audit, limits, members, organisations, projects
from accounting.audit import Change
from accounting.limits import Move, Terms
from accounting.models import AuditEntry
from tests.accounting.books import micros
from tests.conftest import ISSUER, Federation

INVITATIONS = {Change.INVITED, Change.INVITED_AGAIN, Change.INVITATION_REVOKED, Change.INVITATION_DECLINED}
"""Tried in tests/portal/test_invitations.py."""


def newcomer() -> int:
    return organisations.ensure_person(ISSUER, "dora@egi.eu").pk


def alps(federation: Federation) -> int:
    return limits.create_project(federation.lab, "alps", "Alps")


Deed = Callable[[Federation, int], Any]
DEEDS: dict[Change, Deed] = {
    Change.RENAMED: lambda f, lab: organisations.rename(lab, "Geo", actor=f.bob.pk),
    Change.CLOSED: lambda f, lab: organisations.close(lab, actor=f.bob.pk),
    Change.SUSPENDED: lambda f, lab: limits.suspend(lab, "unpaid"),
    Change.RESUMED: lambda f, lab: limits.resume(lab),
    Change.RULES_SET: lambda f, lab: limits.set_rules(lab, overdraft=5),
    Change.MEMBER_ADDED: lambda f, lab: members.add(lab, f.charlie.pk, "viewer", actor=f.bob.pk),
    Change.MEMBER_JOINED: lambda f, lab: members.join(lab, f.charlie.pk, "viewer", invitation=7),
    Change.ROLE_CHANGED: lambda f, lab: members.change_role(lab, f.alice.pk, "viewer", actor=f.bob.pk),
    Change.MEMBER_REMOVED: lambda f, lab: members.remove(lab, f.alice.pk, actor=f.bob.pk),
    Change.MEMBER_LEFT: lambda f, lab: members.leave(lab, f.alice.pk),
    Change.HANDED_OVER: lambda f, lab: members.hand_over(lab, f.alice.pk, actor=f.bob.pk),
    Change.PROJECT_CREATED: lambda f, lab: projects.create(lab, "dunes", "Dunes", actor=f.bob.pk),
    Change.PROJECT_RENAMED: lambda f, lab: projects.rename(lab, alps(f), "High Alps", actor=f.bob.pk),
    Change.PROJECT_ARCHIVED: lambda f, lab: projects.archive(lab, alps(f), actor=f.bob.pk),
    Change.PROJECT_RESTORED: lambda f, lab: projects.restore(lab, alps(f), actor=f.bob.pk),
    Change.LIMIT_SET: lambda f, lab: limits.change(lab, micros(50), Terms("month"), actor=f.bob.pk),
    Change.LIMIT_REMOVED: lambda f, lab: limits.change(lab, None, Terms("month"), actor=f.bob.pk),
    Change.BUDGET_SET: lambda f, lab: limits.change(lab, micros(5), Terms("month", project=alps(f)), actor=f.bob.pk),
    Change.BUDGET_REMOVED: lambda f, lab: limits.change(lab, None, Terms("month", project=alps(f)), actor=f.bob.pk),
    Change.BUDGET_MOVED: lambda f, lab: limits.move(lab, Move("month", alps(f), None, 1, "why"), actor=f.bob.pk),
}
NEEDS: dict[Change, Deed] = {
    Change.RESUMED: DEEDS[Change.SUSPENDED],
    Change.PROJECT_RENAMED: lambda f, lab: alps(f),
    Change.PROJECT_ARCHIVED: lambda f, lab: alps(f),
    Change.PROJECT_RESTORED: DEEDS[Change.PROJECT_ARCHIVED],
    Change.LIMIT_REMOVED: DEEDS[Change.LIMIT_SET],
    Change.BUDGET_SET: lambda f, lab: alps(f),
    Change.BUDGET_REMOVED: DEEDS[Change.BUDGET_SET],
    Change.BUDGET_MOVED: DEEDS[Change.BUDGET_SET],
}


def entries(organisation: int) -> list[AuditEntry]:
    return list(audit.entries(organisation).order_by("pk"))


def test_every_change_is_tried_here_or_with_the_invitations() -> None:
    assert set(DEEDS) | INVITATIONS | {Change.CREATED} == set(Change)


@pytest.mark.parametrize("change", DEEDS)
def test_every_change_writes_exactly_one_entry(federation: Federation, change: Change) -> None:
    if change in NEEDS:
        NEEDS[change](federation, federation.lab)
    before = len(entries(federation.lab))
    DEEDS[change](federation, federation.lab)
    (entry,) = entries(federation.lab)[before:]
    assert entry.action == change
    by_operators = {Change.SUSPENDED, Change.RESUMED, Change.RULES_SET}
    by_themselves = {Change.MEMBER_JOINED: federation.charlie.pk, Change.MEMBER_LEFT: federation.alice.pk}
    assert entry.actor_id == (None if change in by_operators else by_themselves.get(change, federation.bob.pk))
    told = str(entry.facts)
    assert "egi.eu" not in told
    assert "@" not in told


def test_an_organisation_begins_with_an_entry(federation: Federation) -> None:
    made = organisations.create_organisation("Forest Lab", federation.charlie.pk, actor=federation.charlie.pk)
    (entry,) = entries(made)
    assert (entry.action, entry.actor_id) == (Change.CREATED, federation.charlie.pk)
    assert entry.facts == {"owner": federation.charlie.pk, "name": "Forest Lab"}


def test_what_changes_nothing_writes_nothing(federation: Federation) -> None:
    project = alps(federation)
    before = len(entries(federation.lab))
    organisations.rename(federation.lab, " Geo  Lab ", actor=federation.bob.pk)
    members.change_role(federation.lab, federation.alice.pk, "developer", actor=federation.bob.pk)
    organisations.add_member(federation.lab, federation.alice.pk, "developer")
    projects.rename(federation.lab, project, "Alps")
    projects.restore(federation.lab, project)
    limits.set_limit(federation.lab, None, period="year")
    assert len(entries(federation.lab)) == before


@pytest.mark.parametrize("change", DEEDS)
def test_what_is_rolled_back_leaves_no_entry(federation: Federation, change: Change) -> None:
    if change in NEEDS:
        NEEDS[change](federation, federation.lab)
    before = len(entries(federation.lab))
    with transaction.atomic():
        DEEDS[change](federation, federation.lab)
        transaction.set_rollback(True)
    assert len(entries(federation.lab)) == before


def test_an_entry_is_stamped_by_the_database_and_never_changed(federation: Federation, database_clock: Any) -> None:
    at = datetime(2027, 3, 1, tzinfo=UTC)
    database_clock(at)
    AuditEntry.objects.create(organisation_id=federation.lab, action="x", recorded_at=datetime(2000, 1, 1, tzinfo=UTC))
    entry = entries(federation.lab)[-1]
    assert entry.recorded_at == at
    for deed in (entry.delete, entry.save):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            deed()


def test_entries_are_found_by_what_who_and_when(federation: Federation, database_clock: Any) -> None:
    database_clock(datetime(2027, 3, 1, tzinfo=UTC))
    projects.create(federation.lab, "a", "A", actor=federation.bob.pk)
    database_clock(datetime(2027, 3, 2, tzinfo=UTC))
    projects.create(federation.lab, "b", "B")
    march = datetime(2027, 3, 1, tzinfo=UTC)
    assert [one.facts["slug"] for one in audit.entries(federation.lab, change=Change.PROJECT_CREATED)] == ["b", "a"]
    assert [one.facts["slug"] for one in audit.entries(federation.lab, actor=federation.bob.pk)] == ["a"]
    assert [one.facts["slug"] for one in audit.entries(federation.lab, since=march)] == ["b", "a"]
    assert [one.facts["slug"] for one in audit.entries(federation.lab, since=march, until=march.replace(day=2))] == [
        "a"
    ]
    assert audit.actors(federation.lab) == [federation.bob.pk]
    assert not audit.entries(federation.bob.personal_organisation).exists()
