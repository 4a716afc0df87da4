"""What comes from Debian: found by looking for the programs, installed when we may."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from devtools import postgres, rabbitmq

POLICY = Path("/usr/sbin/policy-rc.d")
CLUSTERS = Path("/etc/postgresql-common/createcluster.d")
APT = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Options::=--force-confold"]


class SetupError(RuntimeError):
    """Says which step failed and what to do about it."""


def missing_packages(kind: str) -> list[str]:
    """Return the Debian packages that `run` or `test` still needs."""
    wanted = {
        # Debian keeps the part of venv that brings pip in a package of its own.
        "python3-venv": importlib.util.find_spec("ensurepip") is not None,
        "postgresql": postgres.find_programs() is not None,
        # Compiles the translations.
        "gettext": shutil.which("msgfmt") is not None,
    }
    if kind == "test":
        wanted["rabbitmq-server"] = rabbitmq.PROGRAM.exists()
        wanted["chromium"] = find_chromium() is not None
        wanted["faketime"] = shutil.which("faketime") is not None
        # What Playwright's own Node is linked to; a minimal Debian lacks it.
        wanted["libatomic1"] = bool(list(Path("/usr/lib").glob("*/libatomic.so.1")))
    return [package for package, present in wanted.items() if not present]


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def install(packages: list[str]) -> None:
    """Install Debian packages without starting any service of theirs.

    :raises SetupError: when we are not root, or apt fails.
    """
    command = "apt-get install --no-install-recommends " + " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(f"these Debian packages are missing, and only root may install them: {command}")
    CLUSTERS.mkdir(parents=True, exist_ok=True)
    own = CLUSTERS / "openeo-credits.conf"
    if "postgresql" in packages:
        own.write_text("create_main_cluster = false\n")
    with _no_services():
        _apt("update")
        _apt("install", "-y", "--no-install-recommends", *packages)
    if "rabbitmq-server" in packages and shutil.which("systemctl"):
        # It would start with the machine from now on; nobody asked for a broker of the machine's.
        subprocess.run(["systemctl", "disable", "rabbitmq-server"], capture_output=True, check=False)


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their services: ours are private and listen elsewhere."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "UCF_FORCE_CONFFOLD": "1"}
    done = subprocess.run([*APT, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"apt-get {' '.join(arguments)} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
