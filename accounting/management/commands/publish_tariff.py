"""`manage.py publish_tariff`: a source's rates from a JSON file. Docs: docs/operations.md."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounting import tariffs
from accounting.errors import DomainError
from accounting.tariffs import RuleSpec


class RateCard(msgspec.Struct, forbid_unknown_fields=True):
    """The file: times are RFC 3339, numbers may be written as texts so that none is rounded."""

    name: str
    starts_at: datetime
    rules: list[RuleSpec]
    ends_at: datetime | None = None
    note: str = ""


class Command(BaseCommand):
    help = "Publishes a tariff. It cannot be changed afterwards; a later one ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source")
        parser.add_argument("file", type=Path, help="JSON: name, starts_at, ends_at?, note?, rules")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            card = msgspec.json.decode(options["file"].read_bytes(), type=RateCard, strict=False)
            if card.starts_at.tzinfo is None or (card.ends_at and card.ends_at.tzinfo is None):
                raise CommandError("times need an offset, for example 2026-01-01T00:00:00Z")
            tariff = tariffs.publish(
                options["source"],
                card.name,
                card.rules,
                starts_at=card.starts_at,
                ends_at=card.ends_at,
                note=card.note,
            )
        except (OSError, msgspec.DecodeError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        except DomainError as error:
            raise CommandError(f"{error.field or 'tariff'}: {error.detail}") from error
        self.stdout.write(
            f"published tariff {tariff} of {options['source']}, in force from {card.starts_at.isoformat()}"
        )
