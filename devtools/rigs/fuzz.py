"""`make fuzz`: schemathesis on both APIs as they are served, with a back end's token and with a person's.

Every answer must fit the OpenAPI document, on v1 no valid request may be refused for its form and no invalid one
accepted, and afterwards the ledger must verify. Runs inside `python -m devtools.testenv`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from devtools.paths import LOCAL, PYTHON, ROOT, VENV
from devtools.processes import Child, Command, ProcessError, answers, free_ports, run_quietly, wait_until
from devtools.provider import AUDIENCE, ProviderAdmin

CONFIG = Path(__file__).with_name("fuzz.toml")
QUICK, THOROUGH = 4, 150
QUICK_PHASES = "examples,coverage,fuzzing"
ALL_PHASES = f"{QUICK_PHASES},stateful"

SEED = """
import django; django.setup()
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from accounting import callbacks, estimates, grants, holds, organisations, registry, tariffs, usage, workloads
from accounting.principals import ServicePrincipal
from accounting.rating import UsageLine
from accounting.reports import UsageReport
from accounting.tariffs import RuleSpec

issuer = registry.normalise_issuer(os.environ["OIDC_ISSUER"])
backend = registry.register_backend("terrascope", "Terrascope", registry.register_provider("vito", "VITO"))
source = registry.register_source("TerraScope/MEP", backend, issuer)
client = registry.register_client(issuer, "backend-one", "Back end one", ["TerraScope/MEP"])
rules = [RuleSpec("CPU", "cpu", "cpu-hour", Decimal("1.5")), RuleSpec("Memory", "memory", "gb-hour", Decimal(1))]
tariffs.publish("TerraScope/MEP", "Rates", rules, starts_at=datetime.now(UTC) - timedelta(days=4000))
alice = organisations.ensure_person(issuer, os.environ["FUZZ_PERSON"])
grants.issue(alice.personal_organisation, 1_000_000_000, kind="free", label="Free", fund="federation", key="fuzz")
callbacks.register(client, "https://192.0.2.1/hook")
for n in range(3):
    callbacks.send(client, "callback.test", {"n": n}, f"fuzz {n}")
reporter = ServicePrincipal(client, issuer, "backend-one", "", "Back end one")
line = UsageLine("cpu", Decimal(5099), "cpu-seconds", "5099")
usage.ingest(reporter, [UsageReport("usage-reports", "TerraScope/MEP", alice.sub, f"j-{n}", (line,), "{}", key=f"k-{n}",
             execution_id=f"e-{n}", state="FINISHED") for n in range(5)], on_reuse="refuse")
payer = holds.Payer("TerraScope/MEP", alice.sub)
for n in range(5):
    holds.reserve(reporter, holds.Request(payer, f"h-{n}", 10_000, f"h-{n}"))
udp = {"url": "https://algorithms.example.org/udp/ndvi-time-series"}
told = workloads.read({"udp": udp, "area_m2": 1e8, "time_steps": 9})
workloads.record_many([(source, f"j-{n}", None, None, told) for n in range(5)])
estimates.collect()
"""


@dataclass(frozen=True)
class Target:
    """One run: which description, which of its operations, as whom."""

    name: str
    description: str
    operations: tuple[str, ...]
    token: str
    without: tuple[str, ...] = ()


HOLDS = ("/precheck", "/holds", *(f"/holds/{{hold}}{deed}" for deed in ("", "/receipt", "/heartbeat", "/capture")))
HOLDS += tuple(f"/holds/{{hold}}/{deed}" for deed in ("extend", "release"))

CURSORS = {"/entries": "FUZZ_ENTRIES_CURSOR", "/jobs": "FUZZ_JOBS_CURSOR", "/holds": "FUZZ_HOLDS_CURSOR"}
CURSORS["/callbacks/deliveries"] = "FUZZ_DELIVERIES_CURSOR"

#: A key that was used before is answered as the first time whatever else is said, and unknown fields may hold anything.
LENIENT = ("negative_data_rejection", "positive_data_acceptance")


PERSONS = ("/balance", "/entries", "/jobs", "/jobs/{source}/{job_id}", "/quotes", "/openeo/billing", "/openeo/me")
_ESTIMATES = ("/estimates", "/openeo/estimate", "/estimates/comparison", "/estimates/calibration")


def targets(url: str, service: str, person: str) -> list[Target]:
    v1, etl = f"{url}/api/v1/openapi.json", f"{url}/docs/openapi.json"
    own = ("/usage-reports", "/usage-reports/batch", "/quotes", "/jobs", "/callbacks", "/callbacks/deliveries")
    return [
        Target("v1 as a back end", v1, own, service),
        Target("v1 holds as a back end", v1, (*HOLDS, *_ESTIMATES[:2]), service),
        Target("v1 as a person", v1, (*PERSONS, *_ESTIMATES), person),
        Target("ETL as a back end", etl, ("/resources", "/addedvalue", "/validate/auth"), service, LENIENT),
        Target("ETL as a person", etl, ("/user", "/user/permissions"), person),
    ]


@contextmanager
def serving(person: str) -> Iterator[str]:
    """The portal as it is shipped, on the application's database role; its address."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    env = {"PUBLIC_URL": url, "THROTTLE_PER_MINUTE": "1000000", "FUZZ_PERSON": person}
    env["CALLBACK_ALLOWED_NETWORKS"] = "192.0.2.0/24"  # nobody answers there, and no worker runs
    run_quietly("migrate", [PYTHON, "manage.py", "migrate", "-v0"], env=env, cwd=ROOT)
    run_quietly("grant_privileges", [PYTHON, "manage.py", "grant_privileges"], env=env, cwd=ROOT)
    env["DATABASE_URL"] = os.environ["DATABASE_APP_URL"]
    run_quietly("seed", [PYTHON, "-c", SEED], env=env, cwd=ROOT)
    command: Command = [VENV / "bin" / "gunicorn", "-c", "gunicorn.conf.py", "portal.wsgi"]
    env |= {"WEB_BIND": f"127.0.0.1:{port}", "WEB_WORKERS": "1"}
    web = Child.start("fuzz-web", command, LOCAL / "logs", env=env, cwd=ROOT)
    try:
        wait_until(lambda: answers(f"{url}/health"), "the portal", seconds=30, child=web)
        yield url
    finally:
        web.stop()


