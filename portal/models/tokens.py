"""What scripts of people call the API with."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from portal.models.user import User


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
