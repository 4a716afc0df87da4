"""What an organisation calls its projects, grants and members: for whoever shows its sums. Nobody else's are found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from accounting.models import Grant, Member, Project


@dataclass(frozen=True, slots=True)
class ProjectLabel:
    id: int
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class GrantLabel:
    id: int
    kind: str
    label: str


def projects(organisation: int) -> Sequence[ProjectLabel]:
    """The organisation's projects, by name."""
    rows = Project.objects.filter(organisation_id=organisation).order_by("name", "pk")
    return [ProjectLabel(row.pk, row.slug, row.name) for row in rows]


def grants(organisation: int, ids: Collection[int]) -> Mapping[int, GrantLabel]:
    """Those of the grants that are in the organisation's wallet."""
    rows = Grant.objects.filter(wallet__organisation_id=organisation, pk__in=ids).values_list("pk", "kind", "label")
    return {row[0]: GrantLabel(*row) for row in rows}


def members(organisation: int) -> Sequence[int]:
    """The primary keys of the members as persons, in the order in which they joined."""
    return list(Member.objects.filter(organisation_id=organisation).order_by("pk").values_list("person_id", flat=True))
