"""A private production-like portal for the rigs: durable PostgreSQL, gunicorn as shipped, real tokens.

Run below `devtools.testenv` (make crash, make bench), whose sign-in provider makes the tokens.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from devtools.paths import PYTHON, ROOT
from devtools.postgres import APP, OWNER, Cluster
from devtools.processes import Child, Command, free_ports, run_quietly, wait_until
from devtools.provider import AUDIENCE, ProviderAdmin
from devtools.testenv import PREFIX

if TYPE_CHECKING:
    from accounting.principals import ServicePrincipal

DATABASE = "rig"
SOURCE = "Rig/One"
CLIENT = "rig-client"


class Stage:
    """Everything below one temporary folder; `workers` and `threads` as gunicorn.conf.py unless said."""

    def __init__(self, folder: Path, *, durable: bool = True, urls: str = "portal.urls") -> None:
        self.folder = folder
        self.urls = urls
        database_port, self.port = free_ports(2)
        self.cluster = Cluster(folder / "postgres", database_port, durable=durable)
        self.web: Child | None = None
        self.issuer = os.environ["TEST_OP_URL"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, role: str = APP) -> dict[str, str]:
        issuer = {"id": "egi", "title": "Rig", "issuer": self.issuer, "audiences": [AUDIENCE]}
        return {
            "DJANGO_SETTINGS_MODULE": "devtools.rigs.settings",
            "RIG_URLS": self.urls,
            "SECRET_KEY": "a rig signs nothing that anybody outside of it would believe, 0123456789",
            "PUBLIC_URL": self.url,
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": self.cluster.url(role, DATABASE),
            "DATABASE_APP_ROLE": APP,
            "CELERY_BROKER_URL": "memory://",
            "OIDC_ISSUER": self.issuer,
            "OIDC_RP_CLIENT_ID": "portal",
            "OIDC_RP_CLIENT_SECRET": "unused",
            "TOKEN_ISSUERS": json.dumps([issuer]),
            "THROTTLE_PER_MINUTE": "100000000",
            "WEB_BIND": f"127.0.0.1:{self.port}",
            "TZ": "UTC",
        }

    def prepare(self) -> None:
        """An empty database at the newest schema, and this process's Django connected to it as the owner."""
        self.cluster.start()
        self.cluster.ensure_database(DATABASE)
        # Superuser for the rig itself: it kills backends, drops indexes as a negative control and reads statistics.
        self.cluster.query(f"ALTER ROLE {OWNER} SUPERUSER")
        owner = self.environment(OWNER)
        run_quietly("migrations", [PYTHON, "-m", "devtools.prepare"], env=owner, cwd=ROOT)
        os.environ.update(owner)
        import django

        django.setup()
        logging.getLogger("urllib3").setLevel(logging.ERROR)  # each retry of a client would be a line

    def start_web(self) -> None:
        command: Command = [PYTHON, "-m", "gunicorn", "-c", ROOT / "gunicorn.conf.py", "portal.wsgi:application"]
        self.web = Child.start("web", command, self.folder, env=self.environment(), cwd=ROOT)

    def wait_for_web(self, seconds: float = 30) -> None:
        wait_until(lambda: self.answers("/health"), "gunicorn", seconds=seconds, child=self.web)

    def answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def token(self) -> str:
        """A client-credentials token of the back end's client, good for six hours, signed by the provider."""
        name = f"service-account-{CLIENT}"
        claims = {"sub": f"{name}@egi.eu", "azp": CLIENT, "client_id": CLIENT, "preferred_username": name}
        life = {"typ": "Bearer", "scope": "openid", "exp": int(time.time()) + 6 * 3600}
        return ProviderAdmin(os.environ["TEST_OP_ROOT"]).mint({**claims, **life})

    def stop(self) -> None:
        if self.web is not None:
            self.web.stop()
        self.cluster.stop("immediate")


@contextlib.contextmanager
def staged(**options: object) -> Iterator[Stage]:
    """A prepared stage, thrown away afterwards whatever happens; web is not started yet."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)  # the database server runs as another account and must pass
    (folder / "pid").write_text(str(os.getpid()))  # so that the next run can sweep up after one that was killed
    stage = Stage(folder, **options)  # type: ignore[arg-type]
    try:
        stage.prepare()
        yield stage
    finally:
        stage.stop()
        shutil.rmtree(folder, ignore_errors=True)


def populate(issuer: str, people: int, credits: int) -> ServicePrincipal:
    """One back end with the CDSE-like rates, and people `u0`... with a wallet and a grant of so many credits each.

    Rows of people are inserted in bulk as the owner: making 10,000 of them one by one would take longer than the rig.
    """
    from datetime import UTC, datetime
    from decimal import Decimal

    from django.db import connection

    from accounting import grants, registry, tariffs
    from accounting.credits import MICROS
    from accounting.principals import ServicePrincipal
    from accounting.tariffs import RuleSpec

    backend = registry.register_backend("rig", "Rig", registry.register_provider("rig", "Rig"))
    registry.register_source(SOURCE, backend, issuer)
    rules = (
        RuleSpec("CPU", "cpu", "cpu-hour", Decimal("1.5")),
        RuleSpec("Memory", "memory", "gb-hour", Decimal(1)),
        RuleSpec("Sentinel Hub", "processing", "shpu", Decimal("0.15")),
        RuleSpec("Base fee", "processing", "credit", Decimal(1)),
    )
    tariffs.publish(SOURCE, "rates", rules, starts_at=datetime(2020, 1, 1, tzinfo=UTC))
    client = registry.register_client(issuer, CLIENT, "Rig", [SOURCE])
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, [people, registry.normalise_issuer(issuer)])
        cursor.execute("SELECT personal_organisation_id FROM accounting_person")
        homes = [row[0] for row in cursor.fetchall()]
    for home in homes:
        grants.issue(home, credits * MICROS, kind="free", label="rig", fund="rig", key=f"rig {home}")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return ServicePrincipal(client, registry.normalise_issuer(issuer), CLIENT, "", "Rig")


PEOPLE = """
    WITH homes AS (INSERT INTO accounting_organisation (name, personal, category)
                   SELECT 'Personal', true, '' FROM generate_series(1, %s) RETURNING id),
         numbered AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM homes),
         wallets AS (INSERT INTO accounting_account (kind, organisation_id, owner) SELECT 'wallet', id, '' FROM homes),
         people AS (INSERT INTO accounting_person (issuer, sub, plan, personal_organisation_id, current_organisation_id)
                    SELECT %s, 'u' || n, 'free', id, id FROM numbered RETURNING id, personal_organisation_id)
    INSERT INTO accounting_member (organisation_id, person_id, role)
    SELECT personal_organisation_id, id, 'owner' FROM people"""


def report_body(key: str, user: str, cpu_seconds: int) -> dict[str, object]:
    """What the openEO GeoPySpark driver posts to /resources for a batch job."""
    finish = time.time() * 1000 - 60_000
    return {
        "jobId": f"j-{key}",
        "jobName": "a test",
        "executionId": f"application_{key}",
        "userId": user,
        "sourceId": SOURCE,
        "orchestrator": "openeo",
        "jobStart": finish - 53_000,
        "jobFinish": finish,
        "idempotencyKey": f"application_{key}",
        "state": "FINISHED",
        "status": "UNDEFINED",
        "metrics": {
            "cpu": {"value": cpu_seconds, "unit": "cpu-seconds"},
            "memory": {"value": 6784, "unit": "mb-seconds"},
            "time": {"value": 53_000, "unit": "milliseconds"},
        },
    }


def end(pid: int) -> None:
    """SIGKILL, to a process of ours that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
