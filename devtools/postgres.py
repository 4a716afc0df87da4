"""A private PostgreSQL cluster: for `make run` a lasting one, for tests one that is thrown away.

Private, because a distribution's own cluster belongs to the machine's owner, and because tests must be
able to kill the server. Roles: `portal_admin` (superuser, only used here), `portal_owner` (owns the
schema, runs migrations) and `portal_app` (what web and worker connect as).
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ADMIN, OWNER, APP = "portal_admin", "portal_owner", "portal_app"
OLDEST = 15
# Only for databases that nobody will miss: a crash of the machine may destroy the cluster. Commits still
# wait for the log to leave the process, so that a killed server loses nothing that it confirmed.
THROW_AWAY = ("fsync=off", "full_page_writes=off")
SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_lock_waits=on",
)


class PostgresError(RuntimeError):
    """Says what to do about a server that is missing or does not start."""


def find_programs() -> Path | None:
    """Return the folder of the newest server programs that are new enough, or None."""
    versions = [p for p in Path("/usr/lib/postgresql").glob("*/bin") if (p / "initdb").exists()]
    newest = max(versions, key=lambda p: int(p.parent.name), default=None)
    if newest is not None and int(newest.parent.name) >= OLDEST:
        return newest
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@dataclass(frozen=True)
class Cluster:
    """One server with its data in `folder`, listening on loopback only.

    `durable` must be true wherever somebody counts on the data after a crash.
    `superuser` makes the owner a superuser, as tests need it to truncate append-only tables.
    """

    folder: Path
    port: int
    durable: bool = True
    superuser: bool = False

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password(role)}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster if it is new, start it if it is stopped, and see to its roles.

        :raises PostgresError: when there are no server programs, or the server refuses to start.
        """
        fresh = self._create()
        if not self.is_running():
            self._forget_dead_server()
            self.log.parent.mkdir(parents=True, exist_ok=True)
            options = [*SETTINGS, f"port={self.port}", *(() if self.durable else THROW_AWAY)]
            flags = " ".join(f"-c {option}" for option in options)
            done = self._run("pg_ctl", "-w", "-t", "60", "-D", self.data, "-l", self.log, "-o", flags, "start")
            if done.returncode:
                raise PostgresError(f"PostgreSQL did not start on port {self.port}:\n{self.last_words()}")
        if fresh or not (self.folder / "roles-made").exists():
            self._make_roles()

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; `immediate` leaves it to recover from its log at the next start."""
        if self.is_running():
            self._run("pg_ctl", "-w", "-t", "60", "-D", self.data, "-m", mode, "stop")

    def kill(self) -> None:
        """Kill the postmaster and its children as a power cut would, and wait until they are gone."""
        pid = self.pid()
        if pid is None:
            return
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for victim in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        _wait_until_gone([pid, *map(int, children)])

    def is_running(self) -> bool:
        return self.pid() is not None

    def pid(self) -> int | None:
        """Return the postmaster's process id, or None when the file that names it is stale."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if _living_name(pid) == "postgres" else None

    def ensure_database(self, name: str) -> None:
        """Create the database, owned by the owner role, unless it is there."""
        if not self.query(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):  # noqa: S608 - our own names
            self.query(f'CREATE DATABASE "{name}" OWNER {OWNER}')
            self.query(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
            self.query(f'GRANT CONNECT, TEMPORARY ON DATABASE "{name}" TO {APP}')

    def query(self, sql: str, database: str = "postgres") -> str:
        """Run one statement as the superuser and return what it prints.

        :raises PostgresError: with the server's message.
        """
        connection = {"PGPASSWORD": self._password(ADMIN), "PGCONNECT_TIMEOUT": "10"}
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", ADMIN, "-d", database]
        command = [str(_programs() / "psql"), *where, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]
        done = subprocess.run(
            command, env=os.environ | connection, text=True, capture_output=True, cwd="/", check=False
        )
        if done.returncode:
            raise PostgresError(done.stderr.strip())
        return done.stdout.strip()

    def last_words(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        except FileNotFoundError:
            return "(the server wrote no log)"

    def _create(self) -> bool:
        if (self.data / "PG_VERSION").exists():
            return False
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(self.data, ignore_errors=True)  # an initdb that was cut short
        password = self.folder / f"{ADMIN}.password"
        self._password(ADMIN)
        for path in (self.folder, *self.folder.iterdir()):
            _give_to_server(path)
        done = self._run(
            "initdb",
            "-D",
            self.data,
            "-U",
            ADMIN,
            "-A",
            "scram-sha-256",
            f"--pwfile={password}",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            *(() if self.durable else ("-N",)),
        )
        if done.returncode:
            raise PostgresError(
                f"initdb in {self.data} failed: {done.stderr.strip()}\n"
                "The folders above it must be open to the account `postgres`; "
                "STATE_DIR=/some/where chooses another place."
            )
        return True

    def _make_roles(self) -> None:
        power = "SUPERUSER" if self.superuser else "NOSUPERUSER"
        for role, attributes in ((OWNER, f"CREATEDB {power}"), (APP, "NOCREATEDB NOSUPERUSER")):
            if not self.query(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):  # noqa: S608 - our own names
                self.query(f"CREATE ROLE {role} LOGIN {attributes} PASSWORD '{self._password(role)}'")
        (self.folder / "roles-made").touch()

    def _password(self, role: str) -> str:
        """Return the role's password, made up once per cluster and kept beside its data."""
        path = self.folder / f"{role}.password"
        try:
            return path.read_text()
        except FileNotFoundError:
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
            _give_to_server(path)
            return path.read_text()

    def _forget_dead_server(self) -> None:
        # After a crash the number in the file may belong to another program by now, and the server
        # would refuse to start because of it.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        # Not a pipe: the server inherits it from pg_ctl, and reading it would wait for the server's end.
        errors = self.folder / f"{program}.stderr"
        errors.touch()
        command = [*_as_server(), str(_programs() / program), *map(str, arguments)]
        with errors.open("w") as sink:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=sink,
                cwd="/",
                check=False,
            )
        return subprocess.CompletedProcess(command, done.returncode, "", errors.read_text())


def _programs() -> Path:
    found = find_programs()
    if found is None:
        raise PostgresError(f"PostgreSQL >= {OLDEST} is missing: apt-get install postgresql")
    return found


def _as_server() -> list[str]:
    """Return the prefix that makes a command run as the account the server accepts: it refuses root."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def _give_to_server(path: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(path, account.pw_uid, account.pw_gid)


def _living_name(pid: int) -> str:
    """Return the program's name; nothing for one that is gone, or dead and waiting for its parent."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if rest.split()[0] in "ZX" else name


def _wait_until_gone(pids: list[int], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while any(_living_name(pid) for pid in pids):
        if time.monotonic() > deadline:
            raise PostgresError(f"processes {pids} survived SIGKILL for {seconds:g} s")
        time.sleep(0.01)
