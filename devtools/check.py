"""`make test`: every check, then every test, with services of their own; `make test ARGS="tests/x -k y"` narrows.

What needs no services runs while they start. Nothing stops at the first failure: the last lines say what failed.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from devtools.paths import LOCAL, PYTHON, ROOT, VENV
from devtools.postgres import PostgresError
from devtools.processes import ProcessError, run_in_front
from devtools.testenv import end_on_sigterm, running_services

MOST_WORKERS = 4


@dataclass(frozen=True)
class Check:
    """One command that must succeed. Its output is shown when it does not."""

    name: str
    kind: str
    command: Sequence[str]

    def run(self, env: Mapping[str, str]) -> bool:
        started = time.monotonic()
        done = subprocess.run(self.command, cwd=ROOT, env=os.environ | env, text=True, capture_output=True, check=False)
        took = time.monotonic() - started
        if done.returncode:
            print(f"{done.stdout}{done.stderr}\n{self.name}: FAILED ({took:.1f} s)", flush=True)
        else:
            print(f"{self.name}: fine ({took:.1f} s)", flush=True)
        return done.returncode == 0


def _module(*words: str) -> list[str]:
    return [str(PYTHON), "-m", *words]


WITHOUT_SERVICES = (
    Check("types", "types", _module("mypy")),
    Check("lint", "lint", _module("ruff", "check", ".")),
    Check("format", "lint", _module("ruff", "format", "--check", ".")),
    Check("layers", "lint", [str(VENV / "bin" / "lint-imports"), "--no-cache"]),
)
WITH_DATABASE = (
    Check("settings", "tests", [str(PYTHON), "manage.py", "check", "--fail-level", "WARNING"]),
    Check("migrations", "tests", [str(PYTHON), "manage.py", "makemigrations", "--check", "--dry-run"]),
)


def run_checks(checks: Sequence[Check], env: Mapping[str, str]) -> list[Future[bool]]:
    """Start the checks, two at a time, in the background."""
    pool = ThreadPoolExecutor(2)
    futures = [pool.submit(check.run, env) for check in checks]
    pool.shutdown(wait=False)
    return futures


def await_all(checks: Sequence[Future[bool]]) -> bool:
    """Wait for every check, also after one failed, and tell whether all were fine."""
    results = [check.result() for check in checks]
    return all(results)


def run_tests(arguments: Sequence[str], env: Mapping[str, str]) -> bool:
    """Run pytest: all of it with several workers, or what the arguments choose. COVERAGE=1 measures what it reaches,
    which takes a fifth longer and decides nothing.
    """
    (LOCAL / "coverage").mkdir(parents=True, exist_ok=True)
    workers = min(MOST_WORKERS, os.cpu_count() or 1)
    everything = ["-q", "-n", str(workers), "--dist", "worksteal", "--durations", "10"]
    if os.environ.get("COVERAGE"):
        everything += ["--cov", "--cov-report", "term"]
    command = _module("pytest", *(arguments or everything))
    return run_in_front(command, env=env, cwd=ROOT) == 0


def everything() -> bool:
    # The type checker loads the settings; whatever the environment says about services must not change its answer.
    background = run_checks(WITHOUT_SERVICES, {"DJANGO_SETTINGS_MODULE": "portal.settings.test"})
    with running_services() as services:
        env = services.environment()
        background += run_checks(WITH_DATABASE, env)
        fine = await_all(background)
        return run_tests([], env) and fine


def chosen_tests(arguments: Sequence[str]) -> bool:
    with running_services() as services:
        return run_tests(arguments, services.environment())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.check")
    parser.add_argument("--only", choices=["lint", "types"])
    chosen, arguments = parser.parse_known_args()
    started = time.monotonic()
    end_on_sigterm()
    try:
        if chosen.only:
            wanted = [check for check in WITHOUT_SERVICES if check.kind == chosen.only]
            fine = await_all(run_checks(wanted, {}))
        else:
            fine = chosen_tests(arguments) if arguments else everything()
    except (ProcessError, PostgresError) as error:
        print(f"The test services did not start. {error}", file=sys.stderr)
        fine = False
    except KeyboardInterrupt:
        return 130
    print(f"{'All fine' if fine else 'FAILED'} after {time.monotonic() - started:.0f} s", flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
