"""What was reported, line by line, and the jobs and executions it adds up to."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Coalesce

from accounting.fields import CreditsField, QuantityField
from accounting.models.backend import ServiceClient, Source
from accounting.models.ledger import Transaction
from accounting.models.organisation import Organisation, Person, Project
from accounting.models.tariff import RatingRule, Tariff


def reported_month() -> models.Func:
    """The first day of the UTC month of a job's last report, as the index `job_of_month` holds it."""
    utc = models.Func(models.Value("UTC"), models.F("reported_at"), function="timezone")
    return models.Func(models.Value("month"), utc, function="date_trunc", output_field=models.DateField())


class Job(models.Model):
    """(source, job id) as one payer sees it, summed over its reports; rewritten by each report."""

    class Kind(models.TextChoices):
        BATCH = "batch"
        SYNC = "sync"

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, models.PROTECT, related_name="jobs", db_index=False, db_constraint=False)
    job_id = models.CharField(max_length=300)
    person = models.ForeignKey(Person, models.PROTECT, related_name="jobs", db_index=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="jobs", db_index=False)
    title = models.CharField(max_length=500, blank=True, default="")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=20, blank=True, default="")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cost_compute = CreditsField(default=0)
    cost_added_value = CreditsField(default=0)
    reported_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "job_id", "person", "organisation"], name="job_once_a_source_and_payer"
            )
        ]
        indexes = [
            models.Index(fields=["organisation", "-reported_at", "-id"], name="job_of_organisation"),
            # For the beginning of an id as somebody types it, whatever the collation of the database.
            models.Index(
                fields=["organisation", "job_id"], name="job_by_id", opclasses=["int8_ops", "text_pattern_ops"]
            ),
            models.Index(
                "organisation",
                (models.F("cost_compute") + models.F("cost_added_value")).desc(),
                models.F("id").desc(),
                name="job_by_cost",
            ),
            models.Index(
                models.F("organisation"),
                reported_month(),
                (models.F("cost_compute") + models.F("cost_added_value")).desc(),
                name="job_of_month",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} (job {self.pk})"


class Execution(models.Model):
    """One run of a job; `execution_id` is empty for back ends that do not send one."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, models.PROTECT, related_name="executions", db_index=False, db_constraint=False)
    execution_id = models.CharField(max_length=300, blank=True, default="")
    state = models.CharField(max_length=20, blank=True, default="")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cost = CreditsField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "execution_id"], name="execution_once_a_job")]

    def __str__(self) -> str:
        return f"{self.execution_id} (execution {self.pk})"


class UsageReport(models.Model):
    """A report as it came (`raw`) and whom it was charged to. Append-only, one a transaction.

    The foreign keys that are left out are held by the transaction and the job (decision 0005).
    """

    transaction = models.OneToOneField(Transaction, models.PROTECT, primary_key=True, related_name="report")
    uuid = models.UUIDField(unique=True)
    client = models.ForeignKey(ServiceClient, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    source = models.ForeignKey(Source, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    person = models.ForeignKey(Person, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    requested_organisation = models.BigIntegerField(null=True, help_text="the orgId as reported")
    organisation_refused = models.BooleanField(default=False)
    project = models.ForeignKey(
        Project, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    hold = models.ForeignKey(
        "accounting.Hold", models.PROTECT, null=True, related_name="reports", db_index=False, db_constraint=False
    )
    job = models.ForeignKey(Job, models.PROTECT, related_name="reports", db_constraint=False)
    execution_id = models.CharField(max_length=300, blank=True, default="")
    endpoint = models.CharField(max_length=50)
    service = models.CharField(max_length=255, blank=True, default="")
    kind = models.CharField(max_length=10)
    state = models.CharField(max_length=20, blank=True, default="")
    status = models.CharField(max_length=20, blank=True, default="")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    tariff = models.ForeignKey(Tariff, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False)
    facts = models.JSONField(default=dict, help_text="what the rules saw: state, kind, plan, organisation class")
    amount = CreditsField()
    raw = models.TextField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["source", "execution_id", "person"], name="report_of_execution"),
            models.Index("organisation", Coalesce("finished_at", "received_at"), name="report_of_day"),
            models.Index(fields=["hold"], condition=models.Q(hold__isnull=False), name="report_of_hold"),
        ]

    def __str__(self) -> str:
        return f"report {self.uuid}"


class UsageLine(models.Model):
    """A rated metric of a report: the explanation of a charge (`accounting.rating.RatedLine`)."""

    pk = models.CompositePrimaryKey("report_id", "number")
    report = models.ForeignKey(UsageReport, models.PROTECT, related_name="lines", db_index=False, db_constraint=False)
    number = models.SmallIntegerField()
    metric = models.CharField(max_length=50)
    reported = models.CharField(max_length=60)
    unit = models.CharField(max_length=50)
    canonical_quantity = QuantityField()
    canonical_unit = models.CharField(max_length=50)
    rule = models.ForeignKey(
        RatingRule, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    formula = models.TextField()
    amount = CreditsField()
    posting = models.SmallIntegerField(null=True)
    process = models.CharField(max_length=255, blank=True, default="")
    collection = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="line_amount_must_not_be_negative"),
            models.CheckConstraint(
                condition=models.Q(amount=0) | models.Q(posting__isnull=False),
                name="line_must_name_what_paid",
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.report_id}/{self.number}"
