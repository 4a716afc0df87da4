"""Holds of clients that die, and of clients whose clock is wrong: only the database's clock decides (H7, L7)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.db import connection

from accounting import holds, limits, tasks
from accounting.models import Hold, OpenHold
from devtools import clock
from devtools.paths import PYTHON, ROOT
from devtools.processes import wait_until
from tests.concurrency.hold_races import CREDIT, check_books, ends, reserve, wallet
from tests.conftest import Federation
from tests.faults import figures

pytestmark = pytest.mark.slow

HOLDS = 1000
LIFETIME = timedelta(hours=1)


def sessions() -> set[int]:
    """Everybody who is connected to this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return {pid for (pid,) in cursor.fetchall()}


@pytest.fixture
def home(committed_federation: Federation) -> Iterator[int]:
    home = committed_federation.alice.personal_organisation
    committed_federation.grant(home, 100_000 * CREDIT, "plenty")
    limits.set_rules(home, most_holds=100_000)
    yield home
    check_books()


@pytest.fixture
def moved(committed_federation: Federation) -> Iterator[Callable[[datetime | None], None]]:
    """The database's clock, for this session."""
    with connection.cursor() as cursor, clock.movable(cursor):
        yield lambda at: clock.move(cursor, at)
        clock.move(cursor, None)


def client(*words: object, shift: str = "") -> subprocess.Popen[str]:
    database = connection.settings_dict
    user, password = quote(str(database["USER"])), quote(str(database["PASSWORD"]))
    where = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "DATABASE_URL": f"postgresql://{user}:{password}@{where}",
        "PYTHONPATH": str(ROOT),
    }
    command = [str(PYTHON), str(ROOT / "tests/concurrency/hold_client.py"), *map(str, words)]
    if shift:
        command = ["faketime", "-f", shift, *command]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_what_a_dead_client_held_is_free_after_its_lifetime(
    committed_federation: Federation, home: int, moved: Callable[[datetime | None], None]
) -> None:
    """Killed in the middle of opening; the sweep that runs every few seconds ends all of its holds a minute later."""
    before = sessions()
    process = client("open", committed_federation.client.client, 10 * HOLDS, int(LIFETIME.total_seconds()))
    assert process.stdout is not None
    with process.stdout as told:
        heard = [told.readline() for _ in range(HOLDS + 1)][1:]
        process.send_signal(signal.SIGKILL)
        process.wait()
        known = {line.strip() for line in [*heard, *told.read().split("\n")[:-1]] if line.strip()}
    assert len(known) >= HOLDS
    # What the database had been asked before the client died, it does.
    wait_until(lambda: sessions() <= before, "the dead client's session to end", seconds=20)
    _, held, count = wallet(home)
    assert HOLDS <= len(known) <= count <= len(known) + 1, "told, or dead between the commit and the word"
    assert held == count * CREDIT
    first, last = figures("SELECT min(expires_at), max(expires_at) FROM accounting_openhold")
    moved(first - timedelta(microseconds=1))
    assert tasks.expire_holds() == 0
    moved(last + timedelta(seconds=60))
    assert tasks.expire_holds() == count
    assert wallet(home) == (100_000 * CREDIT, 0, 0)
    assert figures("SELECT count(*) FROM accounting_outboxevent WHERE topic = 'hold_expired'") == (count,)


@pytest.mark.parametrize("shift", ["+2h", "-2h"])
def test_a_clock_that_is_two_hours_wrong_changes_nothing(
    committed_federation: Federation, home: int, moved: Callable[[datetime | None], None], shift: str
) -> None:
    """Of whoever opens, beats or sweeps: holds of an hour, which would be over at once, or live twice as long."""
    federation, seconds = committed_federation, int(LIFETIME.total_seconds())
    before = datetime.now(UTC)
    said = run("open", federation.client.client, 3, seconds, shift=shift)
    assert abs(datetime.fromisoformat(said[0]) - before) > timedelta(minutes=100), "its clock is wrong indeed"
    mine = reserve(federation, "mine", CREDIT, lifetime=LIFETIME)
    after = datetime.now(UTC)
    for hold in Hold.objects.all():
        assert before <= hold.created_at <= after
        assert hold.expires_at == hold.created_at + LIFETIME
    assert run("sweep", shift=shift)[1] == "0"
    beaten = said[1]
    assert run("beat", federation.client.client, beaten, seconds, shift=shift)[1] == "beaten"
    until = OpenHold.objects.get(hold__uuid=beaten).expires_at
    assert mine.expires_at < until <= datetime.now(UTC) + LIFETIME
    moved(mine.expires_at - timedelta(microseconds=1))
    assert tasks.expire_holds() == 3 - 1
    moved(mine.expires_at)
    assert tasks.expire_holds() == 1
    moved(until)
    assert tasks.expire_holds() == 1
    assert ends(mine) == {"expired": 1}
    assert holds.expire_due() == 0


def run(*words: object, shift: str) -> list[str]:
    process = client(*words, shift=shift)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said.split()
