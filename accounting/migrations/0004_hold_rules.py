"""Reserving, capturing and limiting credits live in the database; the SQL stands beside this file."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("accounting", "0003_holds")]

    operations = [
        migrations.RunSQL((SQL / name).read_text(encoding="utf-8"))
        for name in (
            "0006_bound_grants.sql",
            "0007_limits.sql",
            "0008_holds.sql",
            "0009_opening_holds.sql",
            "0010_ending_holds.sql",
            "0011_guarding_holds.sql",
            "0012_matching.sql",
            "0013_capturing.sql",
            "0014_booking.sql",
        )
    ]
