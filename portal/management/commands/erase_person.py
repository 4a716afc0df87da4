"""`manage.py erase_person`: for somebody who asks for it and cannot sign in. Docs: docs/privacy.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounting.credits import to_text
from accounting.erasure import Outlook
from accounting.errors import ErasureBlocked
from portal import erasure
from portal.models import User


class Command(BaseCommand):
    help = "Erases what is personal of somebody who signed in. Without --yes it says what would happen. Idempotent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("issuer", help="as the provider spells it, e.g. https://aai.egi.eu/auth/realms/egi")
        parser.add_argument("sub", help="the user id, as back ends report it")
        parser.add_argument("--give-up", action="store_true", help="credits that nobody could use any more")
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *args: Any, **options: Any) -> None:
        issuer = options["issuer"].rstrip("/")
        user = User.objects.filter(issuer__in=[issuer, f"{issuer}/"], sub=options["sub"]).first()
        if user is None:
            raise CommandError("nobody with this issuer and sub has signed in")
        found = erasure.outlook(user)
        for line in _told(found):
            self.stdout.write(line)
        if not options["yes"]:
            self.stdout.write("nothing was erased: --yes does it")
            return
        if found.credits and not options["give_up"]:
            raise CommandError("there are credits that nobody could use any more: --give-up agrees to it")
        try:
            done = erasure.erase(user, given_up=found.credits)
        except ErasureBlocked as blocked:
            raise CommandError(str(blocked)) from None
        self.stdout.write("erased" if done else "was erased before")


def _told(found: Outlook) -> list[str]:
    lines = [f"{found.open_holds} of their jobs hold credits: these end first"] if found.open_holds else []
    lines += [f"{place.name} ({place.organisation}) has members and no other owner" for place in found.orphans]
    return lines + [
        f"{place.name} ({place.organisation}) keeps {to_text(place.spendable)} credits that nobody could use any more"
        for place in found.given_up
        if place.spendable > 0
    ]
