"""`make crash`: holds and reports over HTTP while database and web are killed; every credit is then accounted for.

Three runs: as shipped, which must lose and double nothing, and two negative controls with a safeguard taken away,
which must be seen to fail, or the rig proves nothing: `--durability-off` (commits are confirmed before they are on
disk) and `--no-unique-key` (nothing makes a key unique). One of them alone: `ARGS="--only no-unique-key" make crash`.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devtools.postgres import PostgresError
from devtools.processes import ProcessError, wait_until
from devtools.rigs import crash_proof
from devtools.rigs.crash_clients import Clients, make_reports
from devtools.rigs.stage import DATABASE, Stage, children, end, populate, staged
from devtools.testenv import end_on_sigterm

PEOPLE = 200
CREDITS = 100
"""Less than most people's jobs cost together, so that wallets run dry and debts are made under fire."""
SLOWEST_SECONDS = 600


@dataclass
class Killer:
    """Kills by turns, evenly over the reports that are done, and waits each time until the service is whole again."""

    stage: Stage
    clients: Clients
    database_kills: int
    web_kills: int
    dice: random.Random
    recoveries: dict[str, list[float]] = field(default_factory=dict)

    def run(self) -> None:
        database: list[Callable[[], None]] = [self._kill_cluster, self._kill_backend, self._restart_at_once]
        web: list[Callable[[], None]] = [self._kill_worker, self._kill_workers, self._kill_master]
        deeds = [(database[n % 3], n / max(self.database_kills, 1)) for n in range(self.database_kills)]
        deeds += [(web[n % 3], (n + 0.5) / max(self.web_kills, 1)) for n in range(self.web_kills)]
        deeds.sort(key=lambda deed: deed[1])
        for deed, share in deeds:
            # The last one comes while there is still something to disturb.
            self._wait_for(int(self.clients.total * (0.03 + 0.92 * share)))
            self._do(deed)

    def _wait_for(self, done: int) -> None:
        wait_until(lambda: self.clients.done >= done, f"{done} reports", seconds=SLOWEST_SECONDS, pause=0.01)

    def _do(self, deed: Callable[[], None]) -> None:
        started, done = time.monotonic(), self.clients.done
        deed()
        wait_until(lambda: self.stage.answers("/health"), "gunicorn", seconds=60, pause=0.02)
        wait_until(lambda: self.clients.done > done, "the next 2xx", seconds=120, pause=0.01)
        name = deed.__name__.strip("_").replace("_", " ")
        self.recoveries.setdefault(name, []).append(time.monotonic() - started)

    def _kill_cluster(self) -> None:
        self.stage.cluster.kill()
        self._start_cluster()

    def _restart_at_once(self) -> None:
        self.stage.cluster.stop("immediate")
        self._start_cluster()

    def _start_cluster(self) -> None:
        for _ in range(20):
            try:
                self.stage.cluster.start()
            except PostgresError:  # old children can hold its memory for a moment
                time.sleep(0.2)
            else:
                return
        raise PostgresError(f"PostgreSQL does not come back:\n{self.stage.cluster.last_words()}")

    def _kill_backend(self) -> None:
        """One server process that works for the portal; the server then restarts all others by itself."""
        pids = self.stage.cluster.query(
            f"SELECT pid FROM pg_stat_activity WHERE datname = '{DATABASE}' AND application_name = 'openeo-credits'"  # noqa: S608
        )
        if victims := pids.split():
            end(int(self.dice.choice(victims)))

    def _kill_worker(self) -> None:
        if workers := self._workers():
            end(self.dice.choice(workers))

    def _kill_workers(self) -> None:
        for worker in self._workers():
            end(worker)

    def _kill_master(self) -> None:
        assert self.stage.web is not None
        for pid in (self.stage.web.pid, *self._workers()):
            end(pid)
        self.stage.web.process.wait()
        self.stage.start_web()

    def _workers(self) -> list[int]:
        assert self.stage.web is not None
        return children(self.stage.web.pid)


SHIPPED = "as-shipped"
CONTROLS = (SHIPPED, "durability-off", "no-unique-key")


