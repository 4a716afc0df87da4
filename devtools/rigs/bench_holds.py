"""What holds cost: beside an empty view, beside plain reports, and what a sweep of many does to posts."""

from __future__ import annotations

import itertools
import json
import re
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from devtools.paths import ROOT
from devtools.rigs import bench_core, load
from devtools.rigs.load import Load
from devtools.rigs.stage import SOURCE, Stage

BATCH = 500
serial = itertools.count(1)

CHECK = {"checks": [{"source": SOURCE, "user": "@user", "amount": "1"}]}
HOLD = {"source": SOURCE, "user": "@user", "job_id": "@key", "amount": "0.001", "expires_in": 86400}
VIEWS: dict[str, Any] = {"/api/v1/precheck": CHECK, "/api/v1/holds": HOLD}


@dataclass(frozen=True)
class Beside:
    """The medians of alternating measurements of a view and of the empty one."""

    view: Load
    empty: Load

    @property
    def ratio(self) -> float:
        return self.view.p99_ms / self.empty.p99_ms


def allow_many(cursor: Any) -> None:
    """As many open holds as the measurements make."""
    cursor.execute("UPDATE accounting_account SET most_holds = 2000000000 WHERE kind = 'wallet'")


def post(stage: Stage, token: str, path: str, body: Any, *, seconds: int, connections: int, people: int) -> Load:
    run = f"h{next(serial)}"
    return load.post_json(
        stage.url + path, token, run, json.dumps(body), seconds=seconds, connections=connections, people=people
    )


def beside_empty(measure: Callable[[str], Load], path: str, rounds: int) -> Beside:
    """Turn by turn, by the 99th percentile."""
    measure(path), measure("/bench/empty")  # plans and caches warm
    pairs = [(measure(path), measure("/bench/empty")) for _ in range(rounds)]
    return Beside(*(median([one[side] for one in pairs]) for side in (0, 1)))


def median(loads: list[Load]) -> Load:
    middle = statistics.median_low([one.p99_ms for one in loads])
    return next(one for one in loads if one.p99_ms == middle)


def jobs_a_second(client: Any, people: int, threads: int, seconds: float, *, held: bool) -> float:
    """Reports through `usage.ingest` from so many threads of one process, each job's hold opened before it or not."""
    from django.db import connection

    from accounting import holds, usage
    from accounting.holds import Payer, Request

    until = time.perf_counter() + seconds
    done: list[int] = []

    def work() -> None:
        count = 0
        while time.perf_counter() < until:
            n = next(serial)
            names = dict.fromkeys(("key", "job_id", "execution_id"), f"pair-{n}")
            report = replace(bench_core.make_report(n, people), **names)
            if held:
                holds.reserve(client, Request(Payer(SOURCE, report.user), report.job_id, 2_000_000, report.job_id))
            [outcome] = usage.ingest(client, [report], on_reuse="refuse")
            assert outcome.status == "booked", outcome
            count += 1
        connection.close()
        done.append(count)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(done) == threads, "a thread failed"
    return sum(done) / seconds


# --- the sweep

FILL = """
    WITH wallets AS (
        SELECT a.id AS wallet, a.organisation_id, p.id AS person, g.id AS granted,
               row_number() OVER (ORDER BY a.id) - 1 AS n
          FROM accounting_account a JOIN accounting_person p ON p.personal_organisation_id = a.organisation_id
          JOIN LATERAL (SELECT id FROM accounting_grant WHERE wallet_id = a.id LIMIT 1) g ON true
    ), made AS (
        INSERT INTO accounting_hold (uuid, wallet_id, organisation_id, person_id, client_id, source_id, job_id,
               execution_id, amount, plans, plan, lifetime, failed_open, metadata, key, fingerprint, created_at,
               expires_at)
        SELECT gen_random_uuid(), w.wallet, w.organisation_id, w.person, %(client)s, s.id, 'swept-' || k, '', 1000,
               '{}', 'free', interval '1 minute', false, '{}', 'swept-' || k, '', now(), now()
          FROM generate_series(1, %(count)s) k JOIN wallets w ON w.n = k %% (SELECT count(*) FROM wallets)
          JOIN accounting_source s ON s.source_id = %(source)s
        RETURNING id, wallet_id
    ), opened AS (
        INSERT INTO accounting_openhold (hold_id, wallet_id, parent, remaining, unbacked, grants, amounts, captured,
                                         used, expires_at)
        SELECT m.id, m.wallet_id, NULL, 1000, 0, ARRAY[w.granted], ARRAY[1000], 0, 0, now()
          FROM made m JOIN wallets w ON w.wallet = m.wallet_id
    ), bound AS (
        UPDATE accounting_grant g SET held = held + c.kept
          FROM (SELECT w.granted, 1000 * count(*) AS kept FROM made m JOIN wallets w ON w.wallet = m.wallet_id
                 GROUP BY w.granted) c WHERE g.id = c.granted
    )
    UPDATE accounting_account a SET held = held + c.n * 1000, holds = holds + c.n
      FROM (SELECT wallet_id, count(*) AS n FROM made GROUP BY wallet_id) c WHERE a.id = c.wallet_id"""


