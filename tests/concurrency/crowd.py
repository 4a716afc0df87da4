"""Many callers who start at the same moment, each with a database connection that is already open."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connection

from accounting import invariants
from devtools.postgres import APP

SIZE = 32


class Crowd:
    """`SIZE` threads; every second one works with the rights of the application's role, the others as the owner."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool

    def rush(self, call: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Every thread calls with its number and the arguments at once; returns results, or exceptions instead."""
        barrier = threading.Barrier(SIZE, timeout=30)

        def at_once(number: int) -> Any:
            barrier.wait()
            try:
                return call(number, *arguments)
            except Exception as error:  # noqa: BLE001  # the test says which it expects
                return error

        return list(self.pool.map(at_once, range(SIZE)))


@contextmanager
def gathered() -> Iterator[Crowd]:
    call_command("grant_privileges", role=APP, verbosity=0)
    with ThreadPoolExecutor(SIZE) as pool:
        crowd = Crowd(pool)
        try:
            assert crowd.rush(_arrive) == [None] * SIZE
            yield crowd
        finally:
            crowd.rush(lambda _: connection.close())


def _arrive(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '20s'; SET deadlock_timeout = '100ms'")
        if number % 2:
            cursor.execute(f"SET SESSION AUTHORIZATION {APP}")


def counted(outcomes: Sequence[Any]) -> Counter[str]:
    """How often each status or kind of error came."""
    return Counter(type(one).__name__ if isinstance(one, Exception) else one.status for one in outcomes)


def broken_rules() -> list[str]:
    return [str(violation) for violation in invariants.violations()]
