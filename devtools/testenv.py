"""The services that tests need, private and thrown away: `python -m devtools.testenv [-- COMMAND]`.

With a command: start, run it with their addresses in its environment, stop. Without: print the addresses to
source, and wait for Ctrl-C. `--only postgres,provider` leaves out what a test does not need.
"""

import argparse
import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from devtools.paths import ROOT, VENV
from devtools.postgres import APP, OWNER, Cluster, PostgresError
from devtools.processes import ProcessError, free_ports, run_in_front
from devtools.provider import AUDIENCE, Provider, device_client, portal_client, service_client
from devtools.rabbitmq import Broker
from devtools.setup.system import find_chromium

SERVICES = ("postgres", "broker", "provider")
DATABASE = "portal"
PREFIX = "openeo-credits-test-"
EARLY_ADOPTER = "urn:mace:egi.eu:group:vo.openeo.cloud:role=early_adopter#aai.egi.eu"

# The cast of the tests. More of them can be added while the provider runs (ProviderAdmin).
PEOPLE: tuple[Mapping[str, Any], ...] = (
    {
        "login": "alice",
        "sub": "1c0ffee0alice@egi.eu",
        "name": "Alice Archer",
        "email": "alice@example.org",
        "eduperson_entitlement": [EARLY_ADOPTER],
        "entitlements": [EARLY_ADOPTER],
        "note": "pays",
    },
    {
        "login": "bob",
        "sub": "2c0ffee0bob@egi.eu",
        "name": "Bob Baker",
        "email": "bob@example.org",
        "note": "same team",
    },
    {"login": "charlie", "sub": "3c0ffee0charlie@egi.eu", "name": "Charlie Cook", "note": "a stranger"},
)
SERVICE_CLIENTS = ("backend-one", "backend-two")


@dataclass
class Services:
    """What runs for one test session, below one temporary folder."""

    folder: Path
    cluster: Cluster | None = None
    broker: Broker | None = None
    provider: Provider | None = None
    secret: str = ""

    def start(self, wanted: tuple[str, ...] = SERVICES) -> None:
        """Start the wanted services side by side; the slowest, the broker, takes about 5 s.

        :raises ProcessError, PostgresError: when one does not start.
        """
        database_port, broker_port, provider_port = free_ports(3)
        self.secret = secrets.token_urlsafe(18)
        if "broker" in wanted:
            self.broker = Broker(self.folder / "rabbitmq", broker_port)
            self.broker.launch()
        if "provider" in wanted:
            clients = [portal_client("portal", self.secret), device_client()]
            clients += [service_client(name, self.secret) for name in SERVICE_CLIENTS]
            self.provider = Provider(provider_port, self.folder / "provider", PEOPLE, clients)
            self.provider.launch()
        if "postgres" in wanted:
            self.cluster = Cluster(self.folder / "postgres", database_port, durable=False, superuser=True)
            self.cluster.start()
            self.cluster.ensure_database(DATABASE)
        for service in (self.provider, self.broker):
            if service is not None:
                service.wait()

    def stop(self) -> None:
        for service in (self.provider, self.broker, self.cluster):
            if service is not None:
                service.stop()

    def environment(self) -> dict[str, str]:
        """Return what the settings and the fixtures read."""
        env = {
            "DJANGO_SETTINGS_MODULE": "portal.settings.test",
            "DJANGO_ALLOW_ASYNC_UNSAFE": "1",  # Playwright's event loop runs in the thread that tests run in
            "TZ": "UTC",
            "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
            "TEST_FOLDER": str(self.folder),
        }
        if chromium := find_chromium():
            env["CHROMIUM"] = chromium
        if self.cluster is not None:
            owner = self.cluster.url(OWNER, DATABASE)
            app = self.cluster.url(APP, DATABASE)
            env |= {"DATABASE_URL": owner, "DATABASE_OWNER_URL": owner, "TEST_DATABASE_URL": owner}
            env |= {"DATABASE_APP_URL": app, "DATABASE_APP_ROLE": APP}
        if self.broker is not None:
            env["TEST_BROKER_URL"] = self.broker.url
        if self.provider is not None:
            env |= self._sign_in(self.provider)
        return env

    def _sign_in(self, provider: Provider) -> dict[str, str]:
        issuer = {
            "id": "egi",
            "title": "Development Check-in",
            "issuer": provider.issuer,
            "audiences": [AUDIENCE],
        }
        return {
            "TEST_OP_URL": provider.issuer,
            "TEST_OP_ROOT": provider.root,
            "TEST_OP_SECRET": self.secret,
            "OIDC_ISSUER": provider.issuer,
            "OIDC_RP_CLIENT_ID": "portal",
            "OIDC_RP_CLIENT_SECRET": self.secret,
            "TOKEN_ISSUERS": json.dumps([issuer]),
        }


@contextlib.contextmanager
def running_services(wanted: tuple[str, ...] = SERVICES) -> Iterator[Services]:
    """Start the services in a new folder; stop them and remove it whatever happens."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)  # the database server runs as another account and must pass
    (folder / "pid").write_text(str(os.getpid()))
    services = Services(folder)
    try:
        services.start(wanted)
        yield services
    finally:
        services.stop()
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Stop and remove what test runs left behind that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, ValueError, PostgresError):
            owner = int((folder / "pid").read_text())
            if not Path(f"/proc/{owner}").exists():
                Cluster(folder / "postgres", 0).stop("immediate")
                shutil.rmtree(folder, ignore_errors=True)


def end_on_sigterm() -> None:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that services are stopped."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.testenv", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--only", default=",".join(SERVICES), help="comma-separated: postgres, broker, provider")
    parser.add_argument("command", nargs="*", help="what to run with the services (after --)")
    chosen = parser.parse_args()
    end_on_sigterm()
    try:
        with running_services(tuple(chosen.only.split(","))) as services:
            if chosen.command:
                return run_in_front(chosen.command, env=services.environment(), cwd=ROOT)
            for name, value in services.environment().items():
                print(f"export {name}={shlex.quote(value)}")
            print("# Running; Ctrl-C stops and removes all of it.", flush=True)
            signal.pause()
    except (ProcessError, PostgresError) as error:
        print(f"The test services did not start. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
