"""Projects of an organisation after they were made: renaming, archiving, and what each may still spend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core import validators
from django.db import transaction
from django.db.models.functions import Now

from accounting import audit, limits, members
from accounting.audit import Change
from accounting.errors import NotFound, ProjectInvalid
from accounting.models import Project
from accounting.roles import Action

NAME_LENGTH = 100
SLUG_LENGTH = 50


@dataclass(frozen=True, slots=True)
class ProjectView:
    id: int
    slug: str
    name: str
    created_at: datetime
    archived_at: datetime | None


def of(organisation: int) -> Sequence[ProjectView]:
    """Those in use first, by name."""
    rows = Project.objects.filter(organisation_id=organisation)
    found = [ProjectView(one.pk, one.slug, one.name, one.created_at, one.archived_at) for one in rows]
    return sorted(found, key=lambda one: (one.archived_at is not None, one.name.casefold(), one.id))


def create(organisation: int, slug: str, name: str, *, actor: int | None = None) -> int:
    """A new one; jobs name the slug.

    :raises ProjectInvalid: no slug, one that is taken, or no name. :raises NotFound, NotPermitted: see `members`.
    """
    if not validators.slug_re.fullmatch(slug) or len(slug) > SLUG_LENGTH:
        detail = f"a slug is made of letters, digits, hyphens and underscores, at most {SLUG_LENGTH}"
        raise ProjectInvalid(detail, field="slug")
    with transaction.atomic():
        members.lock(organisation)
        if Project.objects.filter(organisation_id=organisation, slug=slug).exists():
            raise ProjectInvalid("another project has this slug", field="slug")
        return limits.create_project(organisation, slug, _name(name), actor=actor)


def rename(organisation: int, project: int, name: str, *, actor: int | None = None) -> None:
    """The slug stays, because jobs name it. Nothing is written when that is its name.

    :raises ProjectInvalid: no name. :raises NotFound, NotPermitted: no such project, or see `members.require`.
    """
    wanted = _name(name)
    with transaction.atomic():
        found = _lock(organisation, project, actor)
        if found.name != wanted:
            limits.create_project(organisation, found.slug, wanted, actor=actor)


def archive(organisation: int, project: int, *, actor: int | None = None) -> None:
    """No new job starts for it; running ones go on, reports and history stay its own. Its budget stays set aside until
    it is moved or taken away. Nothing is written when it is archived already.

    :raises NotFound, NotPermitted: no such project, or see `members.require`.
    """
    with transaction.atomic():
        found = _lock(organisation, project, actor)
        if found.archived_at is None:
            Project.objects.filter(pk=project).update(archived_at=Now())
            audit.record(organisation, Change.PROJECT_ARCHIVED, actor, {"project": project, "slug": found.slug})


def restore(organisation: int, project: int, *, actor: int | None = None) -> None:
    """Jobs may name it again. :raises NotFound, NotPermitted: no such project, or see `members.require`."""
    with transaction.atomic():
        found = _lock(organisation, project, actor)
        if found.archived_at is not None:
            Project.objects.filter(pk=project).update(archived_at=None)
            audit.record(organisation, Change.PROJECT_RESTORED, actor, {"project": project, "slug": found.slug})


def _lock(organisation: int, project: int, actor: int | None) -> Project:
    members.require(organisation, actor, Action.MANAGE_PROJECTS)
    found = Project.objects.select_for_update(no_key=True).filter(pk=project, organisation_id=organisation).first()
    if found is None:
        raise NotFound("there is no such project", field="project")
    return found


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise ProjectInvalid(f"a name has 1 to {NAME_LENGTH} printable characters", field="name")
    return name
