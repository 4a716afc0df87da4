from pathlib import Path

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import accounting.fields

SQL = Path(__file__).parent / "sql" / "0016_spending.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0007_estimates"),
    ]

    operations = [
        migrations.CreateModel(
            name="SpendCell",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("process", models.CharField(max_length=255)),
                ("collection", models.CharField(max_length=255)),
                ("kind", models.CharField(max_length=10)),
                ("state", models.CharField(max_length=20)),
                ("amount", accounting.fields.CreditsField()),
            ],
        ),
        migrations.CreateModel(
            name="SpendDay",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("process", models.CharField(max_length=255)),
                ("amount", accounting.fields.CreditsField()),
            ],
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                models.F("organisation"),
                models.Func(
                    models.Value("month"),
                    models.Func(models.Value("UTC"), models.F("reported_at"), function="timezone"),
                    function="date_trunc",
                    output_field=models.DateField(),
                ),
                models.OrderBy(
                    django.db.models.expressions.CombinedExpression(
                        models.F("cost_compute"), "+", models.F("cost_added_value")
                    ),
                    descending=True,
                ),
                name="job_of_month",
            ),
        ),
        migrations.AddField(
            model_name="spendcell",
            name="backend",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounting.backend",
            ),
        ),
        migrations.AddField(
            model_name="spendcell",
            name="grant",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounting.grant",
            ),
        ),
        migrations.AddField(
            model_name="spendcell",
            name="organisation",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounting.organisation",
            ),
        ),
        migrations.AddField(
            model_name="spendcell",
            name="person",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounting.person",
            ),
        ),
        migrations.AddField(
            model_name="spendcell",
            name="project",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounting.project",
            ),
        ),
        migrations.AddField(
            model_name="spendday",
            name="backend",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounting.backend",
            ),
        ),
        migrations.AddField(
            model_name="spendday",
            name="organisation",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounting.organisation",
            ),
        ),
        migrations.AddConstraint(
            model_name="spendcell",
            constraint=models.UniqueConstraint(
                fields=(
                    "organisation",
                    "day",
                    "backend",
                    "person",
                    "project",
                    "process",
                    "collection",
                    "kind",
                    "state",
                    "grant",
                ),
                name="spend_cell_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="spendday",
            constraint=models.UniqueConstraint(
                fields=("organisation", "day", "backend", "process"), name="spend_day_once"
            ),
        ),
        migrations.RunSQL(SQL.read_text(encoding="utf-8")),
    ]
