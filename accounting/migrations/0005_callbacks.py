"""Callbacks of back ends and their messages; the rules that the database keeps stand beside this file."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

import accounting.fields

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0004_hold_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="Callback",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("url", models.CharField(max_length=500)),
                ("active", models.BooleanField(default=True)),
                ("generation", models.PositiveIntegerField(default=1)),
                ("rotated_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True, default="")),
                ("failures", models.PositiveIntegerField(default=0)),
                ("next_at", models.DateTimeField(db_default=accounting.fields.DatabaseNow())),
                ("created_at", models.DateTimeField(db_default=accounting.fields.DatabaseNow())),
                (
                    "client",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="callback",
                        to="accounting.serviceclient",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CallbackDelivery",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("uuid", models.UUIDField(unique=True)),
                ("kind", models.CharField(max_length=100)),
                ("cause", models.CharField(max_length=300)),
                ("body", models.TextField()),
                ("created_at", models.DateTimeField(db_default=accounting.fields.DatabaseNow())),
                ("next_at", models.DateTimeField(db_default=accounting.fields.DatabaseNow())),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("delivered_at", models.DateTimeField(null=True)),
                ("last_status", models.PositiveSmallIntegerField(null=True)),
                ("last_error", models.CharField(blank=True, default="", max_length=300)),
                ("abandoned_at", models.DateTimeField(null=True)),
                (
                    "client",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounting.serviceclient",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("abandoned_at__isnull", True), ("delivered_at__isnull", True)),
                        fields=["client", "created_at", "id"],
                        name="callback_pending",
                    ),
                    models.Index(fields=["client", "-id"], name="callback_of_client"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("client", "kind", "cause"), name="callback_once_a_cause"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("delivered_at__isnull", True), ("abandoned_at__isnull", True), _connector="OR"
                        ),
                        name="callback_is_delivered_or_abandoned",
                    ),
                ],
            },
        ),
        migrations.RunSQL((SQL / "0015_callbacks.sql").read_text(encoding="utf-8")),
    ]
