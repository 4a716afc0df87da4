"""Fills the database with the demonstration's past, through the same domain functions that live reports go through.

All of it is one database transaction, the moved clock included: whoever looks sees nothing or everything, a seed that
is broken off leaves nothing, not even the clock, and a later one starts from nothing. Needs the owner's role.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction

from accounting import activity, estimates, grants, ledger, popularity, queries, registry, usage, workloads
from accounting import allowances as given
from accounting.api.etl import reading
from accounting.credits import MICROS
from accounting.reports import ADDED_VALUE, RESOURCES, UsageReport
from devtools import clock
from devtools.demonstration import guard, history, running, telling
from devtools.demonstration.acts import Act
from devtools.demonstration.allowances import FREE, PLATFORM, Allowance, allowances, monthly
from devtools.demonstration.bodies import Body, posts
from devtools.demonstration.federation import CLIENT_OF
from devtools.demonstration.history import Reported
from devtools.demonstration.people import TERRASCOPE
from devtools.demonstration.stage import Stage

DAYS = 90
FINE, COARSE = (4, timedelta(minutes=30)), (60, timedelta(hours=6))
"""Most jobs that one client reports at once, and how long the first of them waits at most.

Jobs reported together share an instant. That shows in the last days only, and each batch leaves dead versions of the
wallets' rows that the transaction cannot clear away, so the long past is coarse.
"""
FINE_FOR = timedelta(days=3)
REFUND = 9
"""Every so many failed jobs of Terrascope are given back the next day."""
_READERS = {RESOURCES: reading.read_resources, ADDED_VALUE: reading.read_added_value}


class SeedFailed(RuntimeError):
    """Nothing was written: the database may not be filled like this, or accounting refused a made-up report."""


def seed(*, now: datetime | None = None, days: int = DAYS) -> bool:
    """Makes the past of the last `days` before `now`, unless this issuer's is there. Tells whether it did.

    :raises DemonstrationRefused: these settings are not for a demonstration.
    :raises SeedFailed: not the owner's role, or a report was not booked; nothing was written.
    """
    guard.require_demonstration()
    now = now or datetime.now(UTC)
    past = _Past(now.replace(hour=0, minute=0, second=0, microsecond=0), now, days)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('demonstration'))")
        if past.is_known():
            return False
        _require_owner()
        # The inner block is undone before the clock is put back, so that an error inside comes out as itself.
        with clock.movable(cursor), transaction.atomic():
            past.make()
            clock.move(cursor, None)
        _refresh_statistics()
        _learn(now)
    _refresh_statistics()
    return True


def _learn(now: datetime) -> None:
    """What the regular tasks would know of the past by now: who reports, estimates, and how good they were."""
    activity.count(now)
    popularity.count(now)
    estimates.collect(now=now)
    _refresh_statistics()  # else judging, day by day, is planned for tables that were empty a moment ago
    estimates.judge(now=now)
    estimates.calibrate(now=now)


def _require_owner() -> None:
    """Only who owns the clock can move it; said here, because the database's own words would not help anybody."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role(proowner, 'USAGE') FROM pg_proc WHERE oid = 'accounting_now()'::regprocedure"
        )
        if not cursor.fetchone()[0]:
            raise SeedFailed("the past can only be made by the database's owner: set DATABASE_OWNER_URL")


def _refresh_statistics() -> None:
    """So that what reads all this is planned for what is there, not for empty tables: learning, and the first pages."""
    with transaction.atomic(), connection.cursor() as cursor:
        # autovacuum may be analysing a big table at this moment: worth more patience than a request has
        cursor.execute("SET LOCAL lock_timeout = '60s'")
        cursor.execute("ANALYZE")


