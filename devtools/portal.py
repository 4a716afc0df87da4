"""The processes of `make run` and the environment that each of them gets."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devtools.paths import LOCAL, PYTHON, ROOT
from devtools.postgres import APP, OWNER, Cluster
from devtools.processes import Child, Command, run_quietly
from devtools.provider import AUDIENCE, Provider, device_client, portal_client, service_client
from devtools.setup import stamps
from devtools.state import State, write_private

DATABASE = "portal"
CLIENT_ID = "portal"
LOGS = LOCAL / "logs"
_VO = "urn:mace:egi.eu:group:vo.openeo.cloud"
PLANS = {
    f"{_VO}:role=early_adopter#aai.egi.eu": "early-adopter",
    f"{_VO}:role=platform_developer#aai.egi.eu": "early-adopter",
    f"{_VO}:role=30day-trial#aai.egi.eu": "free-trial",
}


@dataclass(frozen=True)
class Portal:
    """One portal on `port`, its sign-in provider and its database on the two ports above."""

    port: int
    state: State

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.state.folder / "postgres", self.port + 2)

    def provider(self) -> Provider:
        return Provider(self.port + 1, self.state.folder / "provider", clients=self._clients([]))

    def environment(self, issuer: str) -> dict[str, str]:
        """Return what the settings read; the application's role, never the owner's, is what serves pages."""
        token_issuer = {"id": "egi", "title": "Development Check-in", "issuer": issuer, "audiences": [AUDIENCE]}
        return {
            "DJANGO_SETTINGS_MODULE": "portal.settings.dev",
            "DEMONSTRATION": "on",
            "SECRET_KEY": self.state.secret("SECRET_KEY"),
            "PUBLIC_URL": self.url,
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "DATABASE_URL": self.cluster.url(APP, DATABASE),
            "DATABASE_APP_ROLE": APP,
            "CELERY_BROKER_URL": "filesystem://",
            "CELERY_BROKER_FOLDER": str(self.state.folder / "broker"),
            "OIDC_ISSUER": issuer,
            "OIDC_RP_CLIENT_ID": CLIENT_ID,
            "OIDC_RP_CLIENT_SECRET": self.state.secret(CLIENT_ID),
            "TOKEN_ISSUERS": json.dumps([token_issuer]),
            "PLANS_BY_ENTITLEMENT": json.dumps(PLANS),
            "ETL_URL": self.url,
            "API_URL": f"{self.url}/api/v1",
            "WEB_BIND": f"127.0.0.1:{self.port}",
            "TZ": "UTC",
        }

    def prepare_database(self, env: Mapping[str, str]) -> bool:
        """Bring schema and privileges up to date; tell whether there was anything to do.

        :raises ProcessError: with what the migration said.
        """
        apps = [ROOT / app for app in ("accounting", "marketplace", "portal")]
        made_from = [folder for app in apps for folder in (app / "migrations", app / "management") if folder.exists()]
        wanted = stamps.digest([*made_from, ROOT / "requirements.txt"])
        marks = self.state.folder / "stamps"
        if stamps.is_current("database", wanted, (), marks):
            return False
        stamps.forget("database", marks)
        self.cluster.ensure_database(DATABASE)
        as_owner = {**env, "DATABASE_URL": self.cluster.url(OWNER, DATABASE)}
        run_quietly("migrations", [PYTHON, "-m", "devtools.prepare"], env=as_owner, cwd=ROOT)
        stamps.write("database", wanted, marks)
        return True

    def demonstrate(self, actions: Sequence[str], env: Mapping[str, str]) -> str:
        """Run actions of the demonstration, in one process, and return what they print.

        :raises ProcessError: when it fails.
        """
        as_both = {**env, "DATABASE_OWNER_URL": self.cluster.url(OWNER, DATABASE)}
        command: Command = [PYTHON, "-m", "devtools.demonstration", *actions]
        return run_quietly("the demonstration", command, env=as_both, cwd=ROOT)

    def introduce(self, provider: Provider, cast: Mapping[str, Any]) -> Path:
        """Tell the provider the people and clients; return the file that the live back end reads."""
        names = [str(client["client_id"]) for client in cast["clients"]]
        provider.publish(cast["people"], self._clients(names))
        path = self.state.folder / "clients.json"
        secrets = [{"client_id": name, "client_secret": self.state.secret(f"client {name}")} for name in names]
        write_private(path, json.dumps(secrets, indent=1))
        return path

    def client_secret(self, client_id: str) -> str:
        return self.state.secret(f"client {client_id}")

    def start_web(self, env: Mapping[str, str]) -> Child:
        command: Command = [PYTHON, "-m", "gunicorn", "-c", ROOT / "gunicorn.conf.py", "portal.wsgi:application"]
        return Child.start("web", command, LOGS, env=env, cwd=ROOT)

    def start_tasks(self, env: Mapping[str, str]) -> list[Child]:
        schedule = self.state.folder / "beat"
        celery: Command = [PYTHON, "-m", "celery", "-A", "portal"]
        worker: Command = [*celery, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle"]
        beat: Command = [*celery, "beat", "--schedule", schedule, "--pidfile", ""]
        return [
            Child.start("worker", worker, LOGS, env=env, cwd=ROOT),
            Child.start("beat", beat, LOGS, env=env, cwd=ROOT),
        ]

    def start_live(self, env: Mapping[str, str], clients: Path) -> Child:
        command: Command = [PYTHON, "-m", "devtools.demonstration", "live"]
        return Child.start("live", command, LOGS, env={**env, "DEMO_CLIENTS": str(clients)}, cwd=ROOT)

    def _clients(self, services: Sequence[str]) -> list[dict[str, Any]]:
        return [
            portal_client(CLIENT_ID, self.state.secret(CLIENT_ID)),
            device_client(),
            *(service_client(name, self.client_secret(name)) for name in services),
        ]


def wants_live() -> bool:
    return os.environ.get("LIVE", "") not in {"0", "no", "off"}
