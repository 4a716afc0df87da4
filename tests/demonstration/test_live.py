"""The reporting back end against the real provider and the real portal, over HTTP: books once, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.core.cache import cache

from accounting import invariants
from devtools.demonstration import reserving
from devtools.demonstration.bodies import Body, posts
from devtools.demonstration.federation import MEMBERS
from devtools.demonstration.people import SENTINEL_HUB, TERRASCOPE, Habits, find
from devtools.demonstration.reporting import Reporter, ReportingFailed, ReportRefused
from devtools.demonstration.seed import seed
from devtools.demonstration.workload import Job, draw
from devtools.paths import ROOT
from devtools.processes import free_ports
from devtools.provider import AUDIENCE, Provider, ProviderAdmin, service_client
from portal.api import auth
from tests.demonstration.books import query, value
from tests.demonstration.server import Server

pytestmark = [pytest.mark.provider, pytest.mark.slow]

SECRET = "s3cret-of-a-client"
SUB = find("siobhan").sub


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    clients = [service_client(name, SECRET) for name in (*(m.client_id for m in MEMBERS), "stranger")]
    with Provider(free_ports(1)[0], tmp_path_factory.mktemp("op"), clients=clients) as running:
        yield running


@pytest.fixture
def portal(op: Provider, settings: Any, committed_db: None) -> Iterator[Server]:
    """A portal with everybody in it but no history, and a provider that knows the demonstration's clients."""
    settings.DEMONSTRATION = True
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.OIDC_ISSUER = op.issuer
    settings.TOKEN_ISSUERS = [{"id": "egi", "issuer": op.issuer, "audiences": [AUDIENCE]}]
    cache.clear()
    auth._clients.clear()  # an earlier test's clients have gone with its database
    seed(now=datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0), days=0)
    with Server().running() as server:
        yield server


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def reporter(portal: Server, op: Provider, lines: list[str]) -> Callable[..., Reporter]:
    def make(client_id: str = "openeo-job-tracker", client_secret: str = SECRET) -> Reporter:
        return Reporter(portal.url, op.issuer, client_id, client_secret, lines.append, backoff=0.05)

    return make


def job(source: str = TERRASCOPE, seed: int = 1) -> list[tuple[str, Body]]:
    """The posts of a batch job with added value where the source has it."""
    rng = Random(seed)
    while True:
        made = draw(rng, Habits(1, {source: 1}, batch=1), datetime.now(UTC) - timedelta(days=1), SUB)
        if made.services or source == SENTINEL_HUB:
            return list(posts(made, SUB))


def reports_of(body: Body) -> int:
    found = (
        "SELECT count(r.*) FROM accounting_usagereport r JOIN accounting_job j ON j.id = r.job_id WHERE j.job_id = %s"
    )
    return int(value(found, body["jobId"]))


def test_it_reports_a_job_and_says_what_it_cost(reporter: Callable[..., Reporter], lines: list[str]) -> None:
    client = reporter()
    assert client.check() == [TERRASCOPE]
    made = job()
    for endpoint, body in made:
        client.add(endpoint, body)
    assert client.flush() == len(made) == reports_of(made[0][1])
    assert len(lines) == len(made)
    assert all(line.endswith(" credits") and made[0][1]["jobId"] in line for line in lines)
    assert list(invariants.violations()) == []


def test_a_lost_answer_is_asked_for_again_and_charged_once(portal: Server, reporter: Callable[..., Reporter]) -> None:
    client = reporter()
    portal.lose_next = 3
    (endpoint, body), *_ = job()
    client.add(endpoint, body)
    assert client.flush() == 1
    assert portal.seen.count("POST /resources") == 4
    assert reports_of(body) == 1


def test_it_survives_a_restart_of_the_server(
    portal: Server, reporter: Callable[..., Reporter], lines: list[str]
) -> None:
    client = reporter()
    made = job()
    portal.stop()
    with pytest.raises(ReportingFailed):
        client.check()
    for endpoint, body in made:
        client.add(endpoint, body)
    assert client.flush() == 0
    assert lines == [f"openeo-job-tracker /resources {made[0][1]['jobId']} waits: ConnectionError"]
    portal.start()
    assert client.flush() == len(made) == reports_of(made[0][1])


def test_a_report_without_key_is_sent_once(portal: Server, reporter: Callable[..., Reporter], lines: list[str]) -> None:
    client = reporter("openeo-job-tracker-cdse")
    portal.lose_next = 1
    ((endpoint, body),) = job(SENTINEL_HUB)
    client.add(endpoint, body)
    assert client.flush() == 0
    assert not client.waiting
    assert reports_of(body) == 1
    assert portal.seen == ["GET /health", "POST /resources"]
    assert lines[-1].endswith("given up: 503")


def test_a_token_that_is_no_longer_accepted_is_renewed(reporter: Callable[..., Reporter]) -> None:
    client = reporter()
    client.check()
    client._token = "expired"
    assert client.check() == [TERRASCOPE]


def test_a_token_near_its_end_is_renewed(op: Provider, reporter: Callable[..., Reporter]) -> None:
    client = reporter()
    client.check()
    first = client._token
    client._renew_at = time.monotonic() - 1
    client.check()
    assert client._token != first


def test_a_client_that_may_not_report_is_told_so(op: Provider, reporter: Callable[..., Reporter]) -> None:
    for client in (reporter("stranger"), reporter(client_secret="another")):
        with pytest.raises(ReportRefused):
            client.check()


