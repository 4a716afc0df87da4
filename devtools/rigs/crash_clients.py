"""Thirty-two back ends that report over HTTP with the real client's retries and never give a report up."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from devtools.rigs.crash_holds import HoldClient, HoldsTold
from devtools.rigs.stage import report_body


@dataclass
class Acknowledged:
    """What the clients were told, by idempotency key."""

    answers: dict[str, set[bytes]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    first_at: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, key: str, response: requests.Response, started: float) -> None:
        now = time.monotonic()
        with self.lock:
            self.answers.setdefault(key, set()).add(response.content)
            self.seconds.append(now - started)
            self.first_at.append(now)
            self.met["replayed" if response.headers.get("Idempotency-Replayed") else "first answers"] += 1

    def count(self, what: str) -> None:
        with self.lock:
            self.met[what] += 1


def make_reports(count: int, duplicates: int, people: int, dice: random.Random) -> list[dict[str, Any]]:
    """Half of the duplicates come right behind their original, the others anywhere later."""
    reports = [report_body(f"{n:06d}", f"u{dice.randrange(people)}", dice.randrange(1, 20_000)) for n in range(count)]
    queue: list[dict[str, Any]] = []
    twins = set(dice.sample(range(count), duplicates // 2))
    for n, report in enumerate(reports):
        queue += [report, report] if n in twins else [report]
    for report in dice.sample(reports, duplicates - len(twins)):
        queue.insert(dice.randrange(len(queue) + 1), report)
    return queue


class Clients:
    """`run` returns when every report has a 2xx; a report that the retries gave up is sent again, as trackers do.

    Of the reports that come once every `held`-th is of a job that has a hold.
    """

    def __init__(self, url: str, token: str, reports: list[dict[str, Any]], count: int = 32, *, held: int = 3) -> None:
        self.url = url
        self.token = token
        self.queue = iter(reports)
        self.total = len(reports)
        self.acknowledged = Acknowledged()
        self.told = HoldsTold()
        times = Counter(str(report["idempotencyKey"]) for report in reports)
        once = [key for key, count in times.items() if count == 1]
        self.numbers = {key: n for n, key in enumerate(once[::held], start=1)}
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        self._taking = threading.Lock()

    @property
    def done(self) -> int:
        return len(self.acknowledged.seconds)

    def run(self) -> None:
        for thread in self.threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self.threads)

    def _next(self) -> dict[str, Any] | None:
        with self._taking:
            return next(self.queue, None)

    def _work(self) -> None:
        session = _session(self.token)
        holds = HoldClient(self.url, session, self.told)
        while (report := self._next()) is not None:
            number = self.numbers.get(str(report["idempotencyKey"]))
            if number is not None:
                holds.run_job(report, number)
            self._send(session, report)

    def _send(self, session: requests.Session, report: dict[str, Any]) -> None:
        body, key, started = json.dumps(report), str(report["idempotencyKey"]), time.monotonic()
        headers = {"Content-Type": "application/json"}
        while True:
            try:
                response = session.post(f"{self.url}/resources", data=body, headers=headers, timeout=60)
            except requests.RequestException as error:
                self.acknowledged.count(f"given up: {type(error).__name__}")
                continue
            self._count_retries(response)
            if response.ok:
                self.acknowledged.note(key, response, started)
                return
            self.acknowledged.count(f"HTTP {response.status_code}")
            if response.status_code < 500:
                return  # the client would not send it again; the proof misses the report

    def _count_retries(self, response: requests.Response) -> None:
        history = response.raw.retries.history if response.raw.retries else ()
        for attempt in history:
            self.acknowledged.count(f"HTTP {attempt.status}" if attempt.status else "connection lost")


def _session(token: str) -> requests.Session:
    """As openeo-geopyspark-driver: 3 retries, POST too, doubling pauses, Retry-After honoured."""
    retries = Retry(
        total=3,
        backoff_factor=2,
        status_forcelist={429, 500, 502, 503, 504},
        allowed_methods=Retry.DEFAULT_ALLOWED_METHODS.union({"POST"}),
    )
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retries))
    session.headers["Authorization"] = f"Bearer {token}"
    return session
