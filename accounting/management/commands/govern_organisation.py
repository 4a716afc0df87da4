"""`manage.py govern_organisation`: what its holds may do, and may it start jobs. Docs: docs/operations.md."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounting import limits
from accounting.credits import parse
from accounting.errors import DomainError

ANY = "default"


class Command(BaseCommand):
    help = "Sets the rules of an organisation's holds, and suspends or resumes it; what is not said stays as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organisation", type=int)
        parser.add_argument("--overdraft", metavar="CREDITS", help="that holds may go below zero; at first 0")
        parser.add_argument("--fail-open", metavar="CREDITS", help="for jobs started while we could not be asked; 0")
        parser.add_argument("--most-held", metavar="CREDITS", help=f"that its open holds may keep; {ANY}: no bound")
        parser.add_argument("--most-holds", metavar="NUMBER", help=f"of open holds; {ANY}: HOLD_MAX_OPEN")
        standing = parser.add_mutually_exclusive_group()
        standing.add_argument("--suspend", metavar="REASON", help="it starts no more jobs, and running ones stop")
        standing.add_argument("--resume", action="store_true", help="it may start jobs again")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        organisation = options["organisation"]
        try:
            changes = _changes(options)
            if changes:
                limits.set_rules(organisation, **(dataclasses.asdict(limits.rules(organisation)) | changes))
            if options["suspend"] is not None:
                limits.suspend(organisation, options["suspend"])
            if options["resume"]:
                limits.resume(organisation)
        except ValueError as error:
            raise CommandError(str(error)) from error
        except DomainError as error:
            raise CommandError(f"{error.field or 'organisation'}: {error.detail}") from error
        done = ["rules set"] * bool(changes) + ["suspended"] * (options["suspend"] is not None)
        done += ["may start jobs again"] * options["resume"]
        self.stdout.write(f"organisation {organisation}: {', '.join(done)}")


def _changes(options: dict[str, Any]) -> dict[str, int | None]:
    """:raises ValueError, CommandError: naming the option that makes no sense, or saying that there is none."""
    changes: dict[str, int | None] = {}
    for name in ("overdraft", "fail_open", "most_held", "most_holds"):
        text = options[name]
        if text is None:
            continue
        bounds = name.startswith("most_")
        if bounds and text == ANY:
            changes[name] = None
            continue
        try:
            changes[name] = int(text) if name == "most_holds" else parse(text)
        except ValueError as error:
            raise ValueError(f"--{name.replace('_', '-')}: {error}") from error
    if not changes and options["suspend"] is None and not options["resume"]:
        raise CommandError("say what to change: a rule, --suspend or --resume")
    return changes
