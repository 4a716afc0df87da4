"""Who signed in. The ledger knows a person only as (issuer, sub); name and e-mail live here and nowhere else."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

import portal.mail_rows  # noqa: F401  rows of this app too


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


class ApiToken(models.Model):
    """What a script of a person calls the API with. The token itself is shown once and stands nowhere.

    `digest` is the SHA-256 of the token. A slow or salted hash guards guessable secrets; 256 random bits cannot be
    guessed, whatever the hash, and each request has to look one up by it. `scopes` are names of portal.api.scopes;
    `organisation` narrows the token to one of the person's, none means all that the person has at the time.
    """

    LONGEST: ClassVar[timedelta] = timedelta(days=365)

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens", db_index=False)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, help_text="the start of the token, to tell it from others")
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=40))
    organisation = models.ForeignKey(
        "accounting.Organisation", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_on = models.DateField(null=True, help_text="the UTC day; written at most once a day")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=~models.Q(name=""), name="api_token_must_have_a_name"),
            models.CheckConstraint(condition=models.Q(scopes__len__gt=0), name="api_token_must_have_a_scope"),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at"))
                & models.Q(expires_at__lte=models.F("created_at") + timedelta(days=365)),
                name="api_token_lasts_a_year_at_most",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["user", "-id"], name="api_token_of_user")]

    def __str__(self) -> str:
        return f"token {self.pk}"


class DataExport(models.Model):
    """A copy of what is known about a person (GDPR articles 15 and 20), made by a worker, kept for a week.

    The row decides what is due: a worker claims it (`claimed_until`, `attempt`), writes chunks of its own attempt and
    says how far it is (`done` of `total`), and whoever finishes first sets `ready_at`. A worker that died is followed
    by another one, whose chunks have another number.
    """

    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports", db_index=False)
    requested_at = models.DateTimeField(db_default=Now())
    claimed_until = models.DateTimeField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0, db_default=0)
    done = models.PositiveIntegerField(default=0, db_default=0)
    total = models.PositiveIntegerField(default=0, db_default=0)
    ready_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    size = models.BigIntegerField(default=0, db_default=0, help_text="bytes of the archive")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(ready_at__isnull=True, failed_at__isnull=True),
                name="data_export_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(ready_at__isnull=True) | models.Q(failed_at__isnull=True),
                name="data_export_is_ready_or_failed",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "-requested_at"], name="data_export_of_user"),
            models.Index(
                fields=["requested_at"],
                condition=models.Q(ready_at__isnull=True, failed_at__isnull=True),
                name="data_export_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"


class DataExportChunk(models.Model):
    """A piece of an archive: neither making nor sending one needs it whole in memory."""

    pk = models.CompositePrimaryKey("export_id", "attempt", "number")
    export = models.ForeignKey(DataExport, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    attempt = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.export_id}"


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
