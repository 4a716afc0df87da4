"""Roles, budgets of projects, limits per process and job, the audit log; the SQL stands beside this file."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0008_spending"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("action", models.CharField(max_length=50)),
                ("facts", models.JSONField(default=dict)),
                (
                    "recorded_at",
                    models.DateTimeField(
                        db_default=models.Func(function="accounting_now", output_field=models.DateTimeField())
                    ),
                ),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="limit",
            name="limit_period_known",
        ),
        migrations.RemoveConstraint(
            model_name="limit",
            name="limit_once_a_scope",
        ),
        migrations.AddField(
            model_name="hold",
            name="processes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=1100),
                default=list,
                help_text="that the workload names; limits may count them",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="limit",
            name="fallback",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="limit",
            name="process",
            field=models.CharField(blank=True, db_default="", default="", max_length=1100),
        ),
        migrations.AddField(
            model_name="organisation",
            name="closed_at",
            field=models.DateTimeField(help_text="for good: its members can only look back (M7)", null=True),
        ),
        migrations.AddField(
            model_name="project",
            name="archived_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="limit",
            name="period",
            field=models.CharField(
                choices=[("month", "Month"), ("year", "Year"), ("total", "Total"), ("job", "Job")], max_length=10
            ),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(("period__in", ["month", "year", "total", "job"])), name="limit_period_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("period", "job"), _negated=True), models.Q(("process", ""), ("spent", 0)), _connector="OR"
                ),
                name="limit_of_a_job_counts_nothing",
            ),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fallback", False),
                    models.Q(
                        ("action", "block"),
                        ("backend__isnull", True),
                        ("period__in", ["month", "year", "total"]),
                        ("person__isnull", True),
                        ("process", ""),
                        ("project__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="limit_with_fallback_is_a_budget",
            ),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.UniqueConstraint(
                fields=("wallet", "person", "project", "backend", "process", "period", "action"),
                name="limit_once_a_scope",
                nulls_distinct=False,
            ),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="actor",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounting.person",
            ),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="organisation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounting.organisation",
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["organisation", "-recorded_at", "-id"], name="audit_of_organisation"),
        ),
        migrations.AddConstraint(
            model_name="auditentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("action", ""), _negated=True), name="audit_entry_must_name_the_action"
            ),
        ),
        *(
            migrations.RunSQL((SQL / name).read_text(encoding="utf-8"))
            for name in (
                "0017_members.sql",
                "0018_limits.sql",
                "0019_budgets.sql",
                "0020_limited_holds.sql",
                "0021_payers.sql",
            )
        ),
    ]
