"""`manage.py load_capabilities`: which collections and processes a back end has, from what its openEO API answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounting import estimates
from accounting.errors import DomainError


class Command(BaseCommand):
    help = "Replaces the collections or processes of a back end by those in files saved from its openEO API."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--backend", required=True, help="its slug, as given to register_backend")
        parser.add_argument("files", nargs="+", type=Path, help="JSON answers of GET /collections and GET /processes")

    def handle(self, *args: Any, **options: Any) -> None:
        for path in options["files"]:
            try:
                counts = estimates.load_capabilities(options["backend"], json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError) as error:
                raise CommandError(f"{path}: {error}") from error
            except DomainError as error:
                place = f" ({error.field})" if error.field else ""
                raise CommandError(f"{path}: {error.detail}{place}") from error
            said = ", ".join(f"{count} of kind {kind}" for kind, count in counts.items())
            self.stdout.write(f"{options['backend']} has {said}")
