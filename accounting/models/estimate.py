"""What jobs were to do and what they needed, kept small so that estimating does not scan history; and the estimates.

Nothing here is money: everything can be made again from reports. So these are ordinary tables.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounting.fields import CreditsField
from accounting.models.backend import BackEnd, Source
from accounting.models.organisation import Person
from accounting.models.usage import Execution


class JobWorkload(models.Model):
    """What somebody told of a job before or after it ran (`accounting.workloads.Workload`); the newest word."""

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, models.CASCADE, related_name="+", db_index=False)
    job_id = models.CharField(max_length=300)
    execution_id = models.CharField(max_length=300, blank=True, default="", help_text="empty: all of the job's")
    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="+", db_index=False)
    document = models.JSONField()
    recorded_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "job_id", "execution_id", "person"],
                name="workload_once_a_job",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"workload {self.pk}"


class Observation(models.Model):
    """A job that ended, as far as its workload is known: what it used, ready to be rated anew (E2).

    `charges` is JSON, one object a report: the facts that its rules saw, and its lines. `known_at` is when the newest
    of these reports came: an estimate made before knows nothing of it (E3).
    """

    execution = models.OneToOneField(Execution, models.CASCADE, primary_key=True, related_name="+", db_constraint=False)
    source = models.ForeignKey(Source, models.CASCADE, related_name="+", db_index=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="+", db_index=False)
    label = models.CharField(max_length=64, help_text="the key that stands for the workload")
    kind = models.CharField(max_length=10)
    state = models.CharField(max_length=20)
    workload = models.JSONField()
    area_km2 = models.FloatField(null=True)
    time_steps = models.PositiveIntegerField(null=True)
    seconds = models.FloatField(null=True, help_text="from start to finish")
    charges = models.TextField()
    cost = CreditsField(help_text="what its reports cost when they came")
    started_at = models.DateTimeField()
    known_at = models.DateTimeField(db_index=True)
    judged = models.BooleanField(default=False, help_text="compared with what was estimated")

    class Meta:
        indexes = [
            models.Index(fields=["started_at"], condition=models.Q(judged=False), name="observation_to_judge"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(area_km2__isnull=True) | models.Q(area_km2__gt=0),
                name="observation_must_have_an_area_or_none",
            )
        ]

    def __str__(self) -> str:
        return f"observation of execution {self.pk}"


class ObservationKey(models.Model):
    """Under which an observation is found; one row each, so that the newest of a key are one index range."""

    id = models.BigAutoField(primary_key=True)
    observation = models.ForeignKey(Observation, models.CASCADE, related_name="keys", db_index=False)
    key = models.CharField(max_length=64)
    source = models.ForeignKey(Source, models.CASCADE, related_name="+", db_index=False)
    known_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["observation", "key"], name="key_once_an_observation")]
        indexes = [models.Index(fields=["key", "source", "-known_at"], name="newest_of_key")]

    def __str__(self) -> str:
        return f"{self.key} of {self.observation_id}"


class StoredEstimate(models.Model):
    """What was estimated for a job, and what it cost. `asked` is false for one that was made afterwards from what was
    known before the job (E3). `spread` is the standard deviation of the logarithm, before the interval was corrected.
    """

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, models.CASCADE, related_name="+", db_index=False)
    job_id = models.CharField(max_length=300)
    execution_id = models.CharField(max_length=300, blank=True, default="")
    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="+", db_index=False)
    p10 = CreditsField()
    median = CreditsField()
    p90 = CreditsField()
    spread = models.FloatField()
    jobs = models.PositiveIntegerField()
    level = models.CharField(max_length=20)
    method = models.CharField(max_length=20)
    asked = models.BooleanField()
    made_at = models.DateTimeField()
    actual = CreditsField(null=True)
    inside = models.BooleanField(null=True)
    log_ratio = models.FloatField(null=True, help_text="logarithm of actual / median")
    judged_at = models.DateTimeField(null=True, help_text="when the cost was known")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "job_id", "execution_id", "person"],
                name="estimate_once_a_job",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(p10__lte=models.F("median")) & models.Q(median__lte=models.F("p90")),
                name="estimate_must_be_in_order",
            ),
        ]
        indexes = [
            models.Index(fields=["source", "-judged_at"], name="newest_judged"),
            models.Index(
                fields=["judged_at"],
                condition=models.Q(asked=True, actual__gt=models.F("p90")),
                name="estimate_exceeded",
            ),
        ]

    def __str__(self) -> str:
        return f"estimate {self.pk}"


class BackEndCapability(models.Model):
    """A collection or process that a back end says it has (`manage.py load_capabilities`)."""

    class Kind(models.TextChoices):
        COLLECTION = "collection"
        PROCESS = "process"

    id = models.BigAutoField(primary_key=True)
    backend = models.ForeignKey(BackEnd, models.CASCADE, related_name="capabilities", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    names = ArrayField(models.CharField(max_length=255))
    loaded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["backend", "kind"], name="capabilities_once_a_backend_and_kind")]

    def __str__(self) -> str:
        return f"{self.kind} list of back end {self.backend_id}"


class EstimateMark(models.Model):
    """How far reports and workloads have been collected; one row."""

    name = models.CharField(primary_key=True, max_length=20)
    report = models.BigIntegerField(default=0)
    workloads_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} up to report {self.report}"


class Calibration(models.Model):
    """How well estimates did, as last counted: of one source, or of all (null); ever, or within a number of days."""

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, models.CASCADE, null=True, related_name="+", db_index=False)
    days = models.PositiveSmallIntegerField(help_text="0: ever")
    jobs = models.PositiveIntegerField()
    inside = models.PositiveIntegerField(help_text="whose cost fell into the interval")
    bias = models.FloatField(help_text="median of actual / estimated median")
    counted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "days"], name="calibration_once_a_source_and_span", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"calibration of source {self.source_id} over {self.days} days"