@dataclass
class _Past:
    """The work of one seed; `anchor` is the midnight that everything is counted from."""

    anchor: datetime
    until: datetime
    days: int
    stage: Stage = field(default_factory=lambda: Stage(registry.normalise_issuer(settings.OIDC_ISSUER)))
    waiting: dict[str, list[Reported]] = field(default_factory=dict)
    failed: int = 0
    refunds: list[int] = field(default_factory=list)
    told: int = 0

    @property
    def start(self) -> datetime:
        return self.anchor - timedelta(days=self.days)

    def is_known(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM accounting_transaction WHERE endpoint = 'grants'"
                " AND client_id IS NULL AND source_id IS NULL AND service = '' AND starts_with(key, %s))",
                [self._key("")],
            )
            return bool(cursor.fetchone()[0])

    def make(self) -> None:
        self.stage.register()
        self.stage.publish(self.anchor, _move)
        _move(self.start)
        self.stage.admit()
        self._live_through()
        self._promise()
        self.stage.date_back(self.start)
        self.stage.equip()

    def _live_through(self) -> None:
        """Reports, grants and midnights in the order of their instants, so that the clock never goes back."""
        midnights = [(self.start + timedelta(days=n), 0, None) for n in range(self.days + 1)]
        given = [(item.at, 1, item) for item in allowances(self.anchor, self.days)]
        reported = [(item.at, 2, item) for item in history.reports(self.anchor, self.days, self.until)]
        acted = [(act.at, 3, act) for act in running.acts(self.start, self.until)]
        for at, _, item in sorted([*midnights, *given, *reported, *acted], key=lambda event: event[:2]):
            if isinstance(item, Reported):
                self._collect(item)
                continue
            self._report_all(at)
            _move(at)
            if item is None:
                grants.expire_due()
                self._give_back()
                self._tell(at)
            elif isinstance(item, Act):
                item.do(self.stage)
            else:
                self._give(item)
        self._report_all(self.until)
        _move(self.until)
        telling.catch_up()

    def _tell(self, at: datetime) -> None:
        """Lately, each day: at eight, when the daily mails are due."""
        begins = self.until - telling.LATELY
        if begins <= at < begins + timedelta(days=1):
            telling.begin(self.stage)
        elif at >= begins + timedelta(days=1):
            _move(at + timedelta(hours=8))
            read = self.told if at < self.until - telling.UNREAD else 0
            self.told = telling.catch_up(read_until=read)
            _move(at)

    def _promise(self) -> None:
        """Free credits go on coming when the past has ended."""
        for slug, amount in monthly():
            given.set_monthly(self.stage.wallets[slug], amount * MICROS, kind="free", label=FREE, fund=PLATFORM)

    def _give(self, allowance: Allowance) -> None:
        wallet = self.stage.wallets[allowance.wallet]
        amount = allowance.amount * MICROS
        if allowance.leave:
            amount = max(queries.balance(wallet).debt // MICROS - allowance.leave, 1) * MICROS
        grants.issue(
            wallet,
            amount,
            kind=allowance.kind,
            label=allowance.label,
            fund=allowance.fund,
            expires_at=allowance.expires_at,
            backends=[self.stage.backends[allowance.backend]] if allowance.backend else (),
            key=self._key(allowance.key),
        )

    def _collect(self, item: Reported) -> None:
        """Puts a job into its client's batch, and reports what has waited long enough."""
        client = CLIENT_OF[item.job.source]
        pending = self.waiting.setdefault(client, [])
        most, patience = FINE if item.at > self.anchor - FINE_FOR else COARSE
        if pending and item.at - pending[0].at > patience:
            self._report(client, item.at)
        pending.append(item)
        if len(pending) >= most:
            self._report(client, item.at)

    def _report_all(self, at: datetime) -> None:
        for client in list(self.waiting):
            self._report(client, at)

    def _report(self, client: str, at: datetime) -> None:
        """All that waits: first all compute, then the added value that refers to it."""
        pending = self.waiting.get(client, [])
        if not pending:
            return
        _move(at)
        self._tell_tasks(pending)
        made = [post for item in pending for post in self._posts(item)]
        for endpoint in (RESOURCES, ADDED_VALUE):
            self._ingest(client, [_read(endpoint, body) for where, body in made if where == endpoint])
        pending.clear()

    def _tell_tasks(self, pending: Iterable[Reported]) -> None:
        """What these jobs were to do, as a pre-check would have told before they ran."""
        jobs = [(item.job, item.job.task) for item in pending if item.job.task]
        workloads.record_many(
            (self.stage.sources[job.source], job.job_id, job.execution_id, None, workloads.read(task.document()))
            for job, task in jobs
        )

    def _posts(self, item: Reported) -> Iterable[tuple[str, Body]]:
        return posts(item.job, item.sub, self.stage.wallets[item.organisation] if item.organisation else None)

    def _ingest(self, client: str, reports: list[UsageReport]) -> None:
        """:raises SeedFailed: when one is not booked."""
        if not reports:
            return
        outcomes = usage.ingest(self.stage.clients[client], reports, on_reuse="replay")
        for outcome, report in zip(outcomes, reports, strict=True):
            if outcome.status != "booked" or outcome.transaction is None:
                raise SeedFailed(f"{report.job_id} was {outcome.status}: {outcome.error}") from outcome.error
            if report.state == "FAILED" and report.source == TERRASCOPE and outcome.booking and outcome.booking.amount:
                self.failed += 1
                if self.failed % REFUND == 0:
                    self.refunds.append(outcome.transaction)

    def _give_back(self) -> None:
        """The help desk agrees that some jobs failed for the back end's reasons."""
        for failed in self.refunds:
            ledger.reverse(failed, "provider_outage", "The storage of the back end was away")
        self.refunds.clear()

    def _key(self, name: str) -> str:
        where = hashlib.sha256(self.stage.issuer.encode()).hexdigest()[:12]
        return f"demonstration/{where}/{name}"


def _move(at: datetime) -> None:
    with connection.cursor() as cursor:
        clock.move(cursor, at)


def _read(endpoint: str, body: Body) -> UsageReport:
    """As the endpoint reads it off the wire."""
    raw = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return _READERS[endpoint](json.loads(raw, parse_float=Decimal), raw)
