"""Who signed in. The ledger knows a person only as (issuer, sub); name and e-mail live here and nowhere else."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.crypto import salted_hmac


class UserManager(BaseUserManager["User"]):
    """Users come from the identity provider only: there is nothing here that makes one by hand."""


class User(AbstractBaseUser):
    """A person as the identity provider described them at the last sign-in.

    The identity is (issuer, sub). Everything else may change, be equal for two people or be missing.
    """

    password = None  # type: ignore[assignment]  # nobody signs in with one
    id = models.BigAutoField(primary_key=True)
    issuer = models.CharField(max_length=255)
    sub = models.CharField(max_length=255)
    person = models.OneToOneField("accounting.Person", on_delete=models.PROTECT, related_name="+")
    voperson_id = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=255, blank=True)
    email = models.CharField(max_length=254, blank=True)
    email_verified = models.BooleanField(default=False)
    entitlements = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    language = models.CharField(max_length=20, blank=True, default="", help_text="empty: as the browser says")
    time_zone = models.CharField(max_length=64, blank=True, default="", help_text="empty: UTC")
    joined_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    # The key rather than the e-mail: it is what the admin log shows, and it says nothing about the person.
    USERNAME_FIELD = "id"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["issuer", "sub"], name="user_identity_unique"),
            models.CheckConstraint(condition=~models.Q(issuer="") & ~models.Q(sub=""), name="user_identity_present"),
        ]

    def __str__(self) -> str:
        return f"user {self.pk}"

    @property
    def display_name(self) -> str:
        """What the pages call the person; the start of the sub when the provider told no name."""
        return self.name or self.email or f"{self.sub[:8]}…"

    @property
    def initials(self) -> str:
        """At most two letters for the round badge."""
        words = [word for word in self.display_name.replace("@", " ").split() if word[0].isalnum()]
        return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper() or "?"

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What ties a session to this identity; AbstractBaseUser would take the password."""
        identity = f"{self.issuer} {self.sub}"
        return salted_hmac("portal.models.User.session", identity, secret=secret, algorithm="sha256").hexdigest()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Staff may look at what the admin shows; what may be changed there is decided by each admin class."""
        return self.is_active and self.is_staff

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff


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
