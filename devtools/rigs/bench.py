"""`make bench`: what a report costs, as ratios within one run on this machine; see docs/performance.md.

`ARGS=--write make bench` puts the table into docs/performance.md; `ARGS="--seconds 2 --people 500"` is a quick look.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from devtools.paths import ROOT
from devtools.postgres import APP
from devtools.processes import ProcessError
from devtools.rigs import bench_core, bench_holds, load
from devtools.rigs.load import Load
from devtools.rigs.stage import DATABASE, Stage, populate, staged
from devtools.testenv import end_on_sigterm

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: make bench -->", "<!-- end of figures -->"
BEGIN_HOLDS = "<!-- figures: make bench, holds -->"
ROUNDS = 3


@dataclass
class Table:
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    short: list[str] = field(default_factory=list)

    def add(self, what: str, figure: str, ratio: str = "") -> None:
        self.rows.append((what, figure, ratio))
        print(f"{what}: {figure}{f' ({ratio})' if ratio else ''}", flush=True)

    def goal(self, what: str, figure: str, value: float, least: float) -> None:
        met = value >= least
        self.add(what, figure, f"{value:.2f}, goal {least:.2f}{'' if met else ': SHORT'}")
        if not met:
            self.short.append(what)

    def ceiling(self, what: str, figure: str, value: float, most: float) -> None:
        met = value <= most
        self.add(what, figure, f"{value:.2f}, goal at most {most:.1f}{'' if met else ': SHORT'}")
        if not met:
            self.short.append(what)

    def __str__(self) -> str:
        lines = ["| what | figure | ratio |", "| --- | --- | --- |"]
        return "\n".join(lines + [f"| {what} | {figure} | {ratio} |" for what, figure, ratio in self.rows])


def bench(chosen: argparse.Namespace) -> Table:
    table = Table()
    with staged(urls="devtools.rigs.bench_urls") as stage:
        client = populate(stage.issuer, chosen.people, 1_000_000)
        if chosen.only != "holds":
            floor(table, stage, client, chosen)
            batches(table, client, chosen)
        stage.start_web()
        stage.wait_for_web()
        if chosen.only != "holds":
            over_http(table, stage, chosen)
        if chosen.only != "reports":
            of_holds(table, stage, client, chosen)
        check(table)
    return table


def of_holds(table: Table, stage: Stage, client: object, chosen: argparse.Namespace) -> None:
    """Pre-checks and reservations beside an empty view, pairs beside plain reports, the sweep, a report's look-up."""
    from django.db import connection

    with connection.cursor() as cursor:
        bench_holds.allow_many(cursor)
    token = stage.token()

    def measure(path: str, connections: int, people: int = chosen.people) -> Load:
        body = bench_holds.VIEWS.get(path, bench_holds.HOLD)
        how = {"seconds": chosen.seconds, "connections": connections, "people": people}
        found = bench_holds.post(stage, token, path, body, **how)
        if found.failed:
            raise ProcessError(f"{found.failed} requests to {path} failed")
        return found

    for connections in (1, 8, 32):
        for path in bench_holds.VIEWS:
            beside = bench_holds.beside_empty(partial(measure, connections=connections), path, ROUNDS)
            name = f"POST {path} beside an empty view, {connections} connection{'s' * (connections > 1)}"
            table.ceiling(name, f"{beside.view}; empty: {beside.empty}", beside.ratio, 3.0)
    spread = _compare(lambda: measure("/api/v1/holds", 64), ROUNDS)
    hot = _compare(lambda: measure("/api/v1/holds", 64, 1), ROUNDS)
    table.add("POST /api/v1/holds, 64 connections, many organisations", str(spread))
    ratio = hot.per_second / spread.per_second
    table.add("POST /api/v1/holds, 64 connections, ONE organisation", str(hot), f"{ratio:.2f}")
    pairs, plain = (
        statistics.median(
            bench_holds.jobs_a_second(client, chosen.people, 8, chosen.seconds, held=held) for _ in range(ROUNDS)
        )
        for held in (True, False)
    )
    of_plain = f"{pairs / plain:.2f} of plain reports"
    table.add("hold, then the job's report, 8 threads", f"{pairs:,.0f} pairs/s", of_plain)
    cost = bench_holds.lookup_cost(client, chosen.people, 200)
    figure = f"{cost['now']:.0f} microseconds of PostgreSQL, {cost['before']:.0f} when no hold was looked for"
    table.ceiling("a report of a job without hold", figure, cost["now"] / cost["before"], 1.1)
    swept = bench_holds.sweep(client, chosen.holds, lambda: measure_reports(stage, token, chosen))
    name = f"sweep of {swept.count:,} holds in batches of {bench_holds.BATCH}, while 8 clients post"
    figure = f"{swept.seconds:.0f} s; posts {swept.beside}, without the sweep {swept.alone}"
    table.add(name, figure, f"p99 {swept.beside.p99_ms / swept.alone.p99_ms:.2f} times")


