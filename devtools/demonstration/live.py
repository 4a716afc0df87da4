"""The back ends of the demonstration go on working: every few seconds somebody's job finishes and is reported.

Over HTTP alone, as a stranger's back end would do it. Configuration from the environment: ETL_URL, OIDC_ISSUER, and
either DEMO_CLIENTS (a file of `[{"client_id", "client_secret"}]`) or CLIENT_ID, CLIENT_SECRET and SOURCE_ID for one;
LIVE_PAUSE is the mean time between jobs in seconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import FrameType

from devtools.demonstration import guard, reserving
from devtools.demonstration.bodies import posts, told
from devtools.demonstration.federation import CLIENT_OF
from devtools.demonstration.people import PEOPLE, Person
from devtools.demonstration.reporting import Reporter, ReportingFailed, ReportRefused
from devtools.demonstration.workload import Job, draw

PAUSE_SECONDS = 6.0
IMPATIENCE_SECONDS = 2.0
"""Between two questions whether the portal answers."""
SIZE = 0.4
"""Live jobs are small, so that an evening of looking on empties nobody's wallet."""


@dataclass(frozen=True)
class Live:
    """The reporters by source id, and how fast jobs finish."""

    reporters: Mapping[str, Reporter]
    pause: float
    rng: Random

    def wait_for_portal(self) -> None:
        """Until every client is let in; back ends start before the portal as often as after it."""
        for reporter in {reporter.client_id: reporter for reporter in self.reporters.values()}.values():
            while True:
                try:
                    sources = reporter.check()
                except (ReportingFailed, ReportRefused) as error:
                    reporter.say(f"{reporter.client_id} waits: {error}")
                    time.sleep(IMPATIENCE_SECONDS)
                else:
                    reporter.say(f"{reporter.client_id} may report for {', '.join(sources) or 'its sources'}")
                    break

    def step(self) -> int:
        """One job that may run ends and is reported, after what still waits. Returns how many reports were booked."""
        person, job = self._finish_job()
        reporter = self.reporters[job.source]
        runs = reserving.may_run(reporter, job, person.sub)
        for endpoint, body in told(posts(job, person.sub), job) if runs else ():
            reporter.add(endpoint, body)
        return sum(each.flush() for each in {id(r): r for r in self.reporters.values()}.values())

    def run(self) -> None:
        while True:
            self.step()
            time.sleep(self.rng.uniform(0.5, 1.5) * self.pause)

    def _finish_job(self) -> tuple[Person, Job]:
        """Somebody's job that ends at this moment."""
        now = datetime.now(UTC)
        people = list(self._people())
        person = self.rng.choices(people, [one.habits.jobs_a_day for one in people])[0]
        job = draw(self.rng, person.habits, now, person.sub)
        return person, replace(job, started_at=now - timedelta(seconds=job.seconds), finished_at=now)

    def _people(self) -> Iterator[Person]:
        """Those who go on working, as far as they work where we may report."""
        for person in (person for person in PEOPLE if person.live):
            here = {source: weight for source, weight in person.habits.sources.items() if source in self.reporters}
            habits = replace(
                person.habits,
                sources=here or dict.fromkeys(self.reporters, 1.0),
                size=person.habits.size * SIZE,
            )
            yield replace(person, habits=habits)


def configure(env: Mapping[str, str]) -> Live:
    """:raises KeyError: naming the variable that is missing."""
    etl_url, issuer = env["ETL_URL"].rstrip("/"), env["OIDC_ISSUER"].rstrip("/")

    def reporter(client_id: str, client_secret: str) -> Reporter:
        return Reporter(etl_url, issuer, client_id, client_secret, _say)

    if path := env.get("DEMO_CLIENTS"):
        known = {one["client_id"]: one["client_secret"] for one in json.loads(Path(path).read_text())}
        made = {name: reporter(name, secret) for name, secret in known.items()}
        reporters = {source: made[name] for source, name in CLIENT_OF.items() if name in made}
    else:
        reporters = {env["SOURCE_ID"]: reporter(env["CLIENT_ID"], env["CLIENT_SECRET"])}
    return Live(reporters, float(env.get("LIVE_PAUSE") or PAUSE_SECONDS), Random())


def main() -> int:
    """Reports until told to stop (SIGTERM or Ctrl-C). Returns the exit code."""
    guard.require_demonstration_environment()
    signal.signal(signal.SIGTERM, _stop)
    try:
        live = configure(os.environ)
    except KeyError as missing:
        print(f"Set {missing.args[0]}: {__doc__}", file=sys.stderr)
        return 2
    try:
        live.wait_for_portal()
        live.run()
    except KeyboardInterrupt:
        _say("stopped")
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}", flush=True)
