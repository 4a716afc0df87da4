"""`manage.py register_backend`: lets a back end report under a source. Docs: docs/operations.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from accounting import registry


class Command(BaseCommand):
    help = "Registers provider, back end, source and the client that reports for it. Idempotent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", help="the sourceId of its reports, e.g. TerraScope/MEP")
        parser.add_argument("--provider", required=True, help="short name of the company, e.g. vito")
        parser.add_argument("--provider-name", help="as people read it")
        parser.add_argument("--backend", required=True, help="short name of the back end, e.g. terrascope")
        parser.add_argument("--backend-name", help="as people read it")
        parser.add_argument("--url", default="", help="where the back end answers")
        parser.add_argument(
            "--excess",
            choices=["charge", "waive"],
            default="charge",
            help="what a job costs beyond its hold: charged to the wallet, or borne by the back end",
        )
        parser.add_argument("--user-issuer", required=True, help="the issuer of its users' subs")
        parser.add_argument("--client-issuer", required=True, help="the issuer of the tokens it reports with")
        parser.add_argument("--client-id", required=True)
        parser.add_argument(
            "--client-subject", default="", help="the sub of those tokens, if known: then it must match"
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        provider = registry.register_provider(options["provider"], options["provider_name"] or options["provider"])
        name = options["backend_name"] or options["backend"]
        backend = registry.register_backend(options["backend"], name, provider, options["url"], options["excess"])
        registry.register_source(options["source"], backend, options["user_issuer"])
        client = registry.find_client(options["client_issuer"], options["client_id"])
        sources = {options["source"], *(registry.sources_of(client.pk) if client else ())}
        registry.register_client(
            options["client_issuer"], options["client_id"], name, sorted(sources), subject=options["client_subject"]
        )
        self.stdout.write(f"{options['client_id']} may report for {', '.join(sorted(sources))}")