def measure_reports(stage: Stage, token: str, chosen: argparse.Namespace) -> Load:
    run = f"sweep{next(bench_holds.serial)}"
    options = {"seconds": min(chosen.seconds, 4), "connections": 8, "people": chosen.people}
    found = load.post(f"{stage.url}/resources", token, run, **options)
    if found.failed:
        raise ProcessError(f"{found.failed} reports failed")
    return found


def floor(table: Table, stage: Stage, client: object, chosen: argparse.Namespace) -> None:
    """(a) the posting SQL alone, and one plain INSERT a commit for scale, from one process with so many connections."""
    url = stage.cluster.url(APP, DATABASE)
    bookings = bench_core.bookings(client, chosen.people)
    bench_core.rate_of(url, 1, 1, bookings)  # statistics and caches warm
    for clients in (1, 32):
        insert = bench_core.rate_of(url, clients, chosen.seconds, bench_core.plain_inserts())
        book = bench_core.rate_of(url, clients, chosen.seconds, bookings)
        name = f"posting SQL alone (usage_book), {clients} connection{'s' * (clients > 1)}"
        table.add(name, f"{book:,.0f} reports/s", f"{book / insert:.2f} of single-row INSERTs ({insert:,.0f}/s)")


def batches(table: Table, client: object, chosen: argparse.Namespace) -> None:
    """(c) batches of 1,000 through usage.ingest; the processor time is what bounds the rate on two cores."""
    cost = bench_core.batch_cost(client, chosen.people, chosen.batches)
    for part, microseconds in cost.parts.items():
        table.add(f"a report in a batch of 1,000: {part}", f"{microseconds:.0f} microseconds of processor")
    figure = f"{cost.possible:,.0f} reports/s on two cores, {cost.one_process:,.0f}/s measured in one process"
    table.goal(f"batches of 1,000 over {chosen.people:,} organisations", figure, cost.possible / 10_000, 1.0)


def over_http(table: Table, stage: Stage, chosen: argparse.Namespace) -> None:
    token = stage.token()
    runs = 0

    def measured(path: str, **how: int | bool) -> Load:
        nonlocal runs
        runs += 1
        options: dict[str, int | bool] = {"seconds": chosen.seconds, "connections": 16, "people": chosen.people} | how
        found = load.post(stage.url + path, token, f"run{runs}", **options)  # type: ignore[arg-type]
        if found.failed:
            raise ProcessError(f"{found.failed} requests to {path} failed")
        return found

    measured("/resources"), measured("/bench/echo")  # plans, caches and statistics warm
    pairs = [(measured("/resources"), measured("/bench/echo")) for _ in range(ROUNDS)]
    report, echo = (_median([pair[side] for pair in pairs]) for side in (0, 1))
    table.add("view that authenticates, parses and answers, 16 connections", str(echo))
    ratio = report.per_second / echo.per_second
    table.goal("POST /resources, new reports, 16 connections", str(report), ratio, 0.5)
    hot = _compare(lambda: measured("/resources", connections=64, people=1), ROUNDS)
    spread = _compare(lambda: measured("/resources", connections=64), ROUNDS)
    table.add("POST /resources, 64 connections, many organisations", str(spread))
    ratio = hot.per_second / spread.per_second
    table.goal("POST /resources, 64 connections, ONE organisation", str(hot), ratio, 0.6)
    again = _compare(lambda: measured("/resources", replay=True), ROUNDS)
    table.goal("POST /resources, replays", str(again), again.per_second / report.per_second, 1.0)


def check(table: Table) -> None:
    """No lost update and no deadlock: the books add up after all that, and the server counted none."""
    from django.db import connection

    from accounting import invariants

    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        deadlocks = cursor.fetchone()[0]
    broken = [str(violation) for violation in invariants.violations()]
    table.add("afterwards", f"{deadlocks} deadlocks, {len(broken)} broken invariants {broken or ''}".strip())
    if deadlocks or broken:
        table.short.append("the books")


def _compare(measure: Callable[[], Load], rounds: int) -> Load:
    return _median([measure() for _ in range(rounds)])


def _median(loads: Sequence[Load]) -> Load:
    middle = statistics.median_low([found.per_second for found in loads])
    return next(found for found in loads if found.per_second == middle)


def write(table: Table, only: str | None) -> None:
    """Into the part of the page for this half, or for all of it."""
    begin = BEGIN_HOLDS if only == "holds" else BEGIN
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    PAGE.write_text(f"{before}{begin}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.rigs.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=int, default=8, help="of each HTTP measurement")
    parser.add_argument("--people", type=int, default=10_000, help="organisations, one a person")
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--holds", type=int, default=100_000, help="that are swept")
    parser.add_argument("--only", choices=["reports", "holds"], help="this half alone")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    chosen = parser.parse_args(arguments)
    end_on_sigterm()
    table = bench(chosen)
    if chosen.write:
        write(table, chosen.only)
    print(f"short of the goal: {', '.join(table.short) or 'nothing'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
