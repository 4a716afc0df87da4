"""Reports counted by hour, so that the page about back ends need not count reports."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0008_spending"),
    ]

    operations = [
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
