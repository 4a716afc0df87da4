"""Questions to the usage explorer that people keep."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from portal.models.user import User


class SavedView(models.Model):
    """A question to the usage explorer that somebody gave a name. `query` is canonical (portal.contexts.usage_query),
    so it leads nowhere but there. `shared`: every member of the organisation sees it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey("accounting.Organisation", on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=4000)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organisation", "owner", "name"], name="saved_view_name_once"),
            models.CheckConstraint(condition=~models.Q(name=""), name="saved_view_must_have_a_name"),
        ]

    def __str__(self) -> str:
        return f"saved view {self.pk}"


class DefaultView(models.Model):
    """The saved view that the usage explorer opens with, for one person in one organisation."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    organisation = models.ForeignKey("accounting.Organisation", on_delete=models.PROTECT, related_name="+")
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "organisation"], name="default_view_once"),
        ]

    def __str__(self) -> str:
        return f"default view of {self.user_id} in {self.organisation_id}"
