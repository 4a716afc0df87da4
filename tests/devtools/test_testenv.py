"""Services of a test run are private to it and gone afterwards, however it ends."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from devtools.check import Check
from devtools.paths import ROOT
from devtools.postgres import Cluster
from devtools.processes import is_port_open, wait_until
from devtools.testenv import PREFIX, running_services, sweep

TESTENV = [sys.executable, "-m", "devtools.testenv", "--only", "postgres", "--"]


@pytest.fixture
def own_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of our own, which the account of the database server may enter."""
    with tempfile.TemporaryDirectory(prefix="testenv-") as name:
        Path(name).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)


@pytest.mark.usefixtures("own_tmp")
def test_services_stop_and_their_folder_goes() -> None:
    with running_services(("postgres",)) as services:
        assert services.cluster is not None
        port = services.cluster.port
        with psycopg2.connect(services.environment()["DATABASE_APP_URL"]) as connection:
            connection.cursor().execute("SELECT 1")
        connection.close()
        assert "TEST_OP_URL" not in services.environment()
    assert not is_port_open(port)
    assert not services.folder.exists()


def test_what_a_killed_run_left_behind_is_removed(own_tmp: Path) -> None:
    run = subprocess.Popen([*TESTENV, "sleep", "60"], cwd=ROOT, start_new_session=True)

    def left() -> Path | None:
        return next(own_tmp.glob(f"{PREFIX}*/postgres/roles-made"), None)

    wait_until(lambda: left() is not None, "the cluster of the run", seconds=60)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    mark = left()
    assert mark is not None
    cluster = Cluster(mark.parent, 0)
    assert cluster.is_running()
    sweep()
    assert not cluster.is_running()
    assert list(own_tmp.glob(f"{PREFIX}*")) == []


def test_a_run_that_lives_is_not_swept(own_tmp: Path) -> None:
    folder = own_tmp / f"{PREFIX}alive"
    folder.mkdir()
    (folder / "pid").write_text(str(os.getpid()))
    sweep()
    assert folder.exists()


@pytest.mark.usefixtures("own_tmp")
def test_the_code_of_the_command_is_passed_on() -> None:
    assert subprocess.run([*TESTENV, "sh", "-c", "exit 7"], cwd=ROOT, check=False).returncode == 7


def test_ending_a_run_ends_its_command_and_its_services(own_tmp: Path) -> None:
    run = subprocess.Popen([*TESTENV, "sh", "-c", "echo $$ > $TEST_FOLDER/child; sleep 60"], cwd=ROOT)

    def child() -> int:
        found = next(own_tmp.glob(f"{PREFIX}*/child"), None)
        return int(found.read_text() or 0) if found else 0

    wait_until(lambda: child() > 0, "the command", seconds=60)
    pid = child()
    run.terminate()
    assert run.wait(30) == 128 + signal.SIGTERM
    assert not Path(f"/proc/{pid}").exists()
    assert list(own_tmp.glob(f"{PREFIX}*")) == []


def test_a_check_shows_the_output_of_what_failed_and_only_that(capsys: pytest.CaptureFixture[str]) -> None:
    assert Check("lint", "lint", ["sh", "-c", "echo all good"]).run({})
    assert not Check("types", "types", ["sh", "-c", "echo $WORD; exit 1"]).run({"WORD": "portal/x.py:3: error"})
    said = capsys.readouterr().out
    assert "all good" not in said
    assert "portal/x.py:3: error" in said
    assert "lint: fine" in said
    assert "types: FAILED" in said