def test_a_report_that_is_refused_for_good_does_not_hold_up_the_next(
    reporter: Callable[..., Reporter], lines: list[str]
) -> None:
    client = reporter()
    (endpoint, body), *_ = job()
    client.add(endpoint, body | {"sourceId": "cdse"})
    client.add(endpoint, body)
    assert client.flush() == 1
    assert "refused for good: 403" in lines[0]


def test_a_provider_that_is_away_makes_it_wait(op: Provider, reporter: Callable[..., Reporter]) -> None:
    client = reporter()
    admin = ProviderAdmin(op.root)
    admin.set_fault("token", "status", status=503)
    try:
        (endpoint, body), *_ = job()
        client.add(endpoint, body)
        assert client.flush() == 0
    finally:
        admin.clear_faults()
    assert client.flush() == 1


class TestReserving:
    """Before a batch job: a hold of what it will cost; the report ends it."""

    @pytest.fixture
    def batch(self) -> Job:
        now = datetime.now(UTC)
        made = draw(Random(3), Habits(1, {TERRASCOPE: 1}, batch=1), now, SUB)
        assert made.kind == "batch"
        return replace(made, started_at=now - timedelta(seconds=made.seconds), finished_at=now)

    def kept(self, job: Job) -> list[tuple[str, int, bool]]:
        """(what became of it, micro-credits at first, whether its job was heard of) of each hold of the job."""
        return query(
            "SELECT coalesce(e.kind, 'open'), h.amount, o.beat_at IS NOT NULL FROM accounting_hold h"
            " LEFT JOIN accounting_holdevent e ON e.hold_id = h.id AND e.ends"
            " LEFT JOIN accounting_openhold o ON o.hold_id = h.id WHERE h.job_id = %s",
            job.job_id,
        )

    def test_a_job_has_a_hold_and_a_heartbeat_until_its_report(
        self, reporter: Callable[..., Reporter], batch: Job, lines: list[str]
    ) -> None:
        client = reporter()
        amount = int(reserving.expected(batch) * 1_000_000)
        assert reserving.may_run(client, batch, SUB)
        assert self.kept(batch) == [("open", amount, True)]
        assert lines[-1].endswith("credits: continue")
        for endpoint, body in posts(batch, SUB):
            client.add(endpoint, body)
        client.flush()
        assert self.kept(batch) == [("captured", amount, False)]
        assert value("SELECT max(excess) FROM accounting_holdevent") == 0
        assert list(invariants.violations()) == []

    def test_a_job_beyond_the_credits_does_not_run(
        self, reporter: Callable[..., Reporter], batch: Job, lines: list[str]
    ) -> None:
        huge = replace(batch, cpu_seconds=10**9)
        assert not reserving.may_run(reporter(), huge, SUB)
        assert "reserves nothing: 402" in lines[-1]
        assert self.kept(huge) == []

    def test_synchronous_work_needs_none(self, reporter: Callable[..., Reporter], batch: Job, portal: Server) -> None:
        portal.stop()
        assert reserving.may_run(reporter(), replace(batch, kind="sync"), SUB)

    def test_whoever_cannot_ask_runs_it_all_the_same(
        self, reporter: Callable[..., Reporter], batch: Job, portal: Server, lines: list[str]
    ) -> None:
        client = reporter()
        client.check()
        portal.stop()
        assert reserving.may_run(client, batch, SUB)
        assert lines[-1].endswith("runs without a hold: ConnectionError")

    def test_a_federation_without_holds(self, reporter: Callable[..., Reporter], batch: Job, lines: list[str]) -> None:
        client = reporter()
        client.etl_url += "/etl"
        assert reserving.may_run(client, batch, SUB)
        assert "reserves nothing: 404" in lines[-1]


def test_the_program_goes_on_until_it_is_told_to_stop(op: Provider, portal: Server, tmp_path: Path) -> None:
    clients = tmp_path / "clients.json"
    clients.write_text(json.dumps([{"client_id": m.client_id, "client_secret": SECRET} for m in MEMBERS]))
    portal.stop()
    env = {"ETL_URL": portal.url, "OIDC_ISSUER": op.issuer, "DEMO_CLIENTS": str(clients), "LIVE_PAUSE": "0.02"}
    before = value("SELECT count(*) FROM accounting_usagereport")
    program = _start(env)
    try:
        time.sleep(0.5)
        portal.start()  # the program was there first, as in `make run`
        deadline = time.monotonic() + 40
        while value("SELECT count(*) FROM accounting_usagereport") < before + 12:
            assert program.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        program.send_signal(signal.SIGTERM)
        said, _ = program.communicate(timeout=20)
    finally:
        program.kill()
    assert program.returncode == 0
    assert said.splitlines()[-1].endswith("stopped")
    assert "may report for cdse, sentinel-hub-openeo" in said
    assert SECRET not in said
    assert "eyJ" not in said  # how every token begins
    assert list(invariants.violations()) == []


def test_the_program_says_what_it_was_not_told() -> None:
    program = _start({"ETL_URL": "http://127.0.0.1:1"})
    _, said = program.communicate(timeout=20)
    assert program.returncode == 2
    assert said.startswith("Set OIDC_ISSUER: ")


def _start(env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "devtools.demonstration", "live"],
        env={"PATH": os.environ["PATH"], "DEMONSTRATION": "on"} | env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
