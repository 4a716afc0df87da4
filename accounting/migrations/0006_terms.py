"""The terms of use that a person accepted last. Adding the columns rewrites no table: their defaults are constants."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0005_callbacks"),
    ]

    operations = [
        migrations.AddField(
            model_name="person",
            name="terms_accepted_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="person",
            name="terms_version",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="of the terms of use accepted last", max_length=50
            ),
        ),
        migrations.AddConstraint(
            model_name="person",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("terms_accepted_at__isnull", True), ("terms_version", "")),
                    models.Q(models.Q(("terms_version", ""), _negated=True), ("terms_accepted_at__isnull", False)),
                    _connector="OR",
                ),
                name="person_accepts_terms_at_an_instant",
            ),
        ),
    ]
