"""`manage.py govern_organisation`: what its holds may do, and may it start jobs. Docs: docs/operations.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounting import limits
from accounting.credits import parse
from accounting.errors import DomainError


class Command(BaseCommand):
    help = "Sets the rules of an organisation's holds; what is not said is back at its default."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organisation", type=int)
        parser.add_argument("--overdraft", default="0", help="credits that holds may go below zero")
        parser.add_argument("--fail-open", default="0", help="credits for jobs started while we could not be asked")
        parser.add_argument("--most-held", help="credits that its open holds may keep together; default: any")
        parser.add_argument("--most-holds", type=int, help="open holds that it may have; default: HOLD_MAX_OPEN")
        standing = parser.add_mutually_exclusive_group()
        standing.add_argument("--suspend", metavar="REASON", help="it starts no more jobs, and running ones stop")
        standing.add_argument("--resume", action="store_true", help="it may start jobs again")

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = options["organisation"]
        try:
            limits.set_rules(
                organisation,
                overdraft=parse(options["overdraft"]),
                fail_open=parse(options["fail_open"]),
                most_held=None if options["most_held"] is None else parse(options["most_held"]),
                most_holds=options["most_holds"],
            )
            if options["suspend"]:
                limits.suspend(organisation, options["suspend"])
            if options["resume"]:
                limits.resume(organisation)
        except ValueError as error:
            raise CommandError(f"amount: {error}") from error
        except DomainError as error:
            raise CommandError(f"{error.field or 'organisation'}: {error.detail}") from error
        self.stdout.write(f"organisation {organisation}: rules set")
