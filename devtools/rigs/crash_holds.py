"""What back ends do with holds while all is killed: open, repeat, beat, capture; some die and never come back."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests

from devtools.rigs.stage import SOURCE

AMOUNT = "12"
"""More than any job costs, less than most people have."""
LIFETIME = 24 * 3600
REPEATED, FORGOTTEN = 10, 50
"""Every so many held jobs: repeats each step at once; opens another hold that nobody will ever mention again."""


@dataclass
class HoldsTold:
    """What the clients were told: ids of holds and answers of captures, by key."""

    ids: dict[str, set[str]] = field(default_factory=dict)
    captures: dict[str, set[bytes]] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    met: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.met[what] += 1


class HoldClient:
    """One back end's session; a call that fails is made again with the same key until it has an answer."""

    def __init__(self, url: str, session: requests.Session, told: HoldsTold) -> None:
        self.url = f"{url}/api/v1"
        self.session = session
        self.told = told

    def run_job(self, report: dict[str, Any], number: int) -> None:
        """Everything before the job's own report."""
        name = str(report["idempotencyKey"])
        times = 2 if number % REPEATED == 0 else 1
        if number % FORGOTTEN == 0:
            self._open(f"forgotten-{name}", report, f"forgotten-{name}")
        for _ in range(times):
            hold = self._open(name, report, str(report["jobId"]))
        if hold is None:
            return
        self._post(f"/holds/{hold}/heartbeat", {"metrics": [_cpu(report, 4)]}, None)
        for _ in range(times):
            used = {"metrics": [_cpu(report, 2)], "final": False}
            response = self._post(f"/holds/{hold}/capture", used, f"half-of-{name}")
            if not response.ok:
                return
            with self.told.lock:
                self.told.captures.setdefault(f"half-of-{name}", set()).add(response.content)

    def _open(self, key: str, report: dict[str, Any], job: str) -> str | None:
        body = {"source": SOURCE, "user": report["userId"], "job_id": job, "amount": AMOUNT, "expires_in": LIFETIME}
        response = self._post("/holds", body, key)
        if response.status_code == 402:
            self.told.count("holds refused for want of credits")
        if not response.ok:
            return None
        hold = str(response.json()["id"])
        with self.told.lock:
            self.told.ids.setdefault(key, set()).add(hold)
            if job != report["jobId"]:
                self.told.forgotten.add(hold)
        return hold

    def _post(self, path: str, body: dict[str, Any], key: str | None) -> requests.Response:
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        while True:
            try:
                response = self.session.post(self.url + path, data=json.dumps(body), headers=headers, timeout=60)
            except requests.RequestException as error:
                self.told.count(f"given up: {type(error).__name__}")
                continue
            if response.ok or response.status_code == 402:
                self.told.count(f"answers to {path.rsplit('/', 1)[-1]}")
                return response
            self.told.count(f"HTTP {response.status_code}")
            if response.status_code < 500:
                return response  # of a hold that was lost, say; counted as a fault


def _cpu(report: dict[str, Any], part: int) -> dict[str, Any]:
    """A part of what the job will have used."""
    return {"metric": "cpu", "quantity": report["metrics"]["cpu"]["value"] // part, "unit": "cpu-seconds"}


@dataclass(frozen=True)
class HoldProof:
    told: int
    lost: int
    other_ids: int
    captures: int
    captures_lost: int
    other_answers: int
    open_before: int
    expired: int
    stuck: int
    held: int

    @property
    def holds(self) -> bool:
        """Only those that were forgotten were open, and the sweep ended them all."""
        return not (
            self.lost or self.other_ids or self.captures_lost or self.other_answers or self.stuck or self.held
        ) and (self.open_before == self.expired)

    def __str__(self) -> str:
        return (
            f"holds {self.told}, lost {self.lost}, told two ids {self.other_ids}; captures {self.captures},"
            f" lost {self.captures_lost}, answers that differ from the stored one {self.other_answers}\n"
            f"still open at the end {self.open_before}, of them expired a day later {self.expired},"
            f" stuck {self.stuck}, still held {self.held}"
        )


def take(told: HoldsTold) -> HoldProof:
    """Compares with the database, then lets a day pass by its clock and sweeps as the worker does."""
    from datetime import UTC, datetime, timedelta

    from django.db import connection

    from accounting import holds
    from devtools import clock

    def rows(sql: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    known = {key: str(uuid) for key, uuid in rows("SELECT key, uuid FROM accounting_hold")}
    stored = dict(rows("SELECT key, answer FROM accounting_transaction WHERE endpoint = 'captures'"))
    [(open_before,)] = rows("SELECT count(*) FROM accounting_openhold")
    unexpected = rows("SELECT h.uuid FROM accounting_openhold o JOIN accounting_hold h ON h.id = o.hold_id")
    expired = 0
    with connection.cursor() as cursor, clock.movable(cursor):
        clock.move(cursor, datetime.now(UTC) + timedelta(seconds=LIFETIME + 3600))
        while count := holds.expire_due():
            expired += count
        clock.move(cursor, None)
    [(stuck,)] = rows("SELECT count(*) FROM accounting_openhold")
    [(held,)] = rows("SELECT coalesce(sum(held), 0) FROM accounting_account")
    return HoldProof(
        told=len(told.ids),
        lost=sum(known.get(key) not in ids for key, ids in told.ids.items()),
        other_ids=sum(len(ids) > 1 for ids in told.ids.values()),
        captures=len(told.captures),
        captures_lost=sum(key not in stored for key in told.captures),
        other_answers=sum(
            key in stored and answers != {stored[key].encode()} for key, answers in told.captures.items()
        ),
        open_before=int(open_before),
        expired=expired,
        stuck=int(stuck) + sum(str(uuid) not in told.forgotten for (uuid,) in unexpected),
        held=int(held),
    )
