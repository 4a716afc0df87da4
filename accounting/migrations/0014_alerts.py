"""What people are told of besides postings: scans remember what they told, and notices who was mailed."""

import django.db.models.deletion
from django.db import migrations, models

import accounting.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0013_job_lists"),
    ]

    operations = [
        migrations.CreateModel(
            name="BalanceAlert",
            fields=[
                (
                    "wallet",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="balance_alert",
                        serialize=False,
                        to="accounting.account",
                    ),
                ),
                (
                    "rule",
                    models.CharField(
                        choices=[("days", "Days"), ("amount", "Amount"), ("never", "Never")],
                        db_default="days",
                        default="days",
                        max_length=10,
                    ),
                ),
                ("days", models.PositiveSmallIntegerField(db_default=7, default=7)),
                ("amount", accounting.fields.CreditsField(db_default=0, default=0)),
                ("low", models.BooleanField(db_default=False, default=False)),
                ("seq", models.BigIntegerField(db_default=0, default=0)),
                ("episode", models.PositiveIntegerField(db_default=0, default=0)),
                ("low_at", models.DateTimeField(null=True)),
                ("check_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Told",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=50)),
                ("cause", models.CharField(max_length=200)),
                ("told_at", models.DateTimeField(db_default=accounting.fields.DatabaseNow())),
            ],
        ),
        migrations.AddField(
            model_name="notice",
            name="routed_at",
            field=models.DateTimeField(null=True),
        ),
        # What was told before there was mail is no news.
        migrations.RunSQL("UPDATE accounting_notice SET routed_at = created_at", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="notice",
            name="created_at",
            field=models.DateTimeField(db_default=accounting.fields.DatabaseNow()),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("read_at__isnull", True)), fields=["person", "-id"], name="notice_unread"
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(condition=models.Q(("routed_at__isnull", True)), fields=["id"], name="notice_to_route"),
        ),
        migrations.AddIndex(
            model_name="storedestimate",
            index=models.Index(
                condition=models.Q(("actual__gt", models.F("p90")), ("asked", True)),
                fields=["judged_at"],
                name="estimate_exceeded",
            ),
        ),
        migrations.AddIndex(
            model_name="balancealert",
            index=models.Index(
                condition=models.Q(("check_at__isnull", False)), fields=["check_at"], name="balance_alert_to_check"
            ),
        ),
        migrations.AddConstraint(
            model_name="balancealert",
            constraint=models.CheckConstraint(
                condition=models.Q(("rule__in", ["days", "amount", "never"])), name="balance_alert_rule_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="balancealert",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gte", 0), ("days__gte", 1), ("days__lte", 365)),
                name="balance_alert_must_be_possible",
            ),
        ),
        migrations.AddConstraint(
            model_name="told",
            constraint=models.UniqueConstraint(fields=("kind", "cause"), name="told_once_a_cause"),
        ),
    ]
