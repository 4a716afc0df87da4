"""What holds cost: pre-checks and reservations beside an empty view, pairs beside plain reports, the sweep beside posts."""

from __future__ import annotations

import itertools
import json
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2

from devtools.rigs import bench_core, load
from devtools.rigs.bench_core import Statement
from devtools.rigs.load import Load
from devtools.rigs.stage import SOURCE, Stage

SWEPT = 100_000
BATCH = 500
_serial = itertools.count(1)

PRECHECK = json.dumps({"checks": [{"source": SOURCE, "user": "u%d", "amount": "1"}]})
HOLD = json.dumps({"source": SOURCE, "user": "u%d", "job_id": "j-%s", "amount": "0.001", "expires_in": 86400})


@dataclass(frozen=True)
class Beside:
    """The median of `rounds` alternating measurements of a view and of the empty one."""

    view: Load
    empty: Load

    @property
    def ratio(self) -> float:
        return self.view.p99_ms / self.empty.p99_ms


def over_http(stage: Stage, seconds: int, people: int, clients: int, rounds: int) -> Iterator[tuple[str, Beside]]:
    """/precheck and /holds against a view that authenticates, parses and answers, turn by turn."""
    token = stage.token()

    def send(path: str, body: str, connections: int) -> Load:
        run = f"h{next(_serial)}"
        return load.post_json(
            stage.url + path, token, run, body, seconds=seconds, connections=connections, people=people
        )

    for name, path, body in (("precheck", "/api/v1/precheck", PRECHECK), ("holds", "/api/v1/holds", HOLD)):
        send(path, body, clients), send("/bench/empty", body, clients)  # plans and caches warm
        pairs = [(send(path, body, clients), send("/bench/empty", body, clients)) for _ in range(rounds)]
        yield name, Beside(*(_median([pair[side] for pair in pairs]) for side in (0, 1)))


def _median(loads: list[Load]) -> Load:
    middle = statistics.median_low([one.p99_ms for one in loads])
    return next(one for one in loads if one.p99_ms == middle)


# --- without HTTP


def questions(client: Any, people: int, *, hot: bool = False, lifetime: float = 86400) -> Iterator[tuple[str, str]]:
    """(job, document for hold_open): each another person's, or all one's."""
    import msgspec

    from accounting import holds
    from accounting.holds import Payer

    for n in _serial:
        job, user = f"bench-{n}", "u0" if hot else f"u{n * 7919 % people}"
        document = holds.question(
            Payer(SOURCE, user),
            uuid=bench_core._uuid(10_000_000 + n),  # noqa: SLF001
            job_id=job,
            execution_id=None,
            amount=1000,
            budget=None,
            parent=None,
            lifetime=lifetime,
            metadata={},
            key=job,
            fingerprint="",
        )
        yield job, msgspec.json.encode(document).decode()


def openings(client: Any, people: int, *, hot: bool = False) -> Iterator[Statement]:
    for _, document in questions(client, people, hot=hot):
        yield "SELECT hold_open(%s, %s::jsonb)", [client.client, document]


def pair(url: str, client: Any, people: int, clients: int, seconds: float, *, held: bool, hot: bool = False) -> float:
    """Reports a second from so many connections, each job's hold opened before (`held`) or not; read and write of each."""
    import msgspec

    from accounting import booking, resolution, usage
    from accounting.answers import render

    until, done, taking = time.perf_counter() + seconds, [], threading.Lock()
    jobs = questions(client, people, hot=hot)

    def work() -> None:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        count = 0
        with connection.cursor() as cursor:
            while time.perf_counter() < until:
                with taking:
                    job, document = next(jobs)
                if held:
                    cursor.execute("SELECT hold_open(%s, %s::jsonb)", [client.client, document])
                user = json.loads(document)["user"]
                report = bench_core.report_of(job, user)
                question = [resolution.question(report)]
                cursor.execute(RESOLVE, [client.client, msgspec.json.encode(question).decode()])
                row = resolution.Resolved(*cursor.fetchone())
                priced = usage._price(report, row)  # noqa: SLF001
                element = booking._element(client, priced, row, render(priced))  # noqa: SLF001
                cursor.execute("SELECT usage_book(%s::jsonb)", [msgspec.json.encode([element]).decode()])
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


RESOLVE = "SELECT * FROM usage_resolve(%s, %s::jsonb) ORDER BY i"
