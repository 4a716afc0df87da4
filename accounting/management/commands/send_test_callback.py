"""`manage.py send_test_callback`: does a back end take our messages? Docs: docs/operations.md."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounting import callbacks, registry
from accounting.callbacks import delivery


class Command(BaseCommand):
    help = "Sends a message of the type callback.test to a back end and says what it answered."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--client", nargs=2, metavar=("ISSUER", "CLIENT_ID"), required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        client = registry.find_client(*options["client"])
        if client is None:
            raise CommandError("no active client has that issuer and id; see register_backend")
        cause = f"command {uuid.uuid4()}"
        callbacks.send(client.pk, "callback.test", {"message": "Sent by an operator; nothing needs to be done."}, cause)
        if not callbacks.deliveries(client.pk).filter(cause=cause).exists():
            raise CommandError("it has no active callback; see register_callback")
        delivery.deliver(client.pk)
        sent = callbacks.deliveries(client.pk).get(cause=cause)
        if sent.delivered_at is None:
            waiting = f"tried again from {sent.due_at:%Y-%m-%dT%H:%M:%SZ}" if sent.abandoned_at is None else "given up"
            raise CommandError(f"{sent.uuid} was not taken ({sent.last_error or 'not tried yet'}), {waiting}")
        self.stdout.write(f"{sent.uuid} was taken with status {sent.last_status}")
