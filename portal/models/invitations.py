"""People who were asked to join an organisation."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower, Now


class Invitation(models.Model):
    """Somebody was asked by e-mail to join an organisation; see `portal.invitations`.

    The link's token is here as a SHA-256 only. The address stays here: accounting never learns it. One thing becomes of
    it: accepted, declined or revoked; past `expires_at` none of them any more.
    """

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey("accounting.Organisation", on_delete=models.PROTECT, related_name="+")
    email = models.CharField(max_length=254)
    role = models.CharField(max_length=20)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey("accounting.Person", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, help_text="handed to the mail server; empty: that failed")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey("accounting.Person", on_delete=models.PROTECT, null=True, related_name="+")
    declined_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                "organisation",
                Lower("email"),
                condition=models.Q(accepted_at=None, declined_at=None, revoked_at=None),
                name="invitation_open_once_an_address",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None, declined_at=None)
                | models.Q(accepted_at=None, revoked_at=None)
                | models.Q(declined_at=None, revoked_at=None),
                name="invitation_ends_once",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None, accepted_by=None)
                | models.Q(accepted_at__isnull=False, accepted_by__isnull=False),
                name="invitation_accepted_by_somebody",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organisation", "-id"], name="invitation_of_organisation")
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk}"
