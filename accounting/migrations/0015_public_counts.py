"""What is counted for public pages: reports by hour, and what many people use."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0014_alerts"),
    ]

    operations = [
        migrations.CreateModel(
            name="PopularProcess",
            fields=[
                ("process", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("organisations", models.PositiveIntegerField()),
                ("days", models.PositiveIntegerField(help_text="days of persons on which it was used")),
                (
                    "backends",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200),
                        help_text="names of those on which many used it",
                        size=None,
                    ),
                ),
                ("counted_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ReportingHour",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("hour", models.DateTimeField()),
                ("reports", models.PositiveIntegerField()),
                ("last_at", models.DateTimeField()),
                ("newest", models.BigIntegerField()),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounting.source",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["hour"], name="reporting_by_hour")],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "hour"), name="reporting_hour_once_a_source")
                ],
            },
        ),
    ]
