"""`manage.py replay_quarantine`: books quarantined reports once their cause is mended."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounting import quarantine, usage


class Command(BaseCommand):
    help = "Replays open quarantined reports, all or by id or code. Safe to repeat: a report is booked once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, help="only these")
        parser.add_argument("--code", help="only those kept for this reason, e.g. tariff_missing")

    def handle(self, *args: Any, **options: Any) -> None:
        booked = failed = 0
        for pk in options["ids"] or quarantine.open_reports(code=options["code"]):
            outcome = usage.replay(pk)
            if outcome.error:
                failed += 1
                self.stdout.write(f"{pk}: still not bookable: {outcome.error.code}: {outcome.error.detail}")
            else:
                booked += 1
        self.stdout.write(f"{booked} booked, {failed} still in quarantine")
