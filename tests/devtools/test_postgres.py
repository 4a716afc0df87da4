"""The private cluster: three roles with just enough rights, and nothing confirmed is lost by a killed server."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from devtools.postgres import APP, OWNER, Cluster, PostgresError
from devtools.processes import free_ports


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Not in pytest's folder: the account of the server may not enter that.
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    folder.chmod(0o755)
    made = Cluster(folder / "it's postgres", free_ports(1)[0])
    made.start()
    made.ensure_database("portal")
    yield made
    made.stop("immediate")
    shutil.rmtree(folder)


def ask(cluster: Cluster, role: str, sql: str) -> object:
    connection = psycopg2.connect(cluster.url(role, "portal"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def test_it_is_durable_unless_told_otherwise(cluster: Cluster) -> None:
    shown = {name: ask(cluster, APP, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")}
    assert set(shown.values()) == {"on"}
    assert ask(cluster, APP, "SHOW timezone") == "UTC"


def test_the_owner_is_no_superuser_and_the_application_may_make_nothing(cluster: Cluster) -> None:
    assert ask(cluster, OWNER, "SELECT current_setting('is_superuser')") == "off"
    ask(cluster, OWNER, "CREATE TABLE kept (id int)")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(cluster, APP, "CREATE TABLE mine (id int)")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(cluster, APP, "SELECT id FROM kept")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(cluster, APP, "CREATE DATABASE other")


def test_a_password_is_needed_and_private(cluster: Cluster) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(f"postgresql://{APP}:wrong@127.0.0.1:{cluster.port}/portal")
    passwords = list(cluster.folder.glob("*.password"))
    assert len(passwords) == 3
    assert all(path.stat().st_mode & 0o077 == 0 for path in passwords)


def test_starting_what_runs_changes_nothing(cluster: Cluster) -> None:
    pid = cluster.pid()
    cluster.start()
    cluster.ensure_database("portal")
    assert cluster.pid() == pid


def test_a_killed_server_comes_back_with_what_it_confirmed(cluster: Cluster) -> None:
    ask(cluster, OWNER, "CREATE TABLE confirmed (id int); INSERT INTO confirmed VALUES (7)")
    cluster.kill()
    assert not cluster.is_running()
    cluster.start()
    assert ask(cluster, OWNER, "SELECT id FROM confirmed") == 7


def test_a_process_id_that_belongs_to_another_program_by_now_does_not_stop_the_start(cluster: Cluster) -> None:
    stale = (cluster.data / "postmaster.pid").read_text()
    cluster.stop()
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n" + stale.split("\n", 1)[1])
    assert not cluster.is_running()
    cluster.start()
    assert cluster.is_running()


def test_a_port_that_is_taken_is_told_with_the_servers_words(cluster: Cluster) -> None:
    other = Cluster(cluster.folder.parent / "other", cluster.port, durable=False)
    with pytest.raises(PostgresError, match=r"(?s)did not start on port.*Address already in use"):
        other.start()


def test_an_initialisation_that_was_cut_short_is_begun_again(cluster: Cluster) -> None:
    other = Cluster(cluster.folder.parent / "short", free_ports(1)[0], durable=False, superuser=True)
    (other.data / "base").mkdir(parents=True)
    other.start()
    try:
        assert other.query("SELECT rolsuper FROM pg_roles WHERE rolname = 'portal_owner'") == "t"
        with pytest.raises(PostgresError, match="syntax error"):
            other.query("SELEC 1")
    finally:
        other.stop("immediate")
