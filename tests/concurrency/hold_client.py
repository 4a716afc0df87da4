"""A back end's process with its own clock: opens holds as fast as it can, beats, or sweeps, and says what it did.

    python hold_client.py open <client> <count> <lifetime in seconds>
    python hold_client.py beat <client> <hold> <lifetime in seconds>
    python hold_client.py sweep

Run by tests, with `DATABASE_URL` and perhaps under `faketime`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import django


def main(deed: str, *words: str) -> None:
    django.setup()
    from accounting import holds
    from accounting.holds import Payer, Request
    from accounting.principals import ServicePrincipal
    from tests.conftest import ISSUER, SOURCE

    say(datetime.now(UTC).isoformat())
    if deed == "sweep":
        say(str(holds.expire_due()))
        return
    client = ServicePrincipal(int(words[0]), ISSUER, "job-tracker", "", "job-tracker")
    lifetime = timedelta(seconds=int(words[2]))
    if deed == "beat":
        holds.beat(client, UUID(words[1]), lifetime=lifetime)
        say("beaten")
        return
    for n in range(int(words[1])):
        request = Request(Payer(SOURCE, "alice@egi.eu"), f"job {n}", 1_000_000, f"dying {n}", lifetime=lifetime)
        say(str(holds.reserve(client, request).id))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
