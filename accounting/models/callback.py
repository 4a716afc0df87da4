"""Where a back end wants to be called, and what it was or will be told there."""

from __future__ import annotations

from django.db import models

from accounting.fields import DatabaseNow
from accounting.models.backend import ServiceClient


class Callback(models.Model):
    """One per client, never deleted. The secret is not here: it follows from SECRET_KEY and `generation` (C2).

    `failures` counts attempts in a row that failed because of the receiver as a whole; until `next_at` nobody calls it,
    because it rests after them or because a worker is at it.
    """

    id = models.BigAutoField(primary_key=True)
    client = models.OneToOneField(ServiceClient, models.PROTECT, related_name="callback")
    url = models.CharField(max_length=500)
    active = models.BooleanField(default=True)
    generation = models.PositiveIntegerField(default=1)
    rotated_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True, default="")
    failures = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(db_default=DatabaseNow())
    created_at = models.DateTimeField(db_default=DatabaseNow())

    def __str__(self) -> str:
        return f"callback of client {self.client_id}"


class CallbackDelivery(models.Model):
    """One message, written in the transaction of what it tells. `uuid` is its `webhook-id`, `body` what is sent (C1).

    It is pending until it has a `delivered_at` or an `abandoned_at`; `last_status` is null when there was no answer.
    """

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(unique=True)
    client = models.ForeignKey(ServiceClient, models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=100)
    cause = models.CharField(max_length=300)
    body = models.TextField()
    created_at = models.DateTimeField(db_default=DatabaseNow())
    next_at = models.DateTimeField(db_default=DatabaseNow())
    attempts = models.PositiveIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=300, blank=True, default="")
    abandoned_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["client", "kind", "cause"], name="callback_once_a_cause"),
            models.CheckConstraint(
                condition=models.Q(delivered_at__isnull=True) | models.Q(abandoned_at__isnull=True),
                name="callback_is_delivered_or_abandoned",
            ),
        ]
        indexes = [
            models.Index(
                fields=["client", "created_at", "id"],
                condition=models.Q(delivered_at__isnull=True, abandoned_at__isnull=True),
                name="callback_pending",
            ),
            models.Index(fields=["client", "-id"], name="callback_of_client"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for client {self.client_id} ({self.uuid})"
