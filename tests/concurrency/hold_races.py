"""What races of holds do and count: reserve, capture, report, release, and the books after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from accounting import captures, holds, usage
from accounting.holds import Payer, Request, Reserved
from accounting.usage import Outcome, UsageLine
from tests.accounting.hold_books import check_held
from tests.concurrency.crowd import broken_rules
from tests.conftest import SOURCE, Federation
from tests.faults import figures

CREDIT = 1_000_000


def credits(number: int) -> tuple[UsageLine, ...]:
    """Usage that costs so many credits."""
    return (UsageLine("processing", Decimal(number), "credits", str(number)),) if number else ()


def reserve(federation: Federation, key: str, amount: int, **changes: Any) -> Reserved:
    """A hold of Alice's for the job of the same name as its key, unless said."""
    payer = Payer(SOURCE, changes.pop("user", federation.alice.sub), **changes.pop("payer", {}))
    terms: dict[str, Any] = {"job_id": f"job {key}", "key": key, "amount": amount, "lifetime": timedelta(hours=1)}
    return holds.reserve(federation.client, Request(payer, **(terms | changes)))


def capture(federation: Federation, hold: Reserved, number: int, key: str, *, final: bool = False) -> Outcome:
    """So many credits since the job began."""
    lines = credits(number)
    return captures.capture(federation.client, hold.id, lines, key=key, raw="{}", final=final)


def report(federation: Federation, hold: Reserved, number: int, key: str, **changes: Any) -> Outcome:
    """The job's own, which ends it unless said otherwise."""
    told = {"job_id": hold.job_id, "execution_id": f"run of {hold.job_id}", "user": hold.user, "lines": credits(number)}
    return usage.ingest(federation.client, [federation.report(key, **(told | changes))], on_reuse="replay")[0]


def wallet(organisation: int) -> tuple[int, int, int]:
    """(posted, held, open holds) in micro-credits."""
    posted, held, count = figures(
        "SELECT posted, held, holds FROM accounting_account WHERE organisation_id = %s", organisation
    )
    return posted, held, count


def ends(*reserved: Reserved) -> dict[str, int]:
    """How many of the holds ended how; one that is open does not count."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, count(*) FROM accounting_holdevent WHERE ends AND hold_id = ANY (%s) GROUP BY kind",
            [[one.pk for one in reserved]],
        )
        return dict(cursor.fetchall())


def kinds(outcomes: Sequence[Any]) -> dict[str, int]:
    """How often each came: the status of a report, "held" or "again" of a hold, the class of an error."""
    found: dict[str, int] = {}
    for one in outcomes:
        if isinstance(one, Reserved):
            name = "again" if one.replayed else "held"
        else:
            name = one.status if isinstance(one, Outcome) else type(one).__name__
        found[name] = found.get(name, 0) + 1
    return found


def unexpected(outcomes: Sequence[Any], *allowed: type[Exception]) -> list[str]:
    """What nobody should hear: a deadlock, a constraint, a fault of ours."""
    return [repr(one) for one in outcomes if isinstance(one, Exception) and not isinstance(one, allowed)]


def check_books() -> None:
    """Held = sum of open holds, and every rule that `verify_ledger` knows."""
    check_held()
    assert broken_rules() == []


def deadlocks() -> int:
    """How many this database has had; what a session saw counts when the session has ended."""
    return int(figures("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0])


@contextmanager
def without_deadlocks() -> Iterator[None]:
    before = deadlocks()
    yield
    assert deadlocks() == before
