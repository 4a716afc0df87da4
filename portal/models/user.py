"""Who signed in. The ledger knows a person only as (issuer, sub); name and e-mail live here and nowhere else."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext


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
    erased_at = models.DateTimeField(null=True, help_text="what was personal is gone; a later sign-in begins anew")

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
        if self.erased_at:
            return gettext("Deleted account")
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
