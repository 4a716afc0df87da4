"""`manage.py limit_spending`: the most that an organisation or a part of it may spend. Docs: docs/operations.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounting import limits, organisations, queries
from accounting.credits import parse
from accounting.errors import DomainError
from accounting.models import Limit


class Command(BaseCommand):
    help = "Sets a limit, or takes it away with --none. Repeating it changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organisation", type=int)
        amount = parser.add_mutually_exclusive_group(required=True)
        amount.add_argument("--amount", help="credits a period, or for each job, e.g. 500")
        amount.add_argument("--none", action="store_true", help="no such limit any more")
        parser.add_argument("--period", choices=Limit.Period.values, required=True)
        parser.add_argument("--action", choices=Limit.Action.values, default="block")
        parser.add_argument("--member", nargs=2, metavar=("ISSUER", "SUB"), help="only what this member spends")
        parser.add_argument("--project", help="only what is spent for the project, by its slug; made if there is none")
        parser.add_argument("--backend", help="only what is spent there, by its short name")
        parser.add_argument("--process", default="", help="only what the process or UDP costs, by its id in receipts")

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = options["organisation"]
        try:
            limits.set_limit(
                organisation,
                None if options["none"] else parse(options["amount"]),
                period=options["period"],
                action=options["action"],
                person=_person(options["member"]),
                project=limits.ensure_project(organisation, options["project"]) if options["project"] else None,
                backend=_backend(options["backend"]),
                process=options["process"],
            )
        except ValueError as error:
            raise CommandError(f"amount: {error}") from error
        except DomainError as error:
            raise CommandError(f"{error.field or 'limit'}: {error.detail}") from error
        what = "no limit" if options["none"] else f"{options['amount']} credits"
        self.stdout.write(f"organisation {organisation}: {what} ({options['period']}, {options['action']})")


def _person(named: list[str] | None) -> int | None:
    if named is None:
        return None
    person = organisations.find_person(*named)
    if person is None:
        raise CommandError(f"member: nobody is known as {named[1]} at {named[0]}")
    return person.pk


def _backend(slug: str | None) -> int | None:
    if slug is None:
        return None
    found = next((one.id for one in queries.backends() if one.slug == slug), None)
    if found is None:
        raise CommandError(f"backend: there is no back end {slug}")
    return found
