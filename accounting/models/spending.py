"""What was spent a day, as sums, so that no page has to add up a long history. Written by a trigger on spends (S1)."""

from __future__ import annotations

from django.db import models

from accounting.fields import CreditsField
from accounting.models.backend import BackEnd
from accounting.models.grant import Grant
from accounting.models.organisation import Organisation, Person, Project


class SpendDay(models.Model):
    """Micro-credits an organisation spent on a UTC day, by back end and process (empty: compute)."""

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    day = models.DateField()
    backend = models.ForeignKey(BackEnd, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    process = models.CharField(max_length=255)
    amount = CreditsField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "day", "backend", "process"], name="spend_day_once"),
        ]

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.day} {self.backend_id} {self.process}"


class SpendCell(models.Model):
    """The same by everything that people ask by. `grant` NULL: no grant has paid it yet. `state` and `kind` are the
    job's as the report said them.
    """

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    day = models.DateField()
    backend = models.ForeignKey(BackEnd, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    person = models.ForeignKey(Person, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    project = models.ForeignKey(
        Project, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    process = models.CharField(max_length=255)
    collection = models.CharField(max_length=255)
    kind = models.CharField(max_length=10)
    state = models.CharField(max_length=20)
    grant = models.ForeignKey(Grant, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False)
    amount = CreditsField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    *("organisation", "day", "backend", "person", "project"),
                    *("process", "collection", "kind", "state", "grant"),
                ],
                nulls_distinct=False,
                name="spend_cell_once",
            ),
        ]

    def __str__(self) -> str:
        return f"cell {self.pk}"
