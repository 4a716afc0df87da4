"""`python -m devtools.demonstration ACTION...`: `seed`, `describe` (JSON on standard output), `live`.

Several actions run one after the other in one process, because most of the time of each is loading Django.
"""

from __future__ import annotations

import json
import os
import sys
import time

from devtools.demonstration.guard import DemonstrationRefused


def main(arguments: list[str]) -> int:
    if not arguments or not ACTIONS.keys() >= set(arguments):
        print(f"usage: python -m devtools.demonstration {' | '.join(ACTIONS)} ...", file=sys.stderr)
        return 2
    try:
        return next((code for code in (ACTIONS[action]() for action in arguments) if code), 0)
    except DemonstrationRefused as refusal:
        print(f"Refused: {refusal}.", file=sys.stderr)
        return 1


def _seed() -> int:
    # Only the owner may move the clock, so the past is made with the owner's connection.
    os.environ["DATABASE_URL"] = os.environ.get("DATABASE_OWNER_URL") or os.environ["DATABASE_URL"]
    os.environ["LOG_LEVEL"] = "ERROR"  # what `describe` says on standard output is read by a program
    os.environ["DATABASE_STATEMENT_TIMEOUT_MS"] = "60000"  # ninety days at once, on a machine that may be busy
    _load_django()
    from devtools.demonstration.seed import SeedFailed, seed

    started = time.monotonic()
    try:
        made = seed()
    except SeedFailed as failure:
        print(f"Nothing was seeded: {failure}", file=sys.stderr)
        return 1
    took = time.monotonic() - started
    said = f"made 90 days of history in {took:.1f} s" if made else "the history is there already"
    print(said, file=sys.stderr)
    return 0


def _describe() -> int:
    _load_django()
    from devtools.demonstration.describe import describe

    print(json.dumps(describe(), ensure_ascii=False))
    return 0


def _live() -> int:
    # No Django: what it knows of the portal is what any back end knows.
    from devtools.demonstration import live

    return live.main()


def _load_django() -> None:
    import django

    django.setup()


ACTIONS = {"seed": _seed, "describe": _describe, "live": _live}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
