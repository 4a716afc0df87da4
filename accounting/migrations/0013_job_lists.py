import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0012_search"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                models.F("organisation"),
                models.OrderBy(
                    django.db.models.expressions.CombinedExpression(
                        models.F("cost_compute"), "+", models.F("cost_added_value")
                    ),
                    descending=True,
                ),
                models.OrderBy(models.F("id"), descending=True),
                name="job_by_cost",
            ),
        ),
    ]