def weaken(stage: Stage, control: str) -> None:
    """Takes one safeguard away."""
    from django.db import connection

    if control == "durability-off":
        stage.cluster.query("ALTER SYSTEM SET synchronous_commit = off")
        stage.cluster.query("ALTER SYSTEM SET wal_writer_delay = '10s'")
        stage.cluster.query("SELECT pg_reload_conf()")
    elif control == "no-unique-key":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_indexdef('transaction_once_a_key'::regclass)")
            index = cursor.fetchone()[0].replace("UNIQUE ", "")
            cursor.execute(f"DROP INDEX transaction_once_a_key; {index}")
            cursor.execute("SELECT pg_get_functiondef('ledger_write_transactions'::regproc)")
            body = cursor.fetchone()[0]
            conflict = "ON CONFLICT (client_id, endpoint, source_id, service, key) WHERE key IS NOT NULL DO NOTHING"
            assert conflict in body
            cursor.execute(body.replace(conflict, ""))


def crash(chosen: argparse.Namespace, control: str) -> tuple[crash_proof.Proof, Clients, Killer, float]:
    dice = random.Random(chosen.seed)
    with staged() as stage:
        populate(stage.issuer, PEOPLE, CREDITS)
        weaken(stage, control)
        stage.start_web()
        stage.wait_for_web()
        reports = make_reports(chosen.reports, chosen.reports // 20, PEOPLE, dice)
        clients = Clients(stage.url, stage.token(), reports, chosen.clients, held=chosen.held)
        killer = Killer(stage, clients, chosen.kills, chosen.web_kills, dice)
        started = time.monotonic()
        clients.run()
        # In this thread: gunicorn, which it starts again, is bound to end with the thread that started it.
        killer.run()
        if not clients.wait(SLOWEST_SECONDS):
            raise ProcessError(f"{clients.total - clients.done} reports had no answer after {SLOWEST_SECONDS} s")
        took = time.monotonic() - started
        return crash_proof.take(reports, clients.acknowledged, clients.told), clients, killer, took


def describe(
    chosen: argparse.Namespace, proof: crash_proof.Proof, clients: Clients, killer: Killer, took: float
) -> None:
    print(f"\n--- {chosen.only}: {took:.0f} s, seed {chosen.seed}")
    print(proof)
    print("met:", ", ".join(f"{what} {count}" for what, count in sorted(clients.acknowledged.met.items())))
    print("holds met:", ", ".join(f"{what} {count}" for what, count in sorted(clients.told.met.items())), flush=True)
    for name, seconds in sorted(killer.recoveries.items()):
        median, worst = statistics.median(seconds), max(seconds)
        print(
            f"{name}: {len(seconds)} times, next 2xx after {median:.1f} s (median), {worst:.1f} s (worst)", flush=True
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.rigs.crash", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--reports", type=int, default=10_000, help="a twentieth of them is sent twice")
    parser.add_argument("--kills", type=int, default=20, help="of PostgreSQL")
    parser.add_argument("--web-kills", type=int, default=20, help="of gunicorn's processes")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--held", type=int, default=3, help="every so many jobs has a hold")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", choices=CONTROLS, help="this run alone")
    chosen = parser.parse_args(arguments)
    end_on_sigterm()
    if chosen.only:
        return 0 if run(chosen) else 1
    # A process each: Django's settings are read once.
    command = [sys.executable, "-m", "devtools.rigs.crash", *(arguments or sys.argv[1:])]
    codes = [subprocess.run([*command, "--only", control], check=False).returncode for control in CONTROLS]
    return max(codes)


def run(chosen: argparse.Namespace) -> bool:
    """One run; whether it ended as it must: as shipped the proof holds, with a safeguard taken away it does not."""
    proof, clients, killer, took = crash(chosen, chosen.only)
    describe(chosen, proof, clients, killer, took)
    met = clients.acknowledged.met + clients.told.met
    faults = [what for what in met if what.startswith("HTTP") and what != "HTTP 503"]
    good = proof.holds and not faults if chosen.only == SHIPPED else not proof.holds
    print(f"{'holds' if proof.holds else 'FAILS'}, {'as it must' if good else f'and must not {faults}'}", flush=True)
    return good


if __name__ == "__main__":
    sys.exit(main())
