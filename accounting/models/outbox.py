"""What must happen after money moved: events written in the posting transaction, delivered by workers."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from accounting.fields import DatabaseNow
from accounting.models.organisation import Organisation, Person


class OutboxEvent(models.Model):
    """Delivered at least once; every handler is idempotent by the event's id."""

    id = models.BigAutoField(primary_key=True)
    topic = models.CharField(max_length=50)
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    error = models.TextField(blank=True, default="", db_default="")

    class Meta:
        indexes = [models.Index(fields=["id"], condition=models.Q(delivered_at__isnull=True), name="outbox_open")]

    def __str__(self) -> str:
        return f"{self.topic} {self.pk}"


class Notice(models.Model):
    """Something a person is told, once per cause (N1). `routed_at`: when it was decided whether a mail says it too."""

    id = models.BigAutoField(primary_key=True)
    person = models.ForeignKey(Person, models.CASCADE, related_name="notices")
    organisation = models.ForeignKey(Organisation, models.CASCADE, null=True, related_name="+")
    kind = models.CharField(max_length=50)
    cause = models.CharField(max_length=200)
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    read_at = models.DateTimeField(null=True)
    routed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "kind", "cause"], name="notice_once_a_cause")]
        indexes = [
            models.Index(fields=["person", "-id"], name="notice_of_person"),
            models.Index(fields=["person", "-id"], condition=models.Q(read_at__isnull=True), name="notice_unread"),
            models.Index(fields=["id"], condition=models.Q(routed_at__isnull=True), name="notice_to_route"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.person_id}"


class Told(models.Model):
    """What a scan has told, so that it is looked at no more, whoever was there to be told (N2)."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=50)
    cause = models.CharField(max_length=200)
    told_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "cause"], name="told_once_a_cause")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.cause}"


class Heartbeat(models.Model):
    """When the beat sent and a worker ran the last sign of life; `/health/ready` reads the lag."""

    name = models.CharField(max_length=50, primary_key=True)
    sent_at = models.DateTimeField()
    ran_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
