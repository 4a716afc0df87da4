"""`manage.py issue_grant`: credits for an organisation. Docs: docs/operations.md."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounting import grants
from accounting.credits import parse
from accounting.errors import DomainError
from accounting.models import Grant


class Command(BaseCommand):
    help = "Issues a grant; the same key again issues nothing. The organisation's debts are repaid first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organisation", type=int)
        parser.add_argument("amount", help="credits, e.g. 1000 or 12.5")
        parser.add_argument("--kind", choices=Grant.Kind.values, required=True)
        parser.add_argument("--label", required=True, help="what its owner reads")
        parser.add_argument("--fund", required=True, help="who pays for it")
        parser.add_argument("--key", required=True, help="names this very grant, so that repeating the command is safe")
        parser.add_argument("--expires-at", type=datetime.fromisoformat, help="e.g. 2027-01-01T00:00:00+00:00")

    def handle(self, *args: Any, **options: Any) -> None:
        expires_at = options["expires_at"]
        if expires_at is not None and expires_at.tzinfo is None:
            raise CommandError("--expires-at needs an offset, for example 2027-01-01T00:00:00+00:00")
        try:
            grant = grants.issue(
                options["organisation"],
                parse(options["amount"]),
                kind=options["kind"],
                label=options["label"],
                fund=options["fund"],
                key=options["key"],
                expires_at=expires_at,
            )
        except ValueError as error:
            raise CommandError(f"amount: {error}") from error
        except DomainError as error:
            raise CommandError(f"{error.field or 'grant'}: {error.detail}") from error
        self.stdout.write(f"grant {grant} for organisation {options['organisation']}")
