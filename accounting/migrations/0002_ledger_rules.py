"""Append-only, zero-sum, posting and booking live in the database; the SQL stands beside this file."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("accounting", "0001_initial")]

    operations = [
        migrations.RunSQL((SQL / name).read_text(encoding="utf-8"))
        for name in ("0002_ledger.sql", "0003_posting.sql", "0004_grants.sql", "0005_usage.sql")
    ]
