"""Who changed what of an organisation, and when."""

from __future__ import annotations

from django.db import models

from accounting.models.organisation import Organisation, Person

_NOW = models.Func(function="accounting_now", output_field=models.DateTimeField())


class AuditEntry(models.Model):
    """One change of an organisation, written in the transaction of the change. Append-only (M6).

    `actor` None: the operators, or a program of theirs. `facts` are numbers, codes and names of things, never a
    person's name or e-mail: a person is the number of theirs.
    """

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+", db_index=False)
    actor = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+", db_index=False)
    action = models.CharField(max_length=50)
    facts = models.JSONField(default=dict)
    recorded_at = models.DateTimeField(db_default=_NOW)

    class Meta:
        constraints = [models.CheckConstraint(condition=~models.Q(action=""), name="audit_entry_must_name_the_action")]
        indexes = [models.Index(fields=["organisation", "-recorded_at", "-id"], name="audit_of_organisation")]

    def __str__(self) -> str:
        return f"{self.action} of {self.organisation_id} ({self.pk})"
