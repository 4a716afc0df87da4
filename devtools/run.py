"""`make run`: everything that a person needs to look at the portal, until Ctrl-C.

PORT moves it (the provider and the database follow), LIVE=0 leaves out the simulated back end, STATE_DIR says
where its data lives.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devtools.paths import LOCAL, state_folder
from devtools.portal import LOGS, Portal, wants_live
from devtools.postgres import PostgresError
from devtools.processes import Child, ProcessError, answers, is_port_open, stop_all, wait_until
from devtools.provider import Provider
from devtools.state import AlreadyRunning, State, write_private
from devtools.testenv import end_on_sigterm

DEMO_ENV = LOCAL / "demo.env"


class Run:
    """One run from start to stop."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.started = time.monotonic()
        self.children: list[Child] = []

    def say(self, line: str) -> None:
        print(f"[run {time.monotonic() - self.started:8.1f} s] {line}", flush=True)

    def start(self) -> Mapping[str, Any]:
        """Start everything; return what the demonstration says about itself once the page answers.

        :raises ProcessError, PostgresError: saying which part failed, with its last words.
        """
        portal = self.portal
        self._check_ports()
        provider = portal.provider()
        provider.launch()
        if provider.child is not None:
            self.children.append(provider.child)
        portal.cluster.start()
        env = portal.environment(provider.issuer)
        if portal.prepare_database(env):
            self.say("database: ready")
        cast = self._demonstrate(provider, env)
        self.children.append(portal.start_web(env))
        self.children += portal.start_tasks(env)
        provider.wait()
        web = self.children[1]
        wait_until(lambda: answers(f"{portal.url}/"), "the page", seconds=60, child=web, pause=0.1)
        if wants_live():
            self.children.append(portal.start_live(env, portal.state.folder / "clients.json"))
        return cast

    def watch(self) -> None:
        """Wait until told to end.

        :raises ProcessError: when a part of it dies first.
        """
        while True:
            for child in self.children:
                child.check()
            if not self.portal.cluster.is_running():
                raise ProcessError(f"PostgreSQL ended. Its last words:\n{self.portal.cluster.last_words()}")
            time.sleep(0.5)

    def stop(self) -> None:
        stop_all(self.children[::-1])
        self.portal.cluster.stop()

    def _check_ports(self) -> None:
        # A database left over from a run that was killed is ours, and we hold the lock on its folder.
        self.portal.cluster.stop()
        for offset, what in enumerate(("the portal", "the sign-in provider", "PostgreSQL")):
            if is_port_open(self.portal.port + offset):
                raise ProcessError(
                    f"port {self.portal.port + offset}, for {what}, is taken by another program; "
                    "PORT=9000 make run uses 9000 to 9002"
                )

    def _demonstrate(self, provider: Provider, env: Mapping[str, str]) -> Mapping[str, Any]:
        cast: Mapping[str, Any] = json.loads(self.portal.demonstrate(["seed", "describe"], env))
        self.portal.introduce(provider, cast)
        self.say("demonstration: ready")
        return cast


def demo_env(portal: Portal, issuer: str, cast: Mapping[str, Any]) -> str:
    """Return the lines of .local/demo.env, which point any client at this portal."""
    client = str(cast["client_id"])
    values = {
        "PORTAL_URL": portal.url,
        "ETL_URL": portal.url,
        "API_URL": f"{portal.url}/api/v1",
        "OIDC_ISSUER": issuer,
        "CLIENT_ID": client,
        "CLIENT_SECRET": portal.client_secret(client),
        "SOURCE_ID": cast["source_id"],
        "USER_SUB": cast["user_sub"],
        "ORG_ID": cast["org_id"],
        "LOGINS": ",".join(login["login"] for login in cast["logins"]),
    }
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def announce(portal: Portal, cast: Mapping[str, Any]) -> None:
    width = max(len(login["login"]) for login in cast["logins"])
    people = "\n".join(f"    {login['login']:<{width}}  {login['who']}" for login in cast["logins"])
    print(
        f"\nThe portal is at {portal.url}/\n\n  Sign in as\n{people}\n\n"
        f"  API for back ends  {portal.url}/docs/    (as OPENEO_ETL_API: {portal.url})\n"
        f"  API v1             {portal.url}/api/v1/docs/\n"
        f"  Mail, not sent     {portal.url}/mail/\n"
        f"  Credentials        {_short(DEMO_ENV)}    Logs  {_short(LOGS)}/\n\n"
        "Ctrl-C stops all of it.",
        flush=True,
    )


def _short(path: Path) -> str:
    return os.path.relpath(path)


def main() -> int:
    port = int(os.environ.get("PORT") or 8600)
    portal = Portal(port, State(state_folder(port)))
    end_on_sigterm()
    try:
        with portal.state.held(f"process {os.getpid()} at {portal.url}/"):
            return _run(Run(portal))
    except AlreadyRunning as error:
        print(f"It is running already: {error}. PORT=9000 make run starts another beside it.", file=sys.stderr)
        return 1


def _run(run: Run) -> int:
    try:
        cast = run.start()
        issuer = run.portal.provider().issuer
        write_private(DEMO_ENV, demo_env(run.portal, issuer, cast))
        run.say("the page answers")
        announce(run.portal, cast)
        run.watch()
    except (ProcessError, PostgresError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(flush=True)
        return 0
    finally:
        run.say("stopping")
        run.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
