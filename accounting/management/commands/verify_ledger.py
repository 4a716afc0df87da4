"""`manage.py verify_ledger`: proves the books or names the first wrong row."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError

from accounting import invariants

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Recomputes every balance from the entries. Exit code 1 and the first wrong row when something differs."

    def handle(self, *args: Any, **options: Any) -> None:
        found = sorted(invariants.violations(), key=lambda violation: violation.transaction)
        for violation in found:
            log.error("ledger_violation", rule=violation.rule, row=violation.row, problem=violation.problem)
        if found:
            others = f" ({len(found) - 1} more rules broken)" if len(found) > 1 else ""
            raise CommandError(f"first wrong row: {found[0]}{others}")
        self.stdout.write(f"{len(invariants.INVARIANTS)} invariants hold")
