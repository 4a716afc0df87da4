"""`make bench_portal`: what pages cost with a long history behind them; see docs/performance.md.

`make bench_portal ARGS="--sizes 100000 1000000 10000000"`: ten million entries take an hour and 20 GB. Server time is
the whole of Django in this process, middleware, queries and templates included, without HTTP around it; processor time
is that of this process and of its database session, which other work on the machine does not change.
"""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devtools.paths import ROOT
from devtools.rigs import bench_core, histories
from devtools.rigs.stage import staged
from devtools.testenv import end_on_sigterm

if TYPE_CHECKING:
    from django.test import Client

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: make bench_portal -->", "<!-- end of figures -->"
PAGES = {
    "dashboard": "/dashboard/",
    "explorer, 30 days": "/usage/?period=30d",
    "explorer, 30 days by member, split by back end": "/usage/?period=30d&by=member&split=backend",
    "explorer, 30 days by process, one back end and state": "/usage/?by=process&backend=history-0&state=FINISHED",
    "explorer, 90 days by grant": "/usage/?period=90d&by=grant",
    "explorer, this year by month, split by project": "/usage/?period=year&by=month&split=project",
    "explorer, everything by month": "/usage/?period=all&by=month",
    "explorer, everything by member, split by process": "/usage/?period=all&by=member&split=process",
    "charges, 30 days": "/usage/entries/?period=30d",
    "charges, everything failed of one process": "/usage/entries/?period=all&state=FAILED&process=process-7",
}
GOAL_MS = {"explorer, 30 days": 300.0}
GOAL_RATIO = {"dashboard": 1.2}
WARM_UP = 3


@dataclass(frozen=True)
class Times:
    """Milliseconds of server time, and of processor time (the median)."""

    median: float
    p95: float
    processor: float

    def __str__(self) -> str:
        return f"{self.median:.0f} ms, p95 {self.p95:.0f}, processor {self.processor:.0f}"


@dataclass(frozen=True)
class Export:
    """A whole history as CSV: how long, and by how much the process grew meanwhile."""

    rows: int
    seconds: float
    first_byte: float
    grown_mb: float

    def __str__(self) -> str:
        pace = f"{self.rows / self.seconds:,.0f} rows/s"
        return f"{self.seconds:.0f} s, {pace}, first byte {self.first_byte * 1000:.0f} ms, +{self.grown_mb:.1f} MB"


def measure(client: Client, path: str, requests: int) -> Times:
    took, worked, session = [], [], _session()
    for turn in range(requests + WARM_UP):
        started, busy = time.perf_counter(), _busy(session)
        response = client.get(path)
        if response.status_code != 200:
            raise SystemExit(f"{path} answered {response.status_code}")
        if turn >= WARM_UP:
            took.append((time.perf_counter() - started) * 1000)
            worked.append((_busy(session) - busy) * 1000)
    return Times(statistics.median(took), statistics.quantiles(took, n=20)[-1], statistics.median(worked))


def _session() -> int:
    """The process of our database session, which does all of its work itself."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _busy(session: int) -> float:
    """Seconds of processor that this process and the session have used."""
    return time.process_time() + bench_core.on_processor(session)


def export(client: Client) -> Export:
    """Read to the end and thrown away, as a slow disk would not."""
    before, started, first, rows = peak_mb(reset=True), time.perf_counter(), 0.0, -1
    response: Any = client.get("/usage/entries/export.csv?period=all")
    for part in response.streaming_content:
        first = first or time.perf_counter() - started
        rows += part.count(b"\r\n")
    return Export(rows, time.perf_counter() - started, first, peak_mb() - before)


def peak_mb(*, reset: bool = False) -> float:
    """The most memory that this process has had (since the last reset), in MB."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def look_at(
    size: int, person: tuple[str, str], requests: int, *, exports: bool
) -> tuple[Mapping[str, Times], Export | None]:
    from django.test import Client

    from portal import claims

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(claims.store(*person, {"name": "Historian"}))
    found = {}
    for name, path in PAGES.items():
        found[name] = measure(client, path, requests)
        print(f"{size:,} entries: {name}: {found[name]}", flush=True)
    told = export(client) if exports else None
    print(f"{size:,} entries: export: {told}", flush=True)
    return found, told


def table(sizes: Sequence[int], found: Mapping[int, Mapping[str, Times]], exported: Mapping[int, Export]) -> str:
    """Markdown: a row a page, a column a size, and by how much the processor time of the largest is more."""
    head = ["page", *(f"{size:,} entries" for size in sizes), "ratio"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name in PAGES:
        first, last = found[sizes[0]][name], found[sizes[-1]][name]
        growth = last.processor / first.processor
        ratio = f"{growth:.2f}{_goal(name, last, growth)}"
        lines.append(f"| {name} | {' | '.join(str(found[size][name]) for size in sizes)} | {ratio} |")
    if exported:
        cells = [str(exported[size]) if size in exported else "" for size in sizes]
        lines.append(f"| all charges as CSV | {' | '.join(cells)} | |")
    return "\n".join(lines)


def _goal(name: str, times: Times, ratio: float) -> str:
    if name in GOAL_RATIO:
        return f" (goal {GOAL_RATIO[name]}{'' if ratio <= GOAL_RATIO[name] else ': SHORT'})"
    if name in GOAL_MS:
        return f" (goal {GOAL_MS[name]:.0f} ms{'' if times.median <= GOAL_MS[name] else ': SHORT'})"
    return ""


def bench(chosen: argparse.Namespace) -> str:
    found: dict[int, Mapping[str, Times]] = {}
    exported: dict[int, Export] = {}
    with staged(durable=False) as stage:
        logging.disable(logging.INFO)
        cast = histories.make_cast(stage.issuer)
        for size in chosen.sizes:
            started = time.perf_counter()
            person = histories.make_history(cast, size, lambda done: print(done, flush=True))
            print(f"{size:,} entries written in {time.perf_counter() - started:.0f} s", flush=True)
            found[size], told = look_at(size, person, chosen.requests, exports=size <= chosen.export_up_to)
            if told:
                exported[size] = told
    return table(chosen.sizes, found, exported)


def write(text: str) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="python -m devtools.rigs.bench_portal", description=about)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000], help="wallet entries")
    parser.add_argument("--requests", type=int, default=20, help="of each page, after a warm-up")
    parser.add_argument("--export-up-to", type=int, default=1_000_000, help="the largest history that is exported")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    chosen = parser.parse_args(arguments)
    end_on_sigterm()
    text = bench(chosen)
    print(text)
    if chosen.write:
        write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
