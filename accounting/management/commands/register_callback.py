"""`manage.py register_callback`: where a back end is called. Docs: docs/operations.md, docs/callbacks.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounting import callbacks, registry
from accounting.errors import DomainError


class Command(BaseCommand):
    help = "Registers the https address that a back end is called at, and prints its secret, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--client", nargs=2, metavar=("ISSUER", "CLIENT_ID"), required=True)
        parser.add_argument("--url", help="https address that takes the messages; also switches it on again")
        parser.add_argument("--note", default="", help="for operators")
        parser.add_argument("--rotate", action="store_true", help="make a new secret; the old one counts 24 hours more")
        parser.add_argument("--off", action="store_true", help="send nothing any more, and abandon what waits")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if not (options["url"] or options["rotate"] or options["off"]):
            raise CommandError("say what to do: --url, --rotate or --off")
        if options["off"] and (options["url"] or options["rotate"]):
            raise CommandError("--off goes alone")
        client = registry.find_client(*options["client"])
        if client is None:
            raise CommandError("no active client has that issuer and id; see register_backend")
        try:
            if options["off"]:
                self.stdout.write(f"switched off; {callbacks.switch_off(client.pk)} waiting messages are abandoned")
                return
            secret = callbacks.register(client.pk, options["url"], options["note"]) if options["url"] else None
            if options["rotate"]:
                secret = callbacks.rotate(client.pk)
        except DomainError as error:
            raise CommandError(f"{error.field or 'callback'}: {error.detail}") from error
        self._tell(client.pk, secret)

    def _tell(self, client: int, secret: str | None) -> None:
        found = callbacks.find(client)
        assert found is not None
        self.stdout.write(f"messages go to {found.url}")
        if secret is None:
            self.stdout.write("the secret stays as it is; --rotate makes a new one")
        else:
            self.stdout.write(f"its secret, shown this once: {secret}")
