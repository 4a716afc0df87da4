"""Credits reserved for jobs: what was asked for, what is open, what became of it, and the limits beside it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from accounting.fields import CreditsField
from accounting.models.account import Account
from accounting.models.backend import BackEnd, ServiceClient, Source
from accounting.models.ledger import Transaction
from accounting.models.organisation import Organisation, Person, Project


class Hold(models.Model):
    """What a back end asked to be kept for a job, and who pays. Append-only.

    `amount` is what was kept at first, `budget` the most that the job may cost, `plans` what the user listed and `plan`
    the first of it that had credit. A hold with a `parent` keeps a part of what the parent keeps (H10).
    """

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(unique=True)
    wallet = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+", db_index=False)
    person = models.ForeignKey(Person, models.PROTECT, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, null=True, related_name="+", db_index=False)
    client = models.ForeignKey(ServiceClient, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    source = models.ForeignKey(Source, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children", db_index=False)
    job_id = models.CharField(max_length=300)
    execution_id = models.CharField(max_length=300, blank=True, default="")
    amount = CreditsField()
    budget = CreditsField(null=True)
    plans = ArrayField(models.CharField(max_length=255), default=list)
    plan = models.CharField(max_length=255, blank=True, default="")
    lifetime = models.DurationField(help_text="a heartbeat moves the expiry that far ahead")
    failed_open = models.BooleanField(default=False, help_text="the job had been started before the hold was asked for")
    metadata = models.JSONField(default=dict)
    processes = ArrayField(
        models.CharField(max_length=1100), default=list, help_text="that the workload names; limits may count them"
    )
    key = models.CharField(max_length=300)
    fingerprint = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="as it was opened")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["client", "source", "key"], name="hold_once_a_key"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="hold_amount_must_be_positive"),
            models.CheckConstraint(
                condition=models.Q(budget__isnull=True) | models.Q(budget__gte=models.F("amount")),
                name="hold_must_fit_its_budget",
            ),
        ]
        indexes = [
            models.Index(fields=["source", "job_id"], name="hold_of_job"),
            models.Index(
                fields=["source", "execution_id"], condition=~models.Q(execution_id=""), name="hold_of_execution"
            ),
            models.Index(fields=["organisation", "-id"], name="hold_of_organisation"),
            models.Index(fields=["parent"], condition=models.Q(parent__isnull=False), name="hold_of_parent"),
        ]

    def __str__(self) -> str:
        return f"hold {self.uuid}"


class OpenHold(models.Model):
    """The working set: a row while the hold is open, none afterwards.

    `remaining` is kept now: `amounts` of the `grants` (same order) and `unbacked`, which no grant covers. `captured`
    was charged by captures and stands; `used` is what the back end said the job has cost so far.
    """

    hold = models.OneToOneField(Hold, models.PROTECT, primary_key=True, related_name="open")
    wallet = models.ForeignKey(Account, models.PROTECT, related_name="open_holds", db_index=False)
    parent = models.BigIntegerField(null=True)
    remaining = CreditsField()
    unbacked = CreditsField(default=0)
    grants = ArrayField(models.BigIntegerField(), default=list)
    amounts = ArrayField(models.BigIntegerField(), default=list)
    captured = CreditsField(default=0)
    used = CreditsField(default=0)
    usage = models.JSONField(null=True)
    beat_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    verdict = models.CharField(max_length=10, default="continue", db_default="continue")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(remaining__gte=0, unbacked__gte=0, unbacked__lte=models.F("remaining")),
                name="open_hold_must_not_keep_less_than_nothing",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="open_hold_to_expire"),
            models.Index(fields=["wallet", "hold"], name="open_hold_of_wallet"),
            models.Index(fields=["parent"], condition=models.Q(parent__isnull=False), name="open_hold_of_parent"),
        ]

    def __str__(self) -> str:
        return f"open hold {self.hold_id}"


class HoldEvent(models.Model):
    """What happened to a hold after it was opened. `amount` is the change of what it keeps; append-only (H3, H4)."""

    class Kind(models.TextChoices):
        EXTENDED = "extended"
        CAPTURED = "captured"
        RESTORED = "restored"
        LENT = "lent"
        RETURNED = "returned"
        RELEASED = "released"
        EXPIRED = "expired"

    id = models.BigAutoField(primary_key=True)
    hold = models.ForeignKey(Hold, models.PROTECT, related_name="events", db_index=False, db_constraint=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    amount = CreditsField()
    excess = CreditsField(default=0, db_default=0, help_text="charged beyond what the hold kept")
    transaction = models.ForeignKey(
        Transaction, models.PROTECT, null=True, related_name="hold_events", db_index=False, db_constraint=False
    )
    other = models.BigIntegerField(null=True, help_text="the child that it was lent to, or came back from")
    ends = models.BooleanField(default=False, db_default=False)
    reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    key = models.CharField(max_length=300, null=True)  # noqa: DJ001  NULL = not asked for by a client
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hold"], condition=models.Q(ends=True), name="hold_ends_once"),
            models.UniqueConstraint(
                fields=["hold", "kind", "key"], condition=models.Q(key__isnull=False), name="hold_event_once_a_key"
            ),
        ]
        indexes = [models.Index(fields=["hold", "id"], name="event_of_hold")]

    def __str__(self) -> str:
        return f"{self.kind} {self.hold_id} ({self.pk})"


class Limit(models.Model):
    """The most that an organisation, or a member, a project, a back end or a process of it, may spend a period (H12).

    `spent` is what was booked in the period that began at `period_starts_at`; when the period is over it counts from
    zero. What open holds keep counts too, but is not stored here. With the period `job` it is the most that a single
    job may cost (M5), and `spent` stays 0. A `block` that names a project and nothing else is the project's budget
    (M3); with `fallback` the organisation's unassigned part pays beyond it (M4).
    """

    class Period(models.TextChoices):
        MONTH = "month"
        YEAR = "year"
        TOTAL = "total"
        JOB = "job"

    class Action(models.TextChoices):
        NOTIFY = "notify"
        BLOCK = "block"

    id = models.BigAutoField(primary_key=True)
    wallet = models.ForeignKey(Account, models.PROTECT, related_name="limits")
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, null=True, related_name="limits", db_index=False)
    backend = models.ForeignKey(BackEnd, models.PROTECT, null=True, related_name="+", db_index=False)
    process = models.CharField(max_length=1100, blank=True, default="", db_default="")
    amount = CreditsField()
    period = models.CharField(max_length=10, choices=Period.choices)
    action = models.CharField(max_length=10, choices=Action.choices)
    fallback = models.BooleanField(default=False, db_default=False)
    spent = CreditsField(default=0)
    period_starts_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="limit_amount_must_not_be_negative"),
            models.CheckConstraint(
                condition=models.Q(period__in=["month", "year", "total", "job"]), name="limit_period_known"
            ),
            models.CheckConstraint(condition=models.Q(action__in=["notify", "block"]), name="limit_action_known"),
            models.CheckConstraint(
                condition=~models.Q(period="job") | models.Q(spent=0, process=""), name="limit_of_a_job_counts_nothing"
            ),
            models.CheckConstraint(
                condition=models.Q(fallback=False)
                | models.Q(
                    project__isnull=False,
                    person__isnull=True,
                    backend__isnull=True,
                    process="",
                    action="block",
                    period__in=["month", "year", "total"],
                ),
                name="limit_with_fallback_is_a_budget",
            ),
            models.UniqueConstraint(
                fields=["wallet", "person", "project", "backend", "process", "period", "action"],
                nulls_distinct=False,
                name="limit_once_a_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"limit {self.pk}"
