"""The beginning of a job id finds the job. Built beside the reports that come meanwhile: no lock keeps them back."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounting", "0011_allowances"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                fields=["organisation", "job_id"],
                name="job_by_id",
                opclasses=["int8_ops", "text_pattern_ops"],
            ),
        ),
    ]