@dataclass(frozen=True)
class Sweep:
    """`alone` and `beside` are posts without and with the sweep; `seconds` is how long it took beside them."""

    count: int
    seconds: float
    alone: Load
    beside: Load


def sweep(client: Any, count: int, measure: Callable[[], Load]) -> Sweep:
    """Ends so many holds that are due, in batches, while `measure` posts reports again and again."""
    from django.db import connection

    from accounting import holds

    alone = median([measure() for _ in range(3)])
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(FILL, {"client": client.client, "count": count, "source": SOURCE})
        cursor.execute("VACUUM ANALYZE accounting_openhold, accounting_hold")
    took: list[float] = []

    def run() -> None:
        started, ended = time.perf_counter(), 0
        while found := holds.expire_due(BATCH):
            ended += found
        took.append(time.perf_counter() - started)
        assert ended >= count, ended
        connection.close()

    worker = threading.Thread(target=run)
    worker.start()
    during = [measure()]
    while worker.is_alive():
        during.append(measure())
    worker.join()
    return Sweep(count, took[0], alone, median(during))


# --- the look-up of a report's hold


def lookup_cost(client: Any, people: int, count: int) -> dict[str, float]:
    """Microseconds of PostgreSQL's processor a report without hold: `before` holds were looked up, and `now`."""
    import msgspec
    from django.db import connection

    from accounting import answers, booking, pricing, resolution

    with connection.cursor() as cursor:
        _install_before(cursor)
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
        spent: dict[str, list[float]] = {"before": [], "now": []}
        for turn in range(8):
            cursor.execute("ANALYZE")  # plans of a rig that was empty a moment ago are made anew
            for name, suffix in (("before", "_before"), ("now", "")):
                documents = []
                for _ in range(count):
                    n = next(serial)
                    report = replace(bench_core.make_report(n, people), key=f"look-{n}", job_id=f"look-{n}")
                    [row] = resolution.resolve(client, [report])
                    priced = pricing.price(report, row)
                    element = booking._element(client, priced, row, answers.render(priced))  # noqa: SLF001
                    question = resolution.question(report, accepted=True)
                    documents.append([msgspec.json.encode([one]).decode() for one in (question, element)])
                started = bench_core.on_processor(backend)
                for asked, element_text in documents:
                    cursor.execute(f"SELECT usage_resolve{suffix}(%s, %s::jsonb)", [client.client, asked])
                    cursor.execute(f"SELECT usage_book{suffix}(%s::jsonb)", [element_text])
                if turn:  # the first round is for plans and caches
                    spent[name].append((bench_core.on_processor(backend) - started) / count * 1e6)
    return {name: statistics.median(times) for name, times in spent.items()}


def _install_before(cursor: Any) -> None:
    """The two functions as they were when nobody held anything, under other names."""
    text = (ROOT / "accounting/migrations/sql/0005_usage.sql").read_text(encoding="utf-8")
    for name in ("usage_resolve", "usage_book"):
        found = re.search(rf"CREATE FUNCTION {name}\(.*?\nEND \$\$;\n", text, re.DOTALL)
        assert found, name
        cursor.execute(found[0].replace(f"FUNCTION {name}(", f"FUNCTION {name}_before("))
