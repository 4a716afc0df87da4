"""The core without HTTP: the posting SQL through psycopg2, and batches through usage.ingest by processor time."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2

from devtools.rigs.stage import SOURCE

Statement = tuple[str, list[Any]]
_serial = itertools.count()


def plain_inserts() -> Iterator[Statement]:
    for n in itertools.count():
        yield "INSERT INTO accounting_outboxevent (topic, payload) VALUES ('rig', %s)", [str(n)]


def bookings(client: Any, people: int) -> Iterator[Statement]:
    """Calls of usage_book as `booking.book` makes them, each for another report of another person."""
    import msgspec

    from accounting import answers, booking, pricing
    from accounting.resolution import resolve

    templates = []
    reports = [make_report(n, people) for n in range(min(people, 500))]
    for report, row in zip(reports, resolve(client, reports), strict=True):
        # What is measured is the statement that the private function leads to.
        priced = pricing.price(report, row)
        element = booking._element(client, priced, row, answers.render(priced))  # noqa: SLF001
        templates.append((msgspec.json.encode([element]).decode(), report, str(priced.report_id)))
    for n in _serial:
        document, report, uuid = templates[n % len(templates)]
        fresh = document.replace(f'"{report.key}"', f'"raw-{n}"').replace(f'"{report.job_id}"', f'"j-raw-{n}"')
        fresh = fresh.replace(f'"{report.execution_id}"', f'"e-raw-{n}"').replace(uuid, _uuid(n))
        yield "SELECT usage_book(%s::jsonb)", [fresh]


def _uuid(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


def rate_of(url: str, clients: int, seconds: float, statements: Iterator[Statement]) -> float:
    """Statements a second, each its own transaction, from so many connections of one process."""
    until = time.perf_counter() + seconds
    taking = threading.Lock()
    done: list[int] = []

    def work() -> None:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        count = 0
        with connection.cursor() as cursor:
            while time.perf_counter() < until:
                with taking:
                    sql, arguments = next(statements)
                cursor.execute(sql, arguments)
                count += 1
        connection.close()
        done.append(count)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == clients, "a connection failed"
    return sum(done) / seconds


@dataclass(frozen=True)
class BatchCost:
    """`parts` in microseconds of processor a report; `possible` if two cores did nothing else."""

    parts: dict[str, float]
    one_process: float

    @property
    def possible(self) -> float:
        return 2e6 / sum(self.parts.values())


def batch_cost(client: Any, people: int, batches: int, size: int = 1000) -> BatchCost:
    from django.db import connection

    from accounting import usage

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    rounds = []
    for _ in range(batches + 2):
        reports = [make_report(next(_serial), people) for _ in range(size)]
        wall, python, postgres = time.perf_counter(), time.process_time(), on_processor(backend)
        outcomes = usage.ingest(client, reports, on_reuse="refuse")
        spent = time.process_time() - python, on_processor(backend) - postgres, time.perf_counter() - wall
        assert all(outcome.status == "booked" for outcome in outcomes)
        rounds.append(spent)
    python, postgres, wall = (sorted(side)[len(side) // 2] / size * 1e6 for side in zip(*rounds[2:], strict=True))
    return BatchCost({"Python": python, "PostgreSQL": postgres}, 1e6 / wall)


def on_processor(pid: int) -> float:
    """Seconds that the process ran; unlike the clock it does not count what others took meanwhile."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def make_report(n: int, people: int) -> Any:
    from accounting.usage import UsageLine, UsageReport

    raw = (
        f'{{"source": "{SOURCE}", "user": "u{n % people}", "job_id": "j-{n}", "lines": ['
        '{"metric": "cpu", "quantity": "4000", "unit": "cpu-seconds"},'
        '{"metric": "memory", "quantity": "6784", "unit": "mb-seconds"}]}'
    )
    lines = (
        UsageLine("cpu", Decimal(4000), "cpu-seconds", "4000"),
        UsageLine("memory", Decimal(6784), "mb-seconds", "6784"),
    )
    return UsageReport(
        "usage-reports",
        SOURCE,
        f"u{(n * 7919) % people}",
        f"j-{n}",
        lines,
        raw,
        key=f"key-{n}",
        execution_id=f"e-{n}",
        state="FINISHED",
        finished_at=datetime.now(UTC) - timedelta(minutes=5),
    )


Measure = Callable[[], float]