def cursor(url: str, path: str, token: str) -> str:
    """Where the second page of a list begins: a cursor is signed, nobody can invent one."""
    request = urllib.request.Request(f"{url}/api/v1{path}?limit=1", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        following = urlsplit(json.load(response)["next"])
    (text,) = parse_qs(str(following.query))["cursor"]
    return text


def run(target: Target, examples: int, seed: int, phases: str) -> bool:
    prefix = "/api/v1" if target.name.startswith("v1") else ""
    included = [word for path in target.operations for word in ("--include-path", prefix + path)]
    command = [
        *(VENV / "bin" / "st", "--config-file", CONFIG, "run", target.description, "--workers", "1"),
        *("--max-examples", str(examples), "--seed", str(seed), "--no-shrink", "--phases", phases),
        *(("--exclude-checks", ",".join(target.without)) if target.without else ()),
        *("-H", f"Authorization: Bearer {target.token}", *included),
    ]
    started = time.monotonic()
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "devtools.rigs.fuzz_hooks", "PYTHONPATH": str(ROOT)}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=LOCAL, env=env, check=False, capture_output=True, text=True)
    took = time.monotonic() - started
    said = (done.stdout + done.stderr).replace(target.token, "[token]")
    print(f"{target.name}: {'fine' if done.returncode == 0 else 'FAILED'} ({took:.0f} s)", flush=True)
    if done.returncode:
        print(said, flush=True)
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.rigs.fuzz", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} examples an operation, not {THOROUGH}")
    parser.add_argument("--examples", type=int, default=0, help="examples an operation")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--only", default="", help="part of a target's name")
    chosen = parser.parse_args()
    examples = chosen.examples or (QUICK if chosen.quick else THOROUGH)
    admin = ProviderAdmin(os.environ["TEST_OP_ROOT"])
    sub = "1c0ffee0alice@egi.eu"
    hours = {"exp": int(time.time()) + 4 * 3600, "aud": AUDIENCE, "typ": "Bearer"}
    person = admin.mint({"sub": sub, "azp": "openeo-client", **hours})
    account = {"sub": "service-account-backend-one@egi.eu", "azp": "backend-one", "client_id": "backend-one"}
    service = admin.mint({**account, "preferred_username": "service-account-backend-one", **hours})
    print(f"{examples} examples an operation, seed {chosen.seed}", flush=True)
    try:
        with serving(sub) as url:
            for path, name in CURSORS.items():
                os.environ[name] = cursor(url, path, service if path.startswith("/callbacks") else person)
            results = [
                run(target, examples, chosen.seed, QUICK_PHASES if chosen.quick else ALL_PHASES)
                for target in targets(url, service, person)
                if chosen.only in target.name
            ]
        run_quietly("verify_ledger", [PYTHON, "manage.py", "verify_ledger"], env={}, cwd=ROOT)
    except ProcessError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
