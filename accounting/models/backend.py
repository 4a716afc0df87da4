"""Who works and is paid: providers, their back ends, the sources these report under, and the clients that report."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Provider(models.Model):
    """The company behind back ends; what users pay for compute is owed to it."""

    id = models.BigAutoField(primary_key=True)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.slug


class BackEnd(models.Model):
    """`excess`: who pays what a job costs beyond its hold: the wallet (`charge`) or nobody (`waive`) (H9)."""

    class Excess(models.TextChoices):
        CHARGE = "charge"
        WAIVE = "waive"

    id = models.BigAutoField(primary_key=True)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="backends")
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    url = models.URLField(blank=True, default="")
    excess = models.CharField(max_length=10, choices=Excess.choices, default=Excess.CHARGE, db_default=Excess.CHARGE)

    def __str__(self) -> str:
        return self.slug


class Source(models.Model):
    """A `sourceId`. The subs in its reports belong to `user_issuer`, for the reports do not name one."""

    id = models.BigAutoField(primary_key=True)
    backend = models.ForeignKey(BackEnd, models.PROTECT, related_name="sources")
    source_id = models.CharField(max_length=200, unique=True)
    user_issuer = models.CharField(max_length=300)

    def __str__(self) -> str:
        return self.source_id


class ServiceClient(models.Model):
    """An OIDC client that reports with its own credentials. `subject`, once known, must match its tokens."""

    id = models.BigAutoField(primary_key=True)
    issuer = models.CharField(max_length=300)
    client_id = models.CharField(max_length=200)
    subject = models.CharField(max_length=255, blank=True, default="")
    name = models.CharField(max_length=200)
    active = models.BooleanField(default=True)
    sources = models.ManyToManyField(Source, related_name="clients")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "client_id"], name="client_once_an_issuer")]

    def __str__(self) -> str:
        return f"{self.client_id} of {self.issuer}"
