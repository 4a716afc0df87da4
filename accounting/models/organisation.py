"""Who pays: persons known by (issuer, sub), and the organisations whose credits they use."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

STARTING_PLAN = "free"
"""Of a person who never signed in; a rule may price by it."""


class Organisation(models.Model):
    """Holds credits. Everybody has a personal one; its integer id is what jobs name as `orgId`."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200)
    personal = models.BooleanField(default=False)
    category = models.CharField(max_length=50, blank=True, default="", help_text="rules may depend on it")
    suspended_at = models.DateTimeField(null=True, help_text="its members start no more jobs; reports are booked")
    suspended_because = models.CharField(max_length=200, blank=True, default="", db_default="")
    closed_at = models.DateTimeField(null=True, help_text="for good: its members can only look back (M7)")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=~models.Q(name=""), name="organisation_must_have_a_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"


class Person(models.Model):
    """One (issuer, sub); nothing personal stands here, so the ledger can keep it for ever (R13)."""

    id = models.BigAutoField(primary_key=True)
    issuer = models.CharField(max_length=300)
    sub = models.CharField(max_length=255)
    plan = models.CharField(max_length=50, default=STARTING_PLAN)
    personal_organisation = models.OneToOneField(Organisation, models.PROTECT, related_name="+")
    current_organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    terms_version = models.CharField(
        max_length=50, default="", db_default="", blank=True, help_text="of the terms of use accepted last"
    )
    terms_accepted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(terms_version="", terms_accepted_at__isnull=True)
                | (~models.Q(terms_version="") & models.Q(terms_accepted_at__isnull=False)),
                name="person_accepts_terms_at_an_instant",
            ),
            models.UniqueConstraint(fields=["issuer", "sub"], name="person_is_one_issuer_and_sub"),
            models.CheckConstraint(condition=~models.Q(sub=""), name="person_must_have_a_sub"),
        ]

    def __str__(self) -> str:
        return f"person {self.pk}"


class Member(models.Model):
    """A person's place in an organisation."""

    class Role(models.TextChoices):
        OWNER = "owner"
        MANAGER = "manager"
        DEVELOPER = "developer"
        VIEWER = "viewer"

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="members")
    person = models.ForeignKey(Person, models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    joined_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "person"], name="member_once_an_organisation"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "manager", "developer", "viewer"]),
                name="member_role_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.person_id} of {self.organisation_id}"


class Project(models.Model):
    """A purpose inside an organisation that jobs can name; what it may spend is a `Limit`.

    No job starts for an archived one; what was reported for it stays its own.
    """

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="projects")
    slug = models.SlugField()
    name = models.CharField(max_length=200)
    archived_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "slug"], name="project_once_an_organisation"),
        ]

    def __str__(self) -> str:
        return f"{self.slug} of {self.organisation_id}"
