"""Secrets are made once, readable for their owner alone; one run at a time holds a state."""

import multiprocessing
import shlex
import stat
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from devtools.portal import Portal
from devtools.run import demo_env
from devtools.state import AlreadyRunning, State, write_private

# What the existing reporting client accepts: `<id>:<secret>@<issuer>` in one variable.
CLIENT = {
    "client_id": "openeo-terrascope",
    "source_id": "TerraScope/MEP",
    "user_sub": "a b'c@egi.eu",
    "org_id": 12,
    "logins": [{"login": "alice", "who": "researcher"}, {"login": "bob", "who": "operator"}],
}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_stays_the_same_and_is_private(tmp_path: Path) -> None:
    first = State(tmp_path).secret("portal")
    assert State(tmp_path).secret("portal") == first
    assert State(tmp_path).secret("other") != first
    assert mode(tmp_path / "secrets.json") == 0o600


def test_a_file_that_was_open_to_all_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "demo.env"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert mode(path) == 0o600


def hold(folder: Path, held: Event, leave: Event) -> None:
    with State(folder).held("process 7 at http://127.0.0.1:8600/"):
        held.set()
        leave.wait(20)


def test_a_second_run_is_told_who_runs_already(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, leave = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, held, leave))
    other.start()
    try:
        assert held.wait(20)
        with pytest.raises(AlreadyRunning, match="process 7 at"), State(tmp_path).held("us"):
            raise AssertionError("both hold the state")
    finally:
        leave.set()
        other.join(20)
    with State(tmp_path).held("us"):
        assert (tmp_path / "run.lock").read_text() == "us"


def test_demo_env_points_an_unmodified_client_at_the_portal(tmp_path: Path) -> None:
    portal = Portal(8600, State(tmp_path))
    lines = demo_env(portal, "http://127.0.0.1:8601/auth/realms/egi", CLIENT)
    values = dict(word.split("=", 1) for word in shlex.split(lines))
    assert values["PORTAL_URL"] == values["ETL_URL"] == "http://127.0.0.1:8600"
    assert values["API_URL"] == "http://127.0.0.1:8600/api/v1"
    assert values["OIDC_ISSUER"] == "http://127.0.0.1:8601/auth/realms/egi"
    assert values["SOURCE_ID"] == "TerraScope/MEP"
    assert values["USER_SUB"] == "a b'c@egi.eu"
    assert values["ORG_ID"] == "12"
    assert values["LOGINS"] == "alice,bob"
    assert ":" not in values["CLIENT_ID"]
    assert not set(":@") & set(values["CLIENT_SECRET"])
    assert len(values["CLIENT_SECRET"]) >= 32
