"""What schemathesis leaves out: numbers that a schema cannot exclude and no client means. For devtools/rigs/fuzz.py."""

from __future__ import annotations

from typing import Any

import schemathesis

SMALLEST, LARGEST = 1e-40, 1e40


@schemathesis.hook
def filter_body(_context: Any, body: Any) -> bool:
    """Strict JSON refuses numbers of absurd magnitude wherever they are."""
    if isinstance(body, dict):
        return all(filter_body(_context, inner) for inner in body.values())
    if isinstance(body, list):
        return all(filter_body(_context, inner) for inner in body)
    return not isinstance(body, int | float) or body == 0 or SMALLEST <= abs(body) <= LARGEST


@schemathesis.hook
def filter_query(_context: Any, query: Any) -> bool:
    """A page's length is clamped, but not from any number."""
    return not isinstance(query, dict) or len(str(query.get("limit", ""))) < 19


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """A dry run does without the key that a report must have, which no description can say."""
    dry = str((case.query or {}).get("dry_run", "")).lower() == "true"
    return not dry or "Idempotency-Key" in (case.headers or {})
