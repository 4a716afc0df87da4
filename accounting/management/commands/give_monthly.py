"""`manage.py give_monthly`: credits that an organisation gets every month. Docs: docs/operations.md."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounting import allowances
from accounting.credits import parse
from accounting.errors import DomainError
from accounting.models import Grant


class Command(BaseCommand):
    help = "Grants credits on the first of each month (UTC), until the next one. The same label again changes the rest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organisation", type=int)
        parser.add_argument("amount", nargs="?", help="credits, e.g. 1000 or 12.5")
        parser.add_argument("--label", required=True, help="what its owner reads; the month is added")
        parser.add_argument("--kind", choices=Grant.Kind.values, default=Grant.Kind.FREE)
        parser.add_argument("--fund", help="who pays for it")
        parser.add_argument("--from", dest="month", help="the first month, e.g. 2027-01; the next one if not told")
        parser.add_argument("--end", action="store_true", help="give no more; what was given stays")

    def handle(self, *args: Any, **options: Any) -> None:
        organisation, label = options["organisation"], options["label"]
        try:
            if options["end"]:
                allowances.end(organisation, label)
                self.stdout.write(f"no more {label} for organisation {organisation}")
                return
            allowances.set_monthly(
                organisation,
                parse(options["amount"] or ""),
                kind=options["kind"],
                label=label,
                fund=options["fund"] or "",
                starts_at=_month(options["month"]),
            )
        except ValueError as error:
            raise CommandError(f"amount or month: {error}") from error
        except DomainError as error:
            raise CommandError(f"{error.field or 'allowance'}: {error.detail}") from error
        first = min(one.at for one in allowances.coming(organisation) if one.label == label)
        self.stdout.write(f"{label} for organisation {organisation} from {first:%Y-%m-%d} on")


def _month(text: str | None) -> datetime | None:
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC) if text else None
